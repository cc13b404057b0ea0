package study_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
)

const small = `tare: study/1
name: small
workload: {name: echo}
treatments:
  - {name: plain, control: direct}
  - {name: more, baseline: plain, workload: {work: 5us}}
`

func parse(t *testing.T, text string) *study.Study {
	t.Helper()
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseGivesTheDefaults(t *testing.T) {
	s := parse(t, small)
	if s.Load.Rate != 500 || s.Load.Connections != 8 || s.Load.Generator != "openloop" {
		t.Errorf("load %+v", s.Load)
	}
	if s.Design.Time != 90*time.Second || s.Design.Warmup != 1000 {
		t.Errorf("design %+v", s.Design)
	}
	if s.Margin.P50.Of(50) != 2 || s.Margin.P50.Of(500) != 10 {
		t.Errorf("margin %+v", s.Margin)
	}
}

// Every error names file, line and column, and what there is.
func TestParseRefusesByPlace(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"unknown field", "name: small", "nome: small", `s.yaml:2:1: unknown field "nome" (known: tare, name, question`},
		{"unknown field of a treatment", "{name: plain, control: direct}", "{name: plain, controll: direct}", `s.yaml:5:19: unknown field "controll" (known: name, baseline, control, form`},
		{"unknown control", "control: direct}", "control: dirrect}", `s.yaml:5:28: unknown control "dirrect" (known: direct, router`},
		{"rate without unit", "workload: {name: echo}", "workload: {name: echo}\nload: {rate: 500}", `s.yaml:4:14: rate "500" has no unit; write it as "500/s" or "500/min"`},
		{"rate of nothing", "workload: {name: echo}", "workload: {name: echo}\nload: {rate: 0/s}", "not a positive number"},
		{"impossible rate", "workload: {name: echo}", "workload: {name: echo}\nload: {rate: 1e9/s}", "want 1/s to 200000/s"},
		{"other version", "study/1", "study/9", `s.yaml:1:7: not a study file of this version`},
		{"baseline below", "baseline: plain", "baseline: later", `baseline "later" of treatment "more" is not a treatment above it (those are: plain)`},
		{"two things", "workload: {work: 5us}", "workload: {work: 5us}, control: aa", "exactly one of"},
		{"form without function", "workload: {work: 5us}", "form: library", "nor the study names a function"},
		{"negative time", "workload: {name: echo}", "workload: {name: echo}\ndesign: {time: -5s}", "not between"},
		{"twice", "name: more", "name: plain", "two treatments"},
		{"duplicate key", "name: small", "name: small\nname: other", "s.yaml:3:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := study.Parse("s.yaml", []byte(strings.Replace(small, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v, want s.yaml:… %s", err, c.want)
			}
		})
	}
}

func TestParseRefusesEmpty(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "tare: study/1\nname: x\nworkload: {name: echo}\n", "[]", "a: [", "--- \na: 1\n---\nb: 2\n"} {
		if s, err := study.Parse("s.yaml", []byte(text)); err == nil {
			t.Errorf("%q: no error, but %+v", text, s)
		}
	}
}

func TestParamsAreDecodedByTheirOwner(t *testing.T) {
	s := parse(t, small)
	var p struct {
		Work time.Duration `yaml:"work"`
	}
	if err := s.Treatments[1].Workload.Decode(&p); err != nil || p.Work != 5*time.Microsecond {
		t.Errorf("work %v, %v", p.Work, err)
	}
	var q struct {
		Wrok time.Duration `yaml:"wrok"`
	}
	if err := s.Treatments[1].Workload.Decode(&q); err == nil || !strings.HasPrefix(err.Error(), `s.yaml:6:46: unknown field "work" (known: wrok)`) {
		t.Errorf("got %v", err)
	}
}

func TestPlanIsTheSameForTheSameSeed(t *testing.T) {
	s := parse(t, small)
	text := func(o study.Options) string {
		p, err := study.MakePlan(*s, o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := text(study.Options{Seed: 7}), text(study.Options{Seed: 7}); a != b {
		t.Error(cmp.Diff(a, b))
	}
	if text(study.Options{Seed: 7}) == text(study.Options{Seed: 8}) {
		t.Error("another seed gives the same plan")
	}
}

func TestPlanRoundTripsThroughJSON(t *testing.T) {
	s := parse(t, small)
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var q study.Plan
	if err := json.Unmarshal(a, &q); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(a), string(b)); diff != "" {
		t.Error(diff)
	}
	var w struct {
		Work time.Duration `yaml:"work"`
	}
	if err := q.Study.Treatments[1].Workload.Decode(&w); err != nil || w.Work != 5*time.Microsecond {
		t.Errorf("work %v, %v", w.Work, err)
	}
}

func TestPlanFillsTheTime(t *testing.T) {
	s := parse(t, small)
	for _, d := range []time.Duration{30 * time.Second, 90 * time.Second, 10 * time.Minute} {
		p, err := study.MakePlan(*s, study.Options{Time: d})
		if err != nil {
			t.Fatal(err)
		}
		if p.Expected > d || p.Expected < d*3/4 {
			t.Errorf("%v: expected to take %v", d, p.Expected)
		}
		if p.Screening != (len(p.Blocks) < study.MinBlocks) {
			t.Errorf("%v: %d blocks, screening %t", d, len(p.Blocks), p.Screening)
		}
	}
	if _, err := study.MakePlan(*s, study.Options{Time: 2 * time.Second}); err == nil {
		t.Error("a block of some seconds was planned into 2 s")
	}
}

// Ten minutes are enough for a p99: 10,000 requests per treatment and block.
func TestPlanMakesRoomForP99(t *testing.T) {
	p, err := study.MakePlan(*parse(t, small), study.Options{Time: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Study.Design.Latency.Seconds() * float64(p.Study.Load.Rate); n < 10_000 {
		t.Errorf("%.0f requests per treatment and block", n)
	}
}

// What is parsed is planned, or refused in words; and what is planned can be
// kept and is the same when it is taken up again.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add(full)
	f.Add("tare: study/1\nload: {rate: 5/s, users: {mix: [{share: 20%}]}}")
	f.Add(strings.Replace(small, "{work: 5us}", "{a: &x [.inf, 0x1F, 'y'], b: *x, 1: ~, ? {q: r} : s}", 1))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := study.Parse("s.yaml", []byte(text))
		if err != nil {
			return
		}
		p, err := study.MakePlan(*s, study.Options{Time: time.Minute})
		if err != nil {
			return
		}
		a, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q study.Plan
		if err := json.Unmarshal(a, &q); err != nil {
			t.Fatalf("%v of %s", err, a)
		}
		if b, err := json.Marshal(q); err != nil || string(a) != string(b) {
			t.Errorf("the plan %s\nbecame %s, %v", a, b, err)
		}
	})
}
