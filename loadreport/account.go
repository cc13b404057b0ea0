package loadreport

import "github.com/taremesh/tare/load"

// account says what the load cost.
func (r *Result) account(run Run) {
	s := run.Stats
	if n := float64(s.Sent); n > 0 {
		r.CPUParts = CPU{Load: micros(s.CPU-s.Spin) / n, Around: micros(max(run.Use.Generator-s.CPU, 0)) / n, Parent: micros(run.Use.Parent) / n}
		r.CPU = r.CPUParts.Load + r.CPUParts.Around + r.CPUParts.Parent
	}
	if s.Wall > 0 {
		r.SpinShare = s.Spin.Seconds() / s.Wall.Seconds()
		r.WorkShare = (s.CPU - s.Spin).Seconds() / s.Wall.Seconds() / float64(max(s.Threads, 1))
	}
}

// flow is the goodput: of all bytes the share that was answered well.
func (r *Result) flow(s load.Stats) {
	if s.Wall <= 0 {
		return
	}
	mbps := func(n int64) float64 { return float64(n) * 8 / 1e6 / s.Wall.Seconds() * (1 - r.ErrorShare) }
	r.In, r.Out = mbps(s.BytesReceived), mbps(s.BytesSent)
}

// floorOf is the part of a floor's result that a report shows.
func floorOf(run Run) *Floor {
	if run.Floor == nil {
		return nil
	}
	f := run.Floor
	return &Floor{Requests: f.Requests, Rate: f.Rate, Latency: f.Latency, Lateness: f.Lateness}
}
