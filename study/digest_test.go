package study_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

func digest(t *testing.T, text string, o study.Options) string {
	t.Helper()
	p, err := study.MakePlan(*parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Digest
}

// Whatever can change a figure or a verdict changes the digest.
func TestDigestCoversThePlan(t *testing.T) {
	const base = full + "margin: {p50: 5us}\ndesign: {blocks: 12}\n"
	want := digest(t, base, study.Options{Seed: 7})
	if again := digest(t, base, study.Options{Seed: 7}); again != want {
		t.Fatal("the same plan has two digests")
	}
	if spaced := digest(t, "# a comment\n"+base, study.Options{Seed: 7}); spaced != want {
		t.Error("a comment changes the digest")
	}
	seen := map[string]string{want: "the plan itself"}
	hold := func(name, d string) {
		if was, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", name, was)
		}
		seen[d] = name
	}
	hold("another seed", digest(t, base, study.Options{Seed: 8}))
	hold("another time", digest(t, base, study.Options{Seed: 7, Time: 5 * time.Minute}))
	hold("quick", digest(t, base, study.Options{Seed: 7, Quick: true}))
	for _, c := range [][2]string{
		{"name: full", "name: fuller"},
		{"workload: {name: imagehub}", "testbed: consul\nworkload: {name: imagehub}"},
		{"workload: {name: imagehub}", "workload: {name: imagehub, params: {response: 2KiB}}"},
		{"function: {name: ratelimit}", "function: {name: ratelimit, params: {paths: [/pull]}}"},
		{"rate: 100/s", "rate: 101/s"},
		{"rate: 100/s", "rate: 100/s\n  connections: 9"},
		{"count: 500", "count: 1000"},
		{"weight: 10}", "weight: 11}"},
		{"response: 1MiB", "response: 2MiB"},
		{"form: native, baseline: token", "form: library, baseline: token"},
		{"requests: 30", "requests: 31"},
		{"p50: 5us", "p50: 6us"},
		{"p50: 5us", "p50: 5us, cpu: 3%"},
		{"blocks: 12", "blocks: 13"},
		{"blocks: 12", "blocks: 12, stop: fixed"},
		{"blocks: 12", "blocks: 12, idle: 600ms"},
		{"blocks: 12", "blocks: 12, warmup: 999"},
		{"blocks: 12", "blocks: 12, solo: 1s"},
		{"blocks: 12", "blocks: 12, control_every: 3"},
	} {
		if !strings.Contains(base, c[0]) {
			t.Fatalf("the study has no %q", c[0])
		}
		hold(c[1], digest(t, strings.Replace(base, c[0], c[1], 1), study.Options{Seed: 7}))
	}
}

// The rule of voids is in the plan, so in its digest, and is that of the statistics.
func TestPlanHoldsTheVoidRule(t *testing.T) {
	p, err := study.MakePlan(*parse(t, small), study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := stat.VoidRule(p.Rule.Voids); got != stat.DefaultVoidRule() {
		t.Errorf("voids by %+v, want %+v", got, stat.DefaultVoidRule())
	}
}

// A plan that was kept and taken up again is the same plan: users, shares, margins.
func TestKeptPlanIsTheSame(t *testing.T) {
	text := strings.NewReplacer("share: 20%", "share: 7.07%", "share: 80%", "share: 92.93%", "rate: 100/s", "rate: 100/min").Replace(full)
	p, err := study.MakePlan(*parse(t, text), study.Options{})
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
	if string(a) != string(b) {
		t.Errorf("the plan %s\nbecame %s", a, b)
	}
	for i, g := range p.Study.Load.Users.Mix {
		if g != q.Study.Load.Users.Mix[i] {
			t.Errorf("group %+v became %+v", g, q.Study.Load.Users.Mix[i])
		}
	}
}

func TestTimeFromOutside(t *testing.T) {
	for _, d := range []time.Duration{time.Millisecond, -time.Second, 1000 * time.Hour, 1 << 62} {
		if _, err := study.MakePlan(*parse(t, small), study.Options{Time: d}); err == nil || !strings.Contains(err.Error(), "is not between") {
			t.Errorf("%v: %v", d, err)
		}
	}
	// A time that is asked for rules, also where the study counts its blocks.
	counted := small + "design: {blocks: 50}\n"
	p, err := study.MakePlan(*parse(t, counted), study.Options{Time: time.Minute})
	if err != nil || p.Expected > time.Minute || len(p.Blocks) == 50 {
		t.Errorf("%d blocks in %v, %v", len(p.Blocks), p.Expected, err)
	}
}

// Where a rate was lowered, warming up may not overload what the rate spares.
func TestWarmupOfALoweredRate(t *testing.T) {
	warmup := func(lowered string) study.Phase {
		s := parse(t, full)
		s.Load.Rate, s.Load.Lowered = 100, lowered
		p, err := study.MakePlan(*s, study.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return p.Blocks[0].Phases[0]
	}
	given, lowered := warmup(""), warmup("the host is slow")
	arms := float64(len(given.Targets))
	if given.Rate != 1000*arms || lowered.Rate != 200*arms || lowered.Each != given.Each {
		t.Errorf("warm-up of %g/s, and of %g/s where the rate was lowered, of %d and %d requests", given.Rate, lowered.Rate, given.Each, lowered.Each)
	}
}

// A study made in code is held to the same rules and gets the same defaults.
func TestStudyMadeInCode(t *testing.T) {
	s := study.Study{Format: study.Format, Name: "code", Workload: study.Part{Name: "echo"},
		Treatments: []study.Treatment{{Name: "a", Control: study.Direct}}}
	p, err := study.MakePlan(s, study.Options{})
	if err != nil || p.Study.Load.Connections != 8 || p.Study.Load.Rate != 500 || len(p.Blocks) < study.MinBlocks {
		t.Errorf("%+v, %v", p, err)
	}
	s.Treatments[0].Control = study.Token
	if _, err := study.MakePlan(s, study.Options{}); err == nil || !strings.Contains(err.Error(), "has no baseline") {
		t.Errorf("got %v", err)
	}
}

func TestExamplesArePlanned(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples %v, %v", files, err)
	}
	for _, f := range files {
		s, err := study.ReadFile(f)
		if err != nil {
			t.Error(err)
			continue
		}
		p, err := study.MakePlan(*s, study.Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Screening || p.Expected > s.Design.Time {
			t.Errorf("%s: %d blocks in %v of %v", f, len(p.Blocks), p.Expected, s.Design.Time)
		}
		if text, err := os.ReadFile(f); err != nil || !strings.HasPrefix(string(text), "tare: "+study.Format) {
			t.Errorf("%s does not begin with its format", f)
		}
	}
}
