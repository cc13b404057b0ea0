package smp

import (
	"fmt"
	"time"

	spec "github.com/layer5io/service-mesh-performance/spec"
)

// unitLabel says in which unit a result's latencies_ms are. What Export writes
// has it.
const unitLabel = "latency_unit"

// LatencyUnit is a unit in which files give latencies_ms.
type LatencyUnit string

// The units. The field says milliseconds, and many files hold seconds in it.
const (
	Milliseconds LatencyUnit = "ms"
	Seconds      LatencyUnit = "s"
)

// LatencyUnits lists all units.
func LatencyUnits() []LatencyUnit { return []LatencyUnit{Milliseconds, Seconds} }

// Settle turns every result's latencies into milliseconds and labels them so.
// A file whose maximum is below 1 may hold seconds: with an empty unit it is
// refused, unless its label says the unit.
func (f *File) Settle(unit LatencyUnit) error {
	for i, r := range f.Results {
		if r.LatenciesMs == nil {
			continue
		}
		path := fmt.Sprintf("%s[%d].latencies_ms", resultsKey, i)
		said := LatencyUnit(r.Labels[unitLabel])
		switch {
		case said != "" && said != Milliseconds && said != Seconds:
			return f.at(path, "its label %s is %q (known: ms, s)", unitLabel, said)
		case said != "" && unit != "" && said != unit:
			return f.at(path, "its label says that the latencies are in %s, not in %s: leave --latency-unit out", said, unit)
		case said == "":
			said = unit
		}
		if said == "" && greatest(r.LatenciesMs) < 1 {
			return f.at(path, "the greatest latency is %v, below 1: these may be seconds, which many files hold here; say --latency-unit ms or --latency-unit s", greatest(r.LatenciesMs))
		}
		if said == Seconds {
			scale(r.LatenciesMs, 1000)
		}
		r.Labels = withLabels(r.Labels, map[string]string{unitLabel: string(Milliseconds)})
	}
	return nil
}

func greatest(l *spec.PerformanceTestResult_Latency) float64 {
	most := l.GetAverage()
	for _, q := range quantilesOf(l) {
		most = max(most, q.value)
	}
	return most
}

func scale(l *spec.PerformanceTestResult_Latency, by float64) {
	for _, x := range []*float64{&l.Min, &l.Average, &l.P50, &l.P90, &l.P99, &l.Max} {
		*x *= by
	}
}

// latency is a figure of a settled result as a time.
func latency(ms float64) time.Duration {
	return time.Duration(ms*float64(time.Millisecond) + 0.5)
}
