package experiment_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

const planesStudy = `tare: study/1
name: planes
dataplane: [other, embedded]
workload: {name: fake}
function: {name: countdown}
load: {rate: 250/s}
treatments:
  - {name: off, control: direct}
  - {name: router, control: router, baseline: off}
  - {name: router-aa, control: aa, baseline: router}
  - {name: plain, form: library, baseline: router}
  - {name: more, workload: {work: 5us}, baseline: plain, against: [router]}
  - {name: off-library, form: library, baseline: off}
design: {blocks: 32, warmup: 10, idle: 50ms, latency: 2s, solo: 200ms, stop: fixed}
margin: {p50: 4us}
`

// planesMachine: more costs 90 µs on other and 30 on embedded, each beside its
// own router; plain costs the same as its router on embedded.
func planesMachine() *machine {
	m := newMachine()
	m.addOf = map[string]time.Duration{}
	for name, add := range map[string]time.Duration{
		"off": 0, "off-library": 2,
		"router-other": 250, "router-aa-other": 250, "plain-other": 310, "more-other": 340,
		"router-embedded": 100, "router-aa-embedded": 100, "plain-embedded": 100, "more-embedded": 130,
	} {
		m.addOf[name] = add * time.Microsecond
	}
	return m
}

// What a treatment costs on one plane is given as a multiple of what it costs
// on the other, each against its own router: the planted ratio is found, and
// where the other cost is nothing there is no interval, and it is said why.
func TestCostRatioBetweenPlanes(t *testing.T) {
	p := planAt(t, planesStudy, 6)
	an, err := experiment.Analyse(p, simulated(t, p, planesMachine()))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range an.Ratios {
		key := r.Written + " " + string(r.Endpoint)
		seen[key] = true
		name := func(i int) string { return p.Study.Treatments[i].Name }
		if name(r.Over) != r.Written+"-other" || name(r.Under) != r.Written+"-embedded" || name(r.OverBase) != "router-other" || name(r.UnderBase) != "router-embedded" {
			t.Errorf("%s: %s − %s over %s − %s", key, name(r.Over), name(r.OverBase), name(r.Under), name(r.UnderBase))
		}
		switch r.Written {
		case "more":
			if r.Interval == nil || !r.Interval.Contains(3) || r.Interval.Half() > 0.3 || math.Abs(r.OverCost/r.UnderCost-r.Estimate) > 1e-9 {
				t.Errorf("%s: 90 over 30 was planted, found %+v", key, r)
			}
		case "plain":
			if r.Endpoint == experiment.P50 && (r.Interval != nil || !strings.Contains(r.Why, "divided by may be 0")) {
				t.Errorf("%s: 60 over 0 was planted, found %+v", key, r)
			}
		}
	}
	if d := cmp.Diff(map[string]bool{"more p50": true, "more cpu": true, "plain p50": true, "plain cpu": true}, seen); d != "" {
		t.Error(d)
	}
	one := planOf(t, strings.Replace(planesStudy, "[other, embedded]", "embedded", 1))
	m := planesMachine()
	m.addOf = map[string]time.Duration{}
	an, err = experiment.Analyse(one, simulated(t, one, m))
	if err != nil || an.Ratios != nil || len(an.Gates) != 1 {
		t.Errorf("one plane: %+v, %+v, %v", an.Ratios, an.Gates, err)
	}
}

// Further comparisons are primary and of the same family as the others.
func TestAgainstIsOfTheFamily(t *testing.T) {
	p := planOf(t, planesStudy)
	an, err := experiment.Analyse(p, simulated(t, p, planesMachine()))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, c := range an.Comparisons {
		if c.Endpoint != experiment.P50 || !c.Primary {
			continue
		}
		got[an.Treatments[c.Treatment].Name+" − "+an.Treatments[c.Baseline].Name] = math.Round(c.Difference.Estimate)
		if c.Multiplicity.Comparisons != 2*7 || c.Multiplicity.Level != p.Rule.Level || c.Multiplicity.Method != stat.MethodMaxT {
			t.Errorf("%+v: want one family of p50 and CPU of 7 comparisons", c.Multiplicity)
		}
	}
	want := map[string]float64{
		"plain-other − router-other": 60, "more-other − plain-other": 30, "more-other − router-other": 90,
		"plain-embedded − router-embedded": 0, "more-embedded − plain-embedded": 30, "more-embedded − router-embedded": 30,
		"off-library − off": 2,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Each plane has its own gate: what its own copy fails is undecided there and
// not on the other plane; what stands on neither is held to both.
func TestGatesAreTheirPlanes(t *testing.T) {
	m := planesMachine()
	m.addOf["router-aa-other"] += 40 * time.Microsecond
	m.addOf["plain-other"] = m.addOf["router-other"]
	m.addOf["off-library"] = 0
	p := planOf(t, planesStudy)
	an, err := experiment.Analyse(p, simulated(t, p, m))
	if err != nil {
		t.Fatal(err)
	}
	if len(an.Gates) != 2 || an.Gates[0].By[experiment.P50].Inside || !an.Gates[1].By[experiment.P50].Inside {
		t.Fatalf("%+v", an.Gates)
	}
	want := map[string]stat.Verdict{"plain-other": stat.Undecided, "plain-embedded": stat.NoDifference, "off-library": stat.Undecided}
	for _, c := range an.Comparisons {
		n := an.Treatments[c.Treatment].Name
		if v, ok := want[n]; ok && c.Endpoint == experiment.P50 && c.Verdict != v {
			t.Errorf("%s: %s %+v, want %s", n, c.Verdict, c.Difference, v)
		}
	}
}

// The interference control is one for each plane, of treatments on that plane.
func TestInterferenceIsOnePlanes(t *testing.T) {
	t.Parallel()
	m, j := planesMachine(), &journal{}
	p, _, err := run(t, context.Background(), strings.Replace(planesStudy, "blocks: 32", "blocks: 8", 1), m, countdown(nil), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	an, err := experiment.Analyse(p, j.blocks)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range an.Interference {
		got = append(got, p.Study.PlaneOf(in.Baseline)+" "+an.Treatments[in.Baseline].Name)
		if p.Study.PlaneOf(in.Heaviest) != p.Study.PlaneOf(in.Baseline) || in.Blocks != 1 {
			t.Errorf("%s against %s in %d blocks", an.Treatments[in.Heaviest].Name, an.Treatments[in.Baseline].Name, in.Blocks)
		}
	}
	if d := cmp.Diff([]string{"other router-other", "embedded router-embedded"}, got); d != "" {
		t.Error(d)
	}
}

func TestProgramsOfThePlanesThatStand(t *testing.T) {
	names := func(text string) []string {
		a, err := experiment.NewApparatus(planOf(t, text), catalog(t, newMachine(), countdown(nil)))
		if err != nil {
			t.Fatal(err)
		}
		ps, err := a.Programs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range ps {
			out = append(out, p.Plane)
		}
		return out
	}
	if d := cmp.Diff([]string{"other", "embedded"}, names(planesStudy)); d != "" {
		t.Error(d)
	}
	if got := names(fakeStudy); got != nil {
		t.Errorf("no proxies, but programs %v", got)
	}
}

// Records of the time when a study had one data plane are read.
func TestOldRecordsAreRead(t *testing.T) {
	e := experiment.Experiment{ID: "x", Plan: *planOf(t, fakeStudy)}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(text), `{"id":"x"`, `{"id":"x","plane":{"plane":"envoy","version":"1.40.0"}`, 1)
	var got experiment.Experiment
	if err := json.Unmarshal([]byte(old), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]dataplane.Program{{Plane: "envoy", Version: "1.40.0"}}, got.Planes); d != "" {
		t.Error(d)
	}
	if got.ID != "x" || got.Plan.Digest != e.Plan.Digest || got.Plan.Study.DataPlane[0] != "embedded" {
		t.Errorf("%+v", got)
	}
}

// A native limit that could drop a user's bucket is refused, with the remedy.
func TestTooManyUsersForTheNativeLimit(t *testing.T) {
	for _, c := range []struct {
		users int
		want  string
	}{
		{4002, ""}, // 2000 users and the one that probes
		{4001, "imagehub.yaml:"},
	} {
		s, err := study.ReadFile("../examples/imagehub.yaml")
		if err != nil {
			t.Fatal(err)
		}
		params, err := study.JSONParams("function", fmt.Appendf(nil, `{"users": %d}`, c.users))
		if err != nil {
			t.Fatal(err)
		}
		s.Function.Params = params
		p, err := study.MakePlan(*s, study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = experiment.NewApparatus(p, built(t))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%d buckets: %v", c.users, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "there are 2001 users, more than half: set the function's parameter users to 4002 or more")):
			t.Errorf("%d buckets: %v", c.users, err)
		}
	}
}
