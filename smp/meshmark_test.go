package smp_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/smp"
)

func use(used, assigned, weight float64) smp.Use {
	return smp.Use{Role: "proxy", Used: used, Assigned: assigned, Weight: weight}
}

// score is of classes in order; NaN is none.
func score(classes ...[]smp.Use) float64 {
	var cs []smp.Class
	for i, us := range classes {
		cs = append(cs, smp.NewClass(smp.Classes()[i%2], us))
	}
	s, _ := smp.Score(cs)
	if s == nil {
		return math.NaN()
	}
	return *s
}

// Values worked out by hand from the definition in docs/formats/meshmark.md.
func TestScore(t *testing.T) {
	for _, c := range []struct {
		name    string
		classes [][]smp.Use
		want    float64
	}{
		{"a quarter of each used", [][]smp.Use{{use(0.25, 1, 0)}, {use(64, 256, 0)}}, 75},
		{"nothing used", [][]smp.Use{{use(0, 1, 0)}, {use(0, 1, 0)}}, 100},
		{"all used", [][]smp.Use{{use(1, 1, 0)}, {use(9, 9, 0)}}, 0},
		{"more than assigned counts as all", [][]smp.Use{{use(3, 1, 0)}, {use(0, 9, 0)}}, 50},
		{"less than nothing counts as nothing", [][]smp.Use{{use(-3, 1, 0)}, {use(0, 9, 0)}}, 100},
		{"two processes", [][]smp.Use{{use(0.2, 1, 0), use(0.6, 1, 0)}, {use(0.5, 1, 0)}}, 55},                       // (0.8+0.4)/2 = 0.6; 0.5
		{"two processes, one weighs more", [][]smp.Use{{use(0.2, 1, 0.5), use(0.6, 1, -0.5)}, {use(0.5, 1, 0)}}, 60}, // (1.5·0.8+0.5·0.4)/2 = 0.7; 0.5
		{"one process: its weight says nothing", [][]smp.Use{{use(0.2, 1, 0.5)}, {use(0.2, 1, -0.5)}}, 80},
		{"classes count alike", [][]smp.Use{{use(0.1, 1, 0), use(0.1, 1, 0), use(0.1, 1, 0)}, {use(0.9, 1, 0)}}, 50},
		{"a class without data", [][]smp.Use{{use(0.1, 1, 0)}, {}}, math.NaN()},
		{"nobody said what is assigned", [][]smp.Use{{use(0.1, 1, 0)}, {use(64, 0, 0)}}, math.NaN()},
		{"one of two without assigned", [][]smp.Use{{use(0.1, 1, 0)}, {use(1, 2, 0), use(64, 0, 0)}}, math.NaN()},
		{"assigned is no number", [][]smp.Use{{use(0.1, math.NaN(), 0)}, {use(1, 2, 0)}}, math.NaN()},
		{"no classes", nil, math.NaN()},
	} {
		got := score(c.classes...)
		if math.Abs(got-c.want) > 1e-12 || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The index lies between 0 and 100, never rises with use, and rises with what
// is assigned: it rewards what idles, which is why the cost table is beside it.
func TestScoreProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func() []smp.Use {
		var us []smp.Use
		for range 1 + r.IntN(4) {
			us = append(us, use(3*r.Float64()-0.5, 0.01+2*r.Float64(), r.Float64()-0.5))
		}
		return us
	}
	rewarded := 0
	for range 20_000 {
		cpu, memory := random(), random()
		was := score(cpu, memory)
		if !(was >= 0 && was <= 100) {
			t.Fatalf("score %v of %v and %v", was, cpu, memory)
		}
		k := r.IntN(len(cpu))
		before := cpu[k]
		cpu[k].Used += r.Float64()
		if now := score(cpu, memory); now > was+1e-9 {
			t.Fatalf("more use of %v raised the score from %v to %v", cpu[k], was, now)
		}
		cpu[k] = before
		cpu[k].Assigned *= 1 + r.Float64()
		now := score(cpu, memory)
		if now < was-1e-9 {
			t.Fatalf("more assigned to %v lowered the score from %v to %v", cpu[k], was, now)
		}
		if now > was {
			rewarded++
		}
	}
	if rewarded < 5000 {
		t.Errorf("over-provisioning was rewarded in only %d of 20000 cases", rewarded)
	}
}

func indices(t *testing.T, terms smp.Terms) map[string]smp.Index {
	t.Helper()
	e, blocks := experimentOf(t, measured)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	xs, err := smp.Meshmark(r, e, blocks, terms)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]smp.Index{}
	for _, x := range xs {
		out[x.Treatment] = x
	}
	return out
}

var memory = smp.Term{Class: smp.ClassMemory, Value: 120}

func TestMeshmarkOfResult(t *testing.T) {
	xs := indices(t, smp.Terms{Assigned: []smp.Term{memory}})
	text, err := json.MarshalIndent(xs["native"], "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "meshmark.json", append(text, '\n'))
	// direct: one service of 20 µs ÷ 2 at 250/s uses 0.0025 of its core, and 30 of 120 MB.
	if s := *xs["direct"].Score; math.Abs(s-(99.75+75)/2) > 0.02 {
		t.Errorf("direct has %v, want 87.375", s)
	}
	if len(xs["direct"].Cost) != 0 {
		t.Errorf("direct has no baseline, and the cost %v", xs["direct"].Cost)
	}
}

// Who is assigned twice as much has the better index, and the table shows why.
func TestOverProvisioningShows(t *testing.T) {
	plain := indices(t, smp.Terms{Assigned: []smp.Term{memory}})["native"]
	ample := indices(t, smp.Terms{Assigned: []smp.Term{memory, {smp.ClassMemory, "proxy", 1200}, {smp.ClassCPU, "proxy", 8}}})["native"]
	if *ample.Score <= *plain.Score {
		t.Errorf("score %v with ten times the memory, %v without", *ample.Score, *plain.Score)
	}
	assigned := func(x smp.Index, what string) float64 {
		for _, c := range x.Cost {
			if c.What == what {
				return *c.Treatment
			}
		}
		t.Fatalf("no %q in the cost of %s", what, x.Treatment)
		return 0
	}
	for what, want := range map[string][2]float64{"memory assigned": {240, 1320}, "cpu assigned": {2, 9}} {
		if got := [2]float64{assigned(plain, what), assigned(ample, what)}; got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	if a, b := assigned(plain, "memory used"), assigned(ample, "memory used"); a != b {
		t.Errorf("memory used is %v, and %v when more is assigned", a, b)
	}
}

func TestNoScoreWithoutData(t *testing.T) {
	x := indices(t, smp.Terms{})["native"]
	if x.Score != nil || !strings.Contains(x.Why, "class memory has no data") || !strings.Contains(x.Why, "--assigned memory.proxy=") {
		t.Errorf("score %v without a word on memory, because %q", x.Score, x.Why)
	}
	if len(x.Cost) == 0 {
		t.Error("no cost table without a score")
	}
	for _, c := range x.Cost {
		if c.What == "memory assigned" && (c.Treatment != nil || c.Baseline != nil || c.Difference != nil) {
			t.Errorf("nobody said what memory is assigned, and the table gives %+v", c)
		}
	}
}

func TestMemoryLimitIsAssigned(t *testing.T) {
	e, blocks := experimentOf(t, measured)
	e.Environment.MemoryLimit = 300e6
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	xs, err := smp.Meshmark(r, e, blocks, smp.Terms{})
	if err != nil {
		t.Fatal(err)
	}
	if u := xs[3].Classes[1].Uses[0]; u.Assigned != 300 || !strings.Contains(u.Source, "control group") || *u.Efficiency != 0.9 {
		t.Errorf("with a limit of 300 MB: %+v", u)
	}
}

func TestTermsRefused(t *testing.T) {
	e, blocks := experimentOf(t, measured)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	for want, terms := range map[string]smp.Terms{
		"unknown class":                     {Assigned: []smp.Term{{"disk", "", 1}}},
		"weight of disk: unknown class":     {Weights: []smp.Term{{"disk", "", 0}}},
		"is not above 0":                    {Assigned: []smp.Term{{smp.ClassCPU, "", 0}}},
		"0.6 is not between -0.5 and 0.5":   {Weights: []smp.Term{{smp.ClassCPU, "", 0.6}}},
		"NaN is not between -0.5 and 0.5":   {Weights: []smp.Term{{smp.ClassCPU, "", math.NaN()}}},
		"assigned cpu: NaN is not above 0":  {Assigned: []smp.Term{{smp.ClassCPU, "", math.NaN()}}},
		"assigned cpu: +Inf is not above 0": {Assigned: []smp.Term{{smp.ClassCPU, "", math.Inf(1)}}},
	} {
		if _, err := smp.Meshmark(r, e, blocks, terms); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
