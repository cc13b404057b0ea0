package comparison_test

import (
	"testing"
	"time"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// simulated carries a study of the examples out so many times on a machine and
// counts the outcomes of the gate that tare gate would give.
func simulated(t *testing.T, name string, runs int, m machine) map[comparison.Outcome]int {
	t.Helper()
	p := planOf(t, name, 30)
	e := experimentOf("simulated", p, 0)
	n := map[comparison.Outcome]int{}
	for seed := range uint64(runs) {
		e.Plan.Seed = seed + 1
		r, err := comparison.Read(e, experiment.Done, m.blocks(p, seed), study.Margins{})
		if err != nil {
			t.Fatal(err)
		}
		g, err := comparison.InRun(r, comparison.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		n[g.Outcome]++
	}
	t.Logf("%s: of %d runs %d failed, %d were undecided, %d passed", name, runs, n[comparison.Fail], n[comparison.Unsure], n[comparison.Pass])
	return n
}

// The examples keep to what they promise: at least 30 blocks in at most five
// minutes, an A/A copy, and a fixed length.
func TestGateExamples(t *testing.T) {
	for name, margin := range map[string]study.Margins{
		"cpu.yaml":  {CPU: study.Margin{Relative: 0.01}},
		"same.yaml": {CPU: study.Margin{Relative: 0.01}},
		"p50.yaml":  {P50: study.Margin{Least: 5 * time.Microsecond}},
	} {
		p := planOf(t, name, 0)
		s := p.Study
		if len(p.Blocks) < 30 || p.Expected > 5*time.Minute || p.Rule.Stop != study.StopFixed || p.Screening {
			t.Errorf("%s: %d blocks in %v, stops by %s", name, len(p.Blocks), p.Expected, p.Rule.Stop)
		}
		if s.Treatments[1].Control != study.AA || len(s.Treatments) != 3 {
			t.Errorf("%s: treatments %+v", name, s.Treatments)
		}
		if m := s.Margin; !margin.CPU.IsZero() && m.CPU != margin.CPU || !margin.P50.IsZero() && m.P50 != margin.P50 {
			t.Errorf("%s: margins %+v", name, m)
		}
	}
}

// The bar of the gate: at most 1 % of runs without a regression fail, on a
// machine whose starts differ and whose host drifts.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	n := simulated(t, "same.yaml", simulatedRuns, quiet())
	if most := simulatedRuns / 100; n[comparison.Fail] > most {
		t.Errorf("%d of %d runs without a regression failed, more than %d", n[comparison.Fail], simulatedRuns, most)
	}
	noisy := quiet()
	noisy.spread, noisy.drift = 0.05, 0.05
	few := max(2, simulatedRuns/10)
	n = simulated(t, "same.yaml", few, noisy)
	if n[comparison.Fail] > few/100 || n[comparison.Unsure] < few/2 {
		t.Errorf("on a noisy machine %d of %d runs failed and %d were undecided", n[comparison.Fail], few, n[comparison.Unsure])
	}
}

// A regression of just the margin is no regression beyond it: it may fail as
// seldom as its interval may be wrong.
func TestFalseAlarmsAtTheMargin(t *testing.T) {
	t.Parallel()
	runs := max(2, simulatedRuns/10)
	m := quiet()
	m.effect = map[string]effects{"after": {cpu: 0.01 * m.cpu}}
	n := simulated(t, "same.yaml", runs, m)
	b, err := stat.Count(n[comparison.Fail], runs, 0.999)
	if err != nil {
		t.Fatal(err)
	}
	if b.Low > 0.05 {
		t.Errorf("%d of %d runs whose regression is just the margin failed: %.3f to %.3f", n[comparison.Fail], runs, b.Low, b.High)
	}
}

// What the examples plant is found.
func TestPlantedRegressionsFail(t *testing.T) {
	t.Parallel()
	runs := max(2, simulatedRuns/25)
	for _, c := range []struct {
		study   string
		machine machine
		effect  effects
	}{
		{"cpu.yaml", quiet(), effects{p50: 12, cpu: 0.03 * 335}},
		{"p50.yaml", machine{p50: 120, cpu: 40, spread: 0.015, drift: 0.01, requests: 210}, effects{p50: 20, cpu: 0}},
	} {
		c.machine.effect = map[string]effects{"after": c.effect}
		if n := simulated(t, c.study, runs, c.machine); n[comparison.Fail] < runs*98/100 {
			t.Errorf("%s: only %d of %d runs with the planted regression failed", c.study, n[comparison.Fail], runs)
		}
		c.machine.effect = map[string]effects{"after": {p50: -c.effect.p50, cpu: -c.effect.cpu}}
		if n := simulated(t, c.study, runs, c.machine); n[comparison.Fail] > 0 {
			t.Errorf("%s: %d of %d runs that became better failed", c.study, n[comparison.Fail], runs)
		}
	}
}

// The same across two runs: the host was another one in all but name, 5 %
// slower, and the differences from the in-run baseline do not see it.
func TestFalseAlarmsAcrossRuns(t *testing.T) {
	t.Parallel()
	p := planOf(t, "same.yaml", 30)
	runs := max(2, simulatedRuns/20)
	own, apart := 0, 0
	for seed := range uint64(runs) {
		slower := quiet()
		slower.shift = 0.05
		read := func(id string, m machine, seed uint64) *comparison.Result {
			r, err := comparison.Read(experimentOf(id, p, 0), experiment.Done, m.blocks(p, seed), study.Margins{})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		old, now := read("old", quiet(), 2*seed), read("now", slower, 2*seed+1)
		a, err := comparison.Compare(old, now, comparison.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			sel   comparison.Selection
			count *int
		}{{comparison.Selection{}, &apart}, {comparison.Selection{Own: true}, &own}} {
			g, err := comparison.Against(now, old, a, "main", c.sel)
			if err != nil {
				t.Fatal(err)
			}
			if g.Outcome == comparison.Fail {
				*c.count++
			}
		}
	}
	t.Logf("of %d pairs of runs, 5 %% apart, %d failed by differences and %d by own figures", runs, apart, own)
	if apart > 0 {
		t.Errorf("%d of %d pairs of runs without a regression failed", apart, runs)
	}
	if own < runs/2 {
		t.Errorf("own figures must see a host that is 5 %% slower; %d of %d did", own, runs)
	}
}
