package study_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
)

// ladder is a study with everything that an expansion must follow.
const ladder = `tare: study/1
name: ladder
dataplane: [envoy, embedded]
workload: {name: imagehub}
function: {name: ratelimit}
load: {rate: 100/s}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
  - {name: token, control: token, baseline: router}
  - {name: token-aa, control: aa, baseline: token}
  - {name: noop-wasm, control: noop, form: wasm, baseline: token}
  - {name: wasm, form: wasm, baseline: token, against: [noop-wasm]}
  - {name: library-off-mesh, form: library, baseline: direct, against: [wasm]}
`

func planned(t *testing.T, text string, o study.Options) *study.Plan {
	t.Helper()
	p, err := study.MakePlan(*parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every treatment behind a proxy stands once on each plane, what has none
// stands once, and whatever names another names the copy on its own plane.
func TestPlanesAreExpanded(t *testing.T) {
	var got []string
	s := planned(t, ladder, study.Options{}).Study
	for i, x := range s.Treatments {
		got = append(got, fmt.Sprintf("%s of %s on %q: %s %v", x.Name, s.Written(i), s.PlaneOf(i), x.Baseline, x.Against))
	}
	want := []string{
		`direct of direct on "":  []`,
		`router-envoy of router on "envoy": direct []`,
		`router-embedded of router on "embedded": direct []`,
		`token-envoy of token on "envoy": router-envoy []`,
		`token-embedded of token on "embedded": router-embedded []`,
		`token-aa-envoy of token-aa on "envoy": token-envoy []`,
		`token-aa-embedded of token-aa on "embedded": token-embedded []`,
		`noop-wasm-envoy of noop-wasm on "envoy": token-envoy []`,
		`noop-wasm-embedded of noop-wasm on "embedded": token-embedded []`,
		`wasm-envoy of wasm on "envoy": token-envoy [noop-wasm-envoy]`,
		`wasm-embedded of wasm on "embedded": token-embedded [noop-wasm-embedded]`,
		`library-off-mesh of library-off-mesh on "": direct [wasm-envoy wasm-embedded]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// One plane leaves the treatments as they are written, also as a list, and the
// digest is the same whichever way it is written.
func TestOnePlaneIsNotExpanded(t *testing.T) {
	var digests []string
	for _, plane := range []string{"dataplane: envoy", "dataplane: [envoy]", "dataplane:\n  - envoy"} {
		p := planned(t, strings.Replace(ladder, "dataplane: [envoy, embedded]", plane, 1), study.Options{})
		digests = append(digests, p.Digest)
		for i, x := range p.Study.Treatments {
			if x.Of != "" || x.DataPlane != "" || p.Study.OnMesh(i) != (p.Study.PlaneOf(i) == "envoy") {
				t.Errorf("%s: %+v", plane, x)
			}
		}
	}
	if digests[0] != digests[1] || digests[0] != digests[2] {
		t.Errorf("digests %q", digests)
	}
	p := planned(t, strings.Replace(ladder, "dataplane: [envoy, embedded]\n", "", 1), study.Options{})
	if !slices.Equal(p.Study.DataPlane, study.Planes{study.DefaultPlane}) {
		t.Errorf("default %v", p.Study.DataPlane)
	}
}

// An expanded study is not expanded again: a kept plan is planned as it is.
func TestExpandedStaysExpanded(t *testing.T) {
	for _, text := range []string{ladder, pairs} {
		p := planned(t, text, study.Options{Seed: 3})
		q, err := study.MakePlan(p.Study, study.Options{Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		if p.Digest != q.Digest {
			t.Errorf("%s: %d treatments became %d", p.Study.Name, len(p.Study.Treatments), len(q.Study.Treatments))
		}
		a, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var kept study.Plan
		if err := json.Unmarshal(a, &kept); err != nil {
			t.Fatal(err)
		}
		if b, err := json.Marshal(kept); err != nil || string(a) != string(b) {
			t.Errorf("%s is not what was kept: %v", p.Study.Name, err)
		}
		if len(kept.Study.Cells()) != len(p.Study.Cells()) {
			t.Errorf("%d cells kept of %d", len(kept.Study.Cells()), len(p.Study.Cells()))
		}
	}
}

// A plan of the time when a study had one data plane is read as it was.
func TestPlansWithOnePlaneAreRead(t *testing.T) {
	p := planned(t, small, study.Options{})
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"dataplane":"embedded"`) {
		t.Fatal("one plane is not written as its name")
	}
}

func TestPlanesAreRefused(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"twice", "[envoy, embedded]", "[envoy, envoy]", `s.yaml:3:12: data plane "envoy" is named twice`},
		{"no name", "[envoy, embedded]", `[envoy, ""]`, `data plane "": want a name`},
		{"a map", "[envoy, embedded]", "{a: b}", "s.yaml:3:"},
		{"a list of lists", "[envoy, embedded]", "[[a]]", "s.yaml:3:"},
		{"arms on two", "load: {rate: 100/s}", "load: {rate: 100/s}\ndesign: {name: aa}", "stand on one data plane, not on envoy and embedded"},
		{"against itself", "against: [noop-wasm]", "against: [wasm]", `s.yaml:13:56: treatment "wasm" is against "wasm", which is not a treatment above it`},
		{"against nothing", "against: [noop-wasm]", "against: [nope]", `"nope", which is not a treatment above it (those are: direct, router, token, token-aa, noop-wasm)`},
		{"against its baseline", "against: [noop-wasm]", "against: [token]", `"wasm" is compared with "token" already`},
		{"against one twice", "against: [noop-wasm]", "against: [noop-wasm, noop-wasm]", `compared with "noop-wasm" already`},
		{"against a copy", "against: [noop-wasm]", "against: [token-aa]", `"token-aa", which is an A/A copy: name what it copies`},
		{"a copy against", "control: aa, baseline: token}", "control: aa, baseline: token, against: [router]}", "against is for one with a baseline that is no A/A copy"},
		{"a root against", "{name: router, control: router, baseline: direct}", "{name: router, control: router, against: [direct]}", "against is for one with a baseline"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(ladder, c.from) {
				t.Fatalf("the study has no %q", c.from)
			}
			_, err := study.Parse("s.yaml", []byte(strings.Replace(ladder, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v, want s.yaml:… %s", err, c.want)
			}
		})
	}
}

// What only the copies bring about is refused at what was written.
func TestCopiesAreRefusedWhereTheyAreWritten(t *testing.T) {
	long := strings.Repeat("x", 36)
	for _, c := range []struct{ name, from, to, want string }{
		{"a name of a copy", "name: library-off-mesh", "name: wasm-envoy", `s.yaml:14:12: two treatments are named "wasm-envoy"`},
		{"too long a name", "name: wasm,", "name: " + long + ",", "s.yaml:13:12: treatment name"},
	} {
		text := strings.Replace(ladder, c.from, c.to, 1)
		text = strings.Replace(text, "against: [wasm]", "against: [router]", 1)
		_, err := study.MakePlan(*parse(t, text), study.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestPlanesOfTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		list string
		want study.Planes
	}{
		{"envoy", study.Planes{"envoy"}},
		{"envoy,embedded", study.Planes{"envoy", "embedded"}},
		{" envoy , embedded", study.Planes{"envoy", "embedded"}},
		{"envoy,", nil},
		{"", nil},
		{"envoy,envoy", nil},
		{"ENVOY", nil},
	} {
		got, err := study.ParsePlanes(c.list)
		if !slices.Equal(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q: %v, %v", c.list, got, err)
		}
	}
}

// The default time grows with what is brought up: 90 s for 7 treatments, 20 s
// for each where there are more, copies counted.
func TestDefaultTime(t *testing.T) {
	text := func(n int, plane string) string {
		s := "tare: study/1\nname: many\ndataplane: " + plane + "\nworkload: {name: echo}\nload: {rate: 50/s}\ntreatments:\n  - {name: t0, control: router}\n"
		for i := 1; i < n; i++ {
			s += fmt.Sprintf("  - {name: t%d, baseline: t0, workload: {work: %dus}}\n", i, i)
		}
		return s
	}
	for _, c := range []struct {
		n     int
		plane string
		want  time.Duration
	}{
		{2, "a", 90 * time.Second}, {7, "a", 90 * time.Second}, {8, "a", 160 * time.Second}, {9, "a", 180 * time.Second},
		{3, "[a, b]", 90 * time.Second}, {8, "[a, b]", 320 * time.Second},
	} {
		p := planned(t, text(c.n, c.plane), study.Options{})
		if p.Study.Design.Time != c.want || p.Expected > c.want || p.Screening {
			t.Errorf("%d treatments on %s: %v, %d blocks in %v; want %v", c.n, c.plane, p.Study.Design.Time, len(p.Blocks), p.Expected, c.want)
		}
		if p := planned(t, text(c.n, c.plane)+"design: {time: 75s}\n", study.Options{}); p.Study.Design.Time != 75*time.Second {
			t.Errorf("a given time became %v", p.Study.Design.Time)
		}
		if p := planned(t, text(c.n, c.plane), study.Options{Time: 2 * time.Minute}); p.Study.Design.Time != 2*time.Minute {
			t.Errorf("a time that is asked for became %v", p.Study.Design.Time)
		}
	}
}

// Control blocks take the data planes in turn, each by its own A/A baseline.
func TestControlsTakeThePlanesInTurn(t *testing.T) {
	p := planned(t, ladder+"design: {blocks: 16}\n", study.Options{})
	var got []string
	for _, b := range p.Blocks {
		for _, ph := range b.Phases {
			if ph.Kind == study.Solo && !ph.Heaviest {
				got = append(got, p.Study.Treatments[ph.Targets[0]].Name)
			}
		}
	}
	if d := cmp.Diff([]string{"token-envoy", "token-embedded", "token-envoy", "token-embedded"}, got); d != "" {
		t.Error(d)
	}
	one := planned(t, strings.Replace(ladder, "[envoy, embedded]", "envoy", 1)+"design: {blocks: 8}\n", study.Options{})
	for _, b := range one.Blocks {
		for _, ph := range b.Phases {
			if ph.Kind == study.Solo && !ph.Heaviest && one.Study.Treatments[ph.Targets[0]].Name != "token" {
				t.Errorf("block %d: baseline %v", b.Index, ph.Targets)
			}
		}
	}
}
