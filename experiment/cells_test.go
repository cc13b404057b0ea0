package experiment_test

import (
	"math"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
)

const sweepStudy = `tare: study/1
name: sweep
workload: {name: fake}
load: {rate: 200/s}
treatments:
  - {name: router, control: router}
factors: {connections: [2, 16], filter: [none, wasm]}
design: {name: sweep, blocks: 12, warmup: 10, idle: 50ms, latency: 2s, stop: fixed, control_every: -1}
`

// In a sweep every level is compared with the centre, as a primary comparison,
// also that of a filter that does nothing; what the cells are made of is
// compared with nothing.
func TestSweepComparesWithItsCentre(t *testing.T) {
	p := planOf(t, sweepStudy)
	m := newMachine()
	m.addOf = map[string]time.Duration{"connections-16": 40 * time.Microsecond, "filter-wasm": 90 * time.Microsecond}
	an, err := experiment.Analyse(p, simulated(t, p, m))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"connections-16": 40, "filter-wasm": 90}
	found := 0
	for _, c := range an.Comparisons {
		s := &p.Study
		if s.Treatments[c.Baseline].Name != "centre" || !s.Stands(c.Treatment) {
			t.Errorf("%s is compared with %s", s.Treatments[c.Treatment].Name, s.Treatments[c.Baseline].Name)
		}
		if c.Endpoint != experiment.P50 {
			continue
		}
		found++
		if !c.Primary || math.Abs(c.Difference.Estimate-want[s.Treatments[c.Treatment].Name]) > 3 {
			t.Errorf("%s: %.1f µs, primary %v", s.Treatments[c.Treatment].Name, c.Difference.Estimate, c.Primary)
		}
	}
	if found != 2 || len(an.Gates) != 1 || an.Treatments[0].Blocks != 0 {
		t.Errorf("%d comparisons, %d gates; the router stood in %d blocks", found, len(an.Gates), an.Treatments[0].Blocks)
	}
	for i := range p.Study.Treatments {
		if p.Study.Stands(i) != (an.Treatments[i].Blocks == 12) {
			t.Errorf("%s stood in %d blocks", p.Study.Treatments[i].Name, an.Treatments[i].Blocks)
		}
	}
	if _, ok := p.Study.SettingsOf(1).Level("connections"); !ok {
		t.Error("the centre has no connections of its own")
	}
}
