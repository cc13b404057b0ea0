package experiment_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

const advised = `tare: study/1
name: advised
workload: {name: imagehub}
function: {name: ratelimit}
dataplane: [embedded, envoy]
load: {rate: 150/s, connections: 4, users: {count: 10, mix: [{subscription: Enterprise, share: 100%, weight: 1}]}}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: token, control: token, baseline: router}
  - {name: native, form: native, baseline: token}
  - {name: wide, baseline: native, set: {connections: 32}}
  - {name: threads, baseline: wide, set: {workers: 2}}
design: {time: 5m}
`

const advisedCells = `tare: study/1
name: cells
workload: {name: echo}
load: {rate: 600/s}
treatments: [{name: router, control: router}]
factors: {connections: [4, 64], response: [1KiB, 64KiB]}
design: {name: factorial, time: 5m}
`

const advisedPairs = `tare: study/1
name: pairs
workload: {name: echo}
treatments:
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: work, baseline: router, workload: {work: 20us}}
design: {name: pairs, pair: [router, work], levels: [100/s, closed], time: 5m}
`

// A trial stands the treatment twice, as it was, under the same load, and the
// two differ in the number of connections alone.
func TestTrialChangesTheConnectionsAlone(t *testing.T) {
	for _, c := range []struct {
		text, treatment string
		suggested       float64
		own, tried      int
		bounded         string
		rate            study.Rate
		plane           string
		steps, settings string // of the tried cell
	}{
		{advised, "native-envoy", 130.4, 4, 130, "", 150, "envoy", "router token native", "connections 130"},
		{advised, "router-aa-embedded", 16, 4, 16, "", 150, "embedded", "router", "connections 16"},
		{advised, "direct", 2.5, 4, 3, "", 150, "", "direct", "connections 3"},
		{advised, "threads-embedded", 8, 32, 8, "", 150, "embedded", "router token native", "workers 2, connections 8"},
		{advised, "native-envoy", 25_000, 4, 1000, "25000 were suggested, and a treatment has at most 1000", 150, "envoy", "router token native", "connections 1000"},
		{advised, "native-envoy", .2, 4, 1, "0.20 were suggested, and a treatment has at least 1", 150, "envoy", "router token native", "connections 1"},
		{advisedCells, "c64-resp64kib", 10, 64, 10, "", 600, "embedded", "router", "response 64KiB, connections 10"},
		{advisedPairs, "work-at-100", 50, 8, 50, "", 100, "embedded", "router work", "connections 50"},
	} {
		trial, err := experiment.NewTrial(planOf(t, c.text), c.treatment, c.suggested)
		if err != nil {
			t.Errorf("%s: %v", c.treatment, err)
			continue
		}
		if trial.Own != c.own || trial.Tried != c.tried || trial.Bounded != c.bounded {
			t.Errorf("%s: from %d to %d connections, %q; want %d, %d, %q", c.treatment, trial.Own, trial.Tried, trial.Bounded, c.own, c.tried, c.bounded)
		}
		p, err := study.MakePlan(trial.Study, study.Options{Time: 2 * time.Minute})
		if err != nil {
			t.Errorf("%s cannot be planned: %v", c.treatment, err)
			continue
		}
		own, tried := trial.Cells(p)
		i, j := p.Study.Index(own), p.Study.Index(tried)
		if i < 0 || j < 0 || !p.Study.Stands(i) || !p.Study.Stands(j) || p.Study.PlaneOf(j) != c.plane || p.Study.RateOf(i) != c.rate || p.Study.RateOf(j) != c.rate || p.Screening {
			t.Errorf("%s: cells %q and %q, plane %q, rates %v and %v, screening %v", c.treatment, own, tried, p.Study.PlaneOf(j), p.Study.RateOf(i), p.Study.RateOf(j), p.Screening)
		}
		var steps, settings []string
		for _, k := range p.Study.Ladder(j) {
			if x := p.Study.Treatments[k]; x.Control != "" || x.Form != "" || !x.Workload.IsZero() {
				steps = append(steps, strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(x.Name, "-envoy"), "-embedded"), "-at-100"))
			}
		}
		for _, s := range p.Study.SettingsOf(j) {
			settings = append(settings, s.Factor+" "+s.Level)
		}
		if got := strings.Join(steps, " "); got != c.steps {
			t.Errorf("%s: steps %s, want %s", c.treatment, got, c.steps)
		}
		if got := strings.Join(settings, ", "); got != c.settings {
			t.Errorf("%s: settings %s, want %s", c.treatment, got, c.settings)
		}
		if x, _ := p.Study.SettingsOf(i).Level("connections"); x != fmt.Sprint(c.own) {
			t.Errorf("%s: its own number is %s in the trial", c.treatment, x)
		}
	}
}

// Also of a plan that was kept and read again.
func TestTrialOfAKeptPlan(t *testing.T) {
	text, err := json.Marshal(planOf(t, advised))
	if err != nil {
		t.Fatal(err)
	}
	var kept study.Plan
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	trial, err := experiment.NewTrial(&kept, "native-envoy", 100)
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(trial.Study, study.Options{Time: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := experiment.NewApparatus(p, built(t)); err != nil {
		t.Error(err)
	}
}

func TestTrialRefusals(t *testing.T) {
	for _, c := range []struct {
		text, treatment string
		suggested       float64
		want            string
	}{
		{advised, "native-envoy", 4.4, "the 4 connections that the treatment has"},
		{advised, "nobody", 10, `no treatment of that name stood`},
		{advised, "native", 10, `no treatment of that name stood`}, // its copies did
		{advisedCells, "router", 10, `no treatment of that name stood`},
		{advisedPairs, "work-closed", 10, "in a closed loop the connections are the load itself"},
	} {
		if trial, err := experiment.NewTrial(planOf(t, c.text), c.treatment, c.suggested); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %g: %+v, %v; want %q", c.treatment, c.suggested, trial, err, c.want)
		}
	}
}

// The mean is compared where a study asks for it, as an exploratory endpoint,
// and finds what was planted; nowhere else is it to be seen.
func TestMeanWhereAsked(t *testing.T) {
	for _, asked := range []bool{false, true} {
		text := fakeStudy
		if asked {
			text += "endpoints: [mean]\n"
		}
		j := &journal{}
		p, _, err := run(t, context.Background(), text, newMachine(0, 0, 30*time.Microsecond), countdown(nil), j, nil)
		if err != nil {
			t.Fatal(err)
		}
		an, err := experiment.Analyse(p, j.blocks)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, c := range an.Comparisons {
			if c.Endpoint != experiment.Mean {
				continue
			}
			found++
			if c.Primary || !c.Difference.Contains(30) || c.Difference.Half() > 3 || len(c.PerBlock) != 12 {
				t.Errorf("30 µs were planted, found %+v (primary %v)", c.Difference, c.Primary)
			}
		}
		if _, has := an.Treatments[0].Values[experiment.Mean]; has != asked || found > 1 || (found == 1) != asked {
			t.Errorf("asked %v: %d comparisons of the mean, a value of its own: %v", asked, found, has)
		}
	}
}
