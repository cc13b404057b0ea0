package exposition

import (
	"slices"
	"time"

	"github.com/taremesh/tare/report"
)

// family is one metric of a report, as OpenMetrics and OTLP print it.
type family struct {
	name   string // words with _ between them, without unit
	unit   string // seconds, bytes; empty: a number
	kind   kind
	help   string
	points []point
}

type kind int

const (
	gauge kind = iota
	counter
	histogram
)

// point is one value with its labels, in their order.
type point struct {
	labels [][2]string
	value  float64
	// Of a histogram: bucket k counts what is above bounds[k-1] and up to
	// bounds[k], the last one what is above all bounds.
	bounds []float64
	counts []uint64
}

// The units of families.
const (
	unitSeconds = "seconds"
	unitBytes   = "bytes"
)

// The report's units in those of the families.
func seconds(us float64) float64 { return us / 1e6 }
func bytes(mb float64) float64   { return mb * 1e6 }
func asItIs(x float64) float64   { return x }

// families are the report's figures as metrics, in base units.
func families(r *report.Report) []family {
	fs := []family{
		{name: "tare_blocks", kind: gauge, help: "Blocks of the experiment that count, and that do not.", points: []point{
			{labels: [][2]string{{"counts", "true"}}, value: float64(r.Blocks)}, {labels: [][2]string{{"counts", "false"}}, value: float64(r.Voids)}}},
		{name: "tare_requests", kind: counter, help: "Requests of the latency phases by class of outcome.", points: requestPoints(r)},
		{name: "tare_response_quantile", unit: unitSeconds, kind: gauge, help: "Response time from the intended time: medians over blocks.", points: quantilePoints(r)},
		{name: "tare_response", unit: unitSeconds, kind: histogram, help: "Response times of the latency phases.", points: bucketPoints(r)},
		{name: "tare_request_cpu", unit: unitSeconds, kind: gauge, help: "CPU time of proxy and service per request, idle use subtracted.", points: treatmentPoints(r, func(t report.Treatment) *float64 { return t.CPU }, seconds)},
		{name: "tare_private_memory", unit: unitBytes, kind: gauge, help: "Private memory of proxy and service.", points: treatmentPoints(r, func(t report.Treatment) *float64 { return t.PrivateMB }, bytes)},
		{name: "tare_throughput", kind: gauge, help: "Requests per second of a closed loop.", points: treatmentPoints(r, func(t report.Treatment) *float64 { return t.Throughput }, asItIs)},
		{name: "tare_difference", unit: unitSeconds, kind: gauge, help: "What a treatment adds to its baseline, its interval and the margin.", points: differencePoints(r, "us", seconds)},
		{name: "tare_throughput_difference", kind: gauge, help: "What a treatment adds to its baseline in requests per second, its interval and the margin.", points: differencePoints(r, "per_s", asItIs)},
		{name: "tare_verdict", kind: gauge, help: "1 for the verdict of a comparison.", points: verdictPoints(r)},
	}
	return slices.DeleteFunc(fs, func(f family) bool { return len(f.points) == 0 })
}

// labelsOf are the labels of a treatment.
func labelsOf(t report.Treatment) [][2]string {
	out := [][2]string{{"treatment", t.Name}}
	for _, kv := range [][2]string{{"form", value(t.Form)}, {"site", value(t.Site)}, {"control", value(t.Control)}, {"dataplane", value(t.DataPlane)}, {"level", value(t.Level)}} {
		if kv[1] != "" {
			out = append(out, kv)
		}
	}
	return out
}

// with adds one label.
func with(labels [][2]string, name, v string) [][2]string {
	return append(slices.Clip(labels), [2]string{name, v})
}

func treatmentPoints(r *report.Report, of func(report.Treatment) *float64, in func(float64) float64) []point {
	var ps []point
	for _, t := range r.Treatments {
		if v := of(t); v != nil {
			ps = append(ps, point{labels: labelsOf(t), value: in(*v)})
		}
	}
	return ps
}

func requestPoints(r *report.Report) []point {
	var ps []point
	for _, t := range r.Treatments {
		for _, o := range t.Outcomes {
			if o.Phase != "latency" {
				continue
			}
			for _, c := range o.Classes {
				if c.Class != "all" {
					ps = append(ps, point{labels: with(labelsOf(t), "class", c.Class), value: float64(c.Count)})
				}
			}
		}
	}
	return ps
}

func quantilePoints(r *report.Report) []point {
	var ps []point
	for _, t := range r.Treatments {
		for _, q := range []struct {
			level string
			v     *float64
		}{{"0.5", t.P50}, {"0.9", t.P90}, {"0.99", t.P99}} {
			if q.v != nil {
				ps = append(ps, point{labels: with(labelsOf(t), "quantile", q.level), value: seconds(*q.v)})
			}
		}
	}
	return ps
}

func bucketPoints(r *report.Report) []point {
	h := r.Histogram
	if h == nil || len(h.Bounds) < 2 {
		return nil
	}
	var ps []point
	for i, t := range h.Treatments {
		p := point{labels: labelsOf(r.Treatments[i]), counts: []uint64{0}}
		for _, b := range h.Bounds {
			p.bounds = append(p.bounds, seconds(b))
		}
		for _, n := range t.Counts {
			p.counts = append(p.counts, uint64(n))
		}
		for len(p.counts) < len(p.bounds) { // a treatment without requests
			p.counts = append(p.counts, 0)
		}
		p.counts = append(p.counts, uint64(t.Above))
		ps = append(ps, p)
	}
	return ps
}

func differencePoints(r *report.Report, unit string, in func(float64) float64) []point {
	var ps []point
	for _, c := range r.Comparisons {
		if c.Unit != unit {
			continue
		}
		for _, b := range []struct {
			bound string
			v     float64
		}{{"estimate", c.Estimate}, {"low", c.Low}, {"high", c.High}, {"margin", c.Margin}} {
			ps = append(ps, point{labels: with(pairOf(c), "bound", b.bound), value: in(b.v)})
		}
	}
	return ps
}

// pairOf are the labels of a comparison.
func pairOf(c report.Comparison) [][2]string {
	return [][2]string{{"treatment", c.Treatment}, {"baseline", c.Baseline}, {"endpoint", c.Endpoint}}
}

func verdictPoints(r *report.Report) []point {
	var ps []point
	for _, c := range r.Comparisons {
		labels := with(pairOf(c), "verdict", c.Verdict)
		if c.Direction != nil {
			labels = with(labels, "direction", *c.Direction)
		}
		ps = append(ps, point{labels: labels, value: 1})
	}
	return ps
}

// about is what a report says of itself, as labels.
func about(r *report.Report) [][2]string {
	out := [][2]string{}
	for _, kv := range [][2]string{{"experiment", r.ID}, {"study", r.Study}, {"state", r.State}, {"digest", r.Digest}, {"version", r.Program.Version},
		{"cpu", r.Environment.CPU}, {"kernel", r.Environment.Kernel}} {
		if kv[1] != "" {
			out = append(out, kv)
		}
	}
	return out
}

// ended is when the last block ended.
func ended(r *report.Report) time.Time {
	end := r.Started
	if r.Series == nil {
		return end
	}
	for _, b := range r.Series.Blocks {
		if at := r.Started.Add(time.Duration((b.Started + b.Took) * float64(time.Second))); at.After(end) {
			end = at
		}
	}
	return end
}
