package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// In design windows each treatment has a latency phase of its own.
func TestResponsesOfWindows(t *testing.T) {
	answered := func(target uint16, in time.Duration) load.Sample { return load.Sample{Target: target, LastByte: in} }
	phase := func(k study.Kind, i int) experiment.PhaseRecord {
		return experiment.PhaseRecord{Phase: study.Phase{Kind: k, Targets: []int{i}}}
	}
	b := experiment.Block{
		Phases: []experiment.PhaseRecord{phase(study.Warmup, 0), phase(study.Latency, 1), phase(study.Latency, 0), phase(study.Solo, 0)},
		Samples: [][]load.Sample{
			{answered(0, time.Second)},
			{answered(1, 3*time.Microsecond), answered(1, 2*time.Microsecond), answered(1, -1)},
			{answered(0, 5*time.Microsecond)},
			{answered(0, time.Second)},
		},
	}
	if diff := cmp.Diff([][]float64{{5}, {2, 3}}, responses(&b, 2)); diff != "" {
		t.Errorf("responses (-want +got):\n%s", diff)
	}
}
