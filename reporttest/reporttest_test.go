package reporttest_test

import (
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/reporttest"
)

// The figures are those that the package says.
func TestExperiment(t *testing.T) {
	e, blocks := reporttest.Experiment(t, reporttest.Study)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ p50, cpu float64 }{{106, 10}, {166, 50}, {166, 50}, {186, 60}}
	for i, x := range r.Treatments {
		if *x.P50 < want[i].p50 || *x.P50 > want[i].p50+3 || *x.CPU < want[i].cpu*0.95 || *x.CPU > want[i].cpu*1.05 {
			t.Errorf("%s: p50 %v µs, CPU %v µs per request, want about %v", x.Name, *x.P50, *x.CPU, want[i])
		}
	}
}

// Every design gives a report.
func TestStudies(t *testing.T) {
	for name, text := range reporttest.Studies() {
		e, blocks := reporttest.Experiment(t, text)
		r, err := report.New(e, experiment.Done, blocks)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Blocks != len(blocks) || len(r.Treatments) < 2 {
			t.Errorf("%s: %d of %d blocks, %d treatments", name, r.Blocks, len(blocks), len(r.Treatments))
		}
	}
}
