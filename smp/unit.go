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

// Figures is what a result file says, in our units. What it does not give is null.
type Figures struct {
	ID      string            `json:"id"`
	Started string            `json:"started,omitempty"` // RFC 3339
	Ended   string            `json:"ended,omitempty"`
	Rate    *float64          `json:"requests_per_second"`
	Latency Latencies         `json:"latency_us"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// Latencies are in microseconds.
type Latencies struct {
	Min  *float64 `json:"min"`
	Mean *float64 `json:"mean"`
	P50  *float64 `json:"p50"`
	P90  *float64 `json:"p90"`
	P99  *float64 `json:"p99"`
	Max  *float64 `json:"max"`
}

// Figures settles the unit and gives the figures of every result.
func (f *File) Figures(unit LatencyUnit) ([]Figures, error) {
	if err := f.Settle(unit); err != nil {
		return nil, err
	}
	var out []Figures
	for i, r := range f.Results {
		x := Figures{ID: r.Id, Rate: given(r.ActualQps, 1), Labels: r.Labels}
		if x.ID == "" {
			x.ID = fmt.Sprintf("%s[%d]", resultsKey, i)
		}
		if r.StartTime != nil {
			x.Started = r.StartTime.AsTime().Format(time.RFC3339Nano)
		}
		if r.EndTime != nil {
			x.Ended = r.EndTime.AsTime().Format(time.RFC3339Nano)
		}
		if l := r.LatenciesMs; l != nil {
			x.Latency = Latencies{Min: given(l.Min, 1000), Mean: given(l.Average, 1000), P50: given(l.P50, 1000),
				P90: given(l.P90, 1000), P99: given(l.P99, 1000), Max: given(l.Max, 1000)}
		}
		out = append(out, x)
	}
	return out, nil
}

// given is a figure in our unit; 0 is how the messages leave one out.
func given(x, by float64) *float64 {
	if x == 0 {
		return nil
	}
	y := x * by
	return &y
}
