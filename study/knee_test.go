package study_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
)

const knees = `tare: study/1
name: knees
workload: {name: echo}
load: {rate: 2000/s}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: router, control: router, baseline: plain}
  - {name: more, baseline: router, workload: {work: 5us}}
design: {name: knee, objective: "p90<5ms", time: 5m}
`

func TestKneePlan(t *testing.T) {
	p, err := study.MakePlan(*parse(t, knees), study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Blocks) < 10 || p.Screening || p.Expected > 5*time.Minute {
		t.Errorf("%d blocks in %v", len(p.Blocks), p.Expected)
	}
	orders := map[string]bool{}
	for _, b := range p.Blocks {
		count := map[int]int{}
		order := ""
		for _, ph := range b.Phases {
			if ph.Kind != study.Probe {
				continue
			}
			count[ph.Targets[0]]++
			order += p.Study.Treatments[ph.Targets[0]].Name + " "
			if ph.Rate != 0 || ph.Seed == 0 || len(ph.Targets) != 1 || ph.Duration != p.Study.ProbeTime(2000) {
				t.Errorf("probe %+v", ph)
			}
		}
		orders[order] = true
		for i, n := range count {
			if n != count[0] || n < 2 {
				t.Errorf("block %d has %d probes of %s and %d of plain", b.Index, n, p.Study.Treatments[i].Name, count[0])
			}
		}
		if len(count) != 4 || !cmp.Equal(b.Arms, []int{0, 1, 2, 3}) {
			t.Errorf("block %d probes %v of %v", b.Index, count, b.Arms)
		}
	}
	if len(orders) < len(p.Blocks)/2 {
		t.Errorf("%d orders of probes in %d blocks: they are not random", len(orders), len(p.Blocks))
	}
	again, err := study.MakePlan(*parse(t, knees), study.Options{})
	if err != nil || again.Digest != p.Digest {
		t.Errorf("the same study has the plans %s and %s, %v", p.Digest, again.Digest, err)
	}
}

// What is compared with what: the nearest probed treatment below, else the first.
func TestKneeBaselines(t *testing.T) {
	for treatments, want := range map[string]string{
		"":                                 "plain-aa−plain router−plain more−router",
		", treatments: [more]":             "",
		", treatments: [plain, more]":      "more−plain",
		", treatments: [router, plain-aa]": "router−plain-aa",
	} {
		s := parse(t, strings.Replace(knees, ", time: 5m", ", time: 5m"+treatments, 1))
		var got []string
		for _, i := range s.Probed() {
			if j := s.KneeBaseline(i); j >= 0 {
				got = append(got, s.Treatments[i].Name+"−"+s.Treatments[j].Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", treatments, got, want)
		}
	}
}

func TestBrokenKneeStudies(t *testing.T) {
	replace := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(knees) }
	for name, c := range map[string]struct{ text, want string }{
		"no objective":        {replace(`objective: "p90<5ms", `, ""), "needs an objective"},
		"broken objective":    {replace("p90<5ms", "p90<5"), "x:10:33: objective \"p90<5\": condition \"p90<5\": 5 has no unit"},
		"unknown treatment":   {replace("time: 5m", "treatments: [plain, ruoter]"), `no treatment is named "ruoter" (known: plain, plain-aa, router, more)`},
		"treatment twice":     {replace("time: 5m", "treatments: [plain, plain]"), `treatment "plain" is listed twice`},
		"one block":           {replace("time: 5m", "blocks: 1"), "an interval over blocks needs at least 2"},
		"short probe":         {replace("time: 5m", "probe: 200ms"), `a probe of 200ms is too short for p90<5ms: that needs 1000 requests after the lead, at 2000/s at least 740ms`},
		"long probe":          {replace("time: 5m", "probe: 2h"), "2h0m0s is not between"},
		"closed loop":         {replace("time: 5m", "levels: [closed]"), "this is for design: {name: pairs}"},
		"closed window":       {replace("time: 5m", "closed: 1s"), "this is for design: {name: pairs}"},
		"margin in time":      {knees + "margin: {rate: 5us}\n", "is a share"},
		"objective elsewhere": {replace("name: knee, ", ""), "this is for design: {name: knee}"},
		"hopeless rate":       {replace("p90<5ms", "p99.9<5ms", "2000/s", "1/s"), "begin at a greater load.rate"},
	} {
		if _, err := study.Parse("x", []byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	s := parse(t, replace("p90<5ms", "p99<5ms", "time: 5m", "time: 10s"))
	if _, err := study.MakePlan(*s, study.Options{}); err == nil || !strings.Contains(err.Error(), "two blocks of probes of 6.58s each") {
		t.Errorf("a time that holds no two blocks: %v", err)
	}
}

// Any study becomes one of knees, and says what of it has no part in that.
func TestAsKnee(t *testing.T) {
	o, err := study.ParseObjective("p50<5ms")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, paired)
	notes, err := s.AsKnee(o, []string{"more"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Design.Name != study.Knee || !cmp.Equal(s.Probed(), []int{2}) || s.Load.DefaultRate {
		t.Errorf("%+v", s.Design)
	}
	if got := strings.Join(notes, "\n"); !strings.Contains(got, "reference of the study is left out") || !strings.Contains(got, "design pairs of the study is left out") {
		t.Errorf("notes %q", got)
	}
	if _, err := study.MakePlan(*s, study.Options{}); err != nil {
		t.Error(err)
	}
	if _, err := parse(t, factored).AsKnee(o, nil); err == nil || !strings.Contains(err.Error(), "write each combination as a treatment") {
		t.Errorf("a study of factors: %v", err)
	}
	if _, err := parse(t, knees).AsKnee(nil, []string{"nobody"}); err == nil || !strings.Contains(err.Error(), `no treatment is named "nobody"`) {
		t.Errorf("an unknown treatment: %v", err)
	}
}
