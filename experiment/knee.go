package experiment

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// ProbeResult is what a probe says of its rate.
type ProbeResult string

// The results of a probe.
const (
	Met    ProbeResult = "met"
	Missed ProbeResult = "missed"
	// Overrun: the objective was missed, and the generator was too busy for
	// that to be the treatment's doing.
	Overrun ProbeResult = "overrun"
	// Unjudged: too few requests for the objective.
	Unjudged ProbeResult = "unjudged"
)

// Probe is one window of a knee study: one treatment alone at one rate, held
// against the objective. Its lead is not in the figures of response times and
// errors; what is per second or per request is of the whole window.
type Probe struct {
	Treatment int
	Block     int     // in the plan
	Rate      float64 // that was offered, in requests/s
	Result    ProbeResult
	Why       string               // it was not met: the condition, with the figure
	Requests  int                  // that were judged
	Errors    float64              // share of them that were not served
	Values    map[Endpoint]float64 // quantiles in µs, where there are samples for them; CPU per request
	// Served is requests/s answered well, and Within how many requests were
	// under way at a time, on average.
	Served, Within float64
	// In and Out are the goodput: Mb/s of responses and of requests, heads and
	// bodies, of the requests answered well.
	In, Out float64
	// Generator is the share of its threads' time that the generator worked.
	Generator float64
	Saturated bool // requests queued at the cap of connections
}

// GeneratorLimit is the share of its threads' time above which the generator
// was the bottleneck (method.md §4).
const GeneratorLimit = 0.60

// probesOf lists treatment i's probes of a block in the order in which they were
// made.
func probesOf(s *study.Study, b *Block, i int) []Probe {
	var ps []Probe
	for k := range b.Phases {
		if ph := b.Phases[k].Phase; ph.Kind == study.Probe && ph.Targets[0] == i {
			ps = append(ps, probeOf(s, b, k))
		}
	}
	return ps
}

func probeOf(s *study.Study, b *Block, k int) Probe {
	rec, samples := &b.Phases[k], b.Samples[k]
	p := Probe{Treatment: rec.Phase.Targets[0], Block: b.Index, Rate: rec.Phase.Rate, Values: map[Endpoint]float64{}, Saturated: rec.Stats.Saturated}
	p.Generator = (rec.Stats.CPU - rec.Stats.Spin).Seconds() / max(rec.Stats.Wall.Seconds(), 1e-9) / float64(max(rec.Stats.Threads, 1))
	xs := p.read(samples, rec.Phase.Duration)
	for e, q := range quantiles {
		p.quantile(e, xs, q)
	}
	for _, c := range s.Design.Objective {
		p.quantile(Endpoint(c.Name()), xs, c.Quantile)
	}
	p.Result, p.Why = judgeProbe(s.Design.Objective, xs, p.Errors)
	if p.Result == Missed && p.Generator > GeneratorLimit {
		p.Result = Overrun
		p.Why = fmt.Sprintf("the generator worked %.0f %% of its threads' time: %s", 100*p.Generator, p.Why)
	}
	p.addFlow(rec, samples)
	if cpu, ok := probeCPU(b, rec, len(samples)); ok {
		p.Values[CPU] = cpu
	}
	return p
}

// quantile keeps a quantile of sorted times that there are samples for.
func (p *Probe) quantile(e Endpoint, xs []float64, q float64) {
	if ok, _ := stat.Supported(len(xs), q); !ok || q == 0 {
		return
	}
	if v := stat.Quantile(xs, q); !math.IsInf(v, 0) {
		p.Values[e] = v
	}
}

// read returns the response times in µs that are judged, sorted: of all requests
// after the lead, those that were never answered taking for ever.
func (p *Probe) read(samples []load.Sample, length time.Duration) []float64 {
	if len(samples) == 0 {
		return nil
	}
	from := samples[0].Intended + time.Duration(study.Lead*float64(length))
	var xs []float64
	errors := 0
	for _, s := range samples {
		if s.Intended < from {
			continue
		}
		x := math.Inf(1)
		if s.Whole() {
			x = micros(s.Response())
		}
		if s.Class != load.OK {
			errors++
		}
		xs = append(xs, x)
	}
	slices.Sort(xs)
	p.Requests = len(xs)
	p.Errors = float64(errors) / float64(max(len(xs), 1))
	return xs
}

// judgeProbe holds sorted response times and a share of errors against an
// objective. What is missed is missed, however few the requests of another
// condition are.
func judgeProbe(o study.Objective, xs []float64, errors float64) (ProbeResult, string) {
	why := ""
	for _, c := range o {
		if len(xs) < c.Requests() {
			why = fmt.Sprintf("%s needs %d requests, there are %d", c.Name(), c.Requests(), len(xs))
			continue
		}
		if c.Quantile == 0 {
			if errors >= float64(c.Errors) {
				return Missed, fmt.Sprintf("errors %.4g %%", 100*errors)
			}
			continue
		}
		if v := stat.Quantile(xs, c.Quantile); !(v < micros(c.Response)) {
			return Missed, fmt.Sprintf("%s %.4g µs", c.Name(), v)
		}
	}
	if why != "" {
		return Unjudged, why
	}
	return Met, ""
}

// addFlow gives what is per second of the window, which ends with the last answer.
func (p *Probe) addFlow(rec *PhaseRecord, samples []load.Sample) {
	if len(samples) == 0 {
		return
	}
	served, last := 0, rec.Phase.Duration
	var under time.Duration
	for _, s := range samples {
		if s.Whole() {
			last = max(last, s.LastByte-samples[0].Intended)
			under += s.Response()
		}
		if s.Class == load.OK {
			served++
		}
	}
	p.Served, p.Within = float64(served)/last.Seconds(), under.Seconds()/last.Seconds()
	if sent := rec.Stats.Sent; sent > 0 {
		good := float64(served) / float64(sent) * 8e-6 / last.Seconds()
		p.In, p.Out = float64(rec.Stats.BytesReceived)*good, float64(rec.Stats.BytesSent)*good
	}
}

// probeCPU is the CPU time of the treatment's processes per request, in µs, what
// they use without load subtracted.
func probeCPU(b *Block, rec *PhaseRecord, requests int) (float64, bool) {
	idle, _ := b.phaseOf(study.Idle)
	i := rec.Phase.Targets[0]
	busy := byRole(rec.Parts, i)
	if idle == nil || idle.Wall <= 0 || requests == 0 || len(busy) == 0 {
		return 0, false
	}
	var used float64
	for _, p := range busy {
		used += micros(p.CPU)
	}
	for _, p := range byRole(idle.Parts, i) {
		used -= p.CPU.Seconds() / idle.Wall.Seconds() * micros(rec.Wall)
	}
	return used / float64(requests), true
}
