package experiment

import (
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Endpoint is a figure that treatments are compared by.
type Endpoint string

// The endpoints, in microseconds but for Throughput.
const (
	P50 Endpoint = "p50"
	P90 Endpoint = "p90"
	P99 Endpoint = "p99"
	CPU Endpoint = "cpu" // proxy and service, idle use subtracted, per request
	// Throughput is the requests/s of a closed loop: more is better.
	Throughput Endpoint = "throughput"
	// ClosedP50 is the p50 of a closed loop. It compares with nothing.
	ClosedP50 Endpoint = "closed-p50"
	// Mean is the mean response time, where a study asks for it.
	Mean Endpoint = study.EndpointMean
	// KneeRate is the greatest rate under the objective of a knee study, in
	// requests/s: more is better.
	KneeRate Endpoint = "knee"
)

// Endpoints lists the endpoints that treatments are compared by in every study.
func Endpoints() []Endpoint { return []Endpoint{P50, CPU, P99, P90, Throughput} }

// endpointsOf are those of a study, with what it asks for beside.
func endpointsOf(s *study.Study) []Endpoint {
	all := Endpoints()
	for _, e := range s.Endpoints {
		all = append(all, Endpoint(e))
	}
	return all
}

// primary endpoints are those that verdicts are simultaneous over: p99 too,
// where there are samples for it (method.md §3), and at the level of a closed
// loop its throughput alone.
func (e Endpoint) primary(l study.Level) bool {
	if l.Closed {
		return e == Throughput
	}
	return e != P90 && e != Mean
}

// Unit is what the endpoint is given in.
func (e Endpoint) Unit() string {
	if e == Throughput || e == KneeRate {
		return "requests/s"
	}
	return "µs"
}

// direction turns that of the statistics, where less is better, round.
func (e Endpoint) direction(d stat.Direction) stat.Direction {
	if e != Throughput && e != KneeRate {
		return d
	}
	return map[stat.Direction]stat.Direction{stat.Worse: stat.Better, stat.Better: stat.Worse}[d]
}

var quantiles = map[Endpoint]float64{P50: 0.50, P90: 0.90, P99: 0.99}

// margin is the plan's for the endpoint, in its unit, given the baseline's value.
func (e Endpoint) margin(m study.Margins, baseline float64) float64 {
	switch e {
	case P50, P90, Mean:
		return m.P50.Of(baseline)
	case P99:
		return m.P99.Of(baseline)
	case Throughput, KneeRate:
		return m.Rate.Of(baseline)
	}
	return m.CPU.Of(baseline)
}

// figures are the endpoints of one treatment in one block. A quantile without
// enough samples is absent, with the reason in why.
type figures struct {
	requests int
	usage    []Usage // of each process; none without requests
	probes   []Probe // of a knee study
	values   map[Endpoint]float64
	why      map[Endpoint]string
}

// phaseOf returns the first phase of a kind and its samples.
func (b *Block) phaseOf(k study.Kind) (*PhaseRecord, []load.Sample) {
	for i := range b.Phases {
		if b.Phases[i].Phase.Kind == k {
			return &b.Phases[i], b.Samples[i]
		}
	}
	return nil, nil
}

// latencyOf returns the latency phase in which treatment i is asked, and its
// samples: the block's only one, or the treatment's own window.
func (b *Block) latencyOf(i int) (*PhaseRecord, []load.Sample) {
	for k := range b.Phases {
		if p := &b.Phases[k].Phase; p.Kind == study.Latency && (len(p.Targets) == 0 || slices.Contains(p.Targets, i)) {
			return &b.Phases[k], b.Samples[k]
		}
	}
	return nil, nil
}

// latencies are the indices of the block's latency phases.
func (b *Block) latencies() []int {
	var ks []int
	for k := range b.Phases {
		if b.Phases[k].Phase.Kind == study.Latency {
			ks = append(ks, k)
		}
	}
	return ks
}

// responses are the response times, in µs and sorted, of treatment i's
// requests that were answered, whatever the answer.
func responses(samples []load.Sample, i int) []float64 {
	var xs []float64
	for _, s := range samples {
		if int(s.Target) == i && s.LastByte >= 0 {
			xs = append(xs, micros(s.Response()))
		}
	}
	slices.Sort(xs)
	return xs
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// figuresOf computes treatment i's endpoints from a block's latency phase.
func figuresOf(b *Block, i int) figures {
	_, samples := b.latencyOf(i)
	xs, weights := responsesIn(samples, i)
	f := figures{requests: len(xs), usage: usageOf(b, i), values: map[Endpoint]float64{}, why: map[Endpoint]string{}}
	for e, q := range quantiles {
		if ok, why := stat.Supported(len(xs), q); !ok {
			f.why[e] = why
			continue
		}
		f.values[e] = stat.WeightedQuantile(xs, weights, q)
	}
	f.addClosed(b, i)
	if len(f.usage) == 0 {
		f.why[CPU] = "no requests"
		return f
	}
	// (busy − idle) ÷ requests of the treatment's proxy and service together.
	for _, u := range f.usage {
		f.values[CPU] += u.PerRequest
	}
	return f
}

// addMean gives the mean response time of the requests that were answered; a
// block with one that was not is void.
func (f *figures) addMean(b *Block, i int) {
	_, samples := b.latencyOf(i)
	xs, weights := responsesIn(samples, i)
	if len(xs) == 0 {
		f.why[Mean] = "no requests"
		return
	}
	f.values[Mean] = stat.WeightedMean(xs, weights)
}

// addClosed gives the throughput over a treatment's windows of a closed loop.
func (f *figures) addClosed(b *Block, i int) {
	var rates, xs []float64
	for k, ph := range b.Phases {
		if ph.Phase.Kind == study.Closed && ph.Phase.Targets[0] == i {
			rates = append(rates, ph.Stats.Throughput)
			xs = append(xs, responses(b.Samples[k], i)...)
		}
	}
	if len(rates) == 0 {
		return
	}
	f.values[Throughput] = mean(rates)
	slices.Sort(xs)
	if ok, why := stat.Supported(len(xs), quantiles[P50]); ok {
		f.values[ClosedP50] = stat.Quantile(xs, quantiles[P50])
	} else {
		f.why[ClosedP50] = why
	}
}

// Usage is what the processes of one role of a treatment used in the latency
// phase of a block.
type Usage struct {
	Role       string  `json:"role"`
	PerRequest float64 `json:"cpu_us_per_request"` // idle use subtracted
	// Instructions per request, idle use subtracted; nil where they were not counted.
	Instructions *float64 `json:"instructions_per_request,omitempty"`
	IdleCores    float64  `json:"idle_cores"` // CPU time per time without load
	WaitShare    float64  `json:"wait_share"` // of the time: runnable, but without a core
	PrivateMB    float64  `json:"private_mb"` // MB: 10⁶ bytes
	RSSMB        float64  `json:"rss_mb"`
	SharedMB     float64  `json:"shared_mb"`
}

// usageOf lists the usage of treatment i's processes; none without requests.
func usageOf(b *Block, i int) []Usage {
	busy, samples := b.latencyOf(i)
	idle, _ := b.phaseOf(study.Idle)
	if busy == nil || idle == nil {
		return nil
	}
	requests := 0
	for _, s := range samples {
		if int(s.Target) == i {
			requests++
		}
	}
	if requests == 0 {
		return nil
	}
	var us []Usage
	resting := byRole(idle.Parts, i)
	for _, p := range byRole(busy.Parts, i) {
		u := Usage{Role: p.Role, PrivateMB: float64(p.Memory.Private) / 1e6,
			RSSMB: float64(p.Memory.RSS) / 1e6, SharedMB: float64(p.Memory.Shared) / 1e6}
		for _, q := range resting {
			if q.Role == p.Role {
				u.IdleCores = q.CPU.Seconds() / idle.Wall.Seconds()
				u.Instructions = perRequest(p.Instructions, q.Instructions, busy.Wall.Seconds()/idle.Wall.Seconds(), requests)
			}
		}
		u.PerRequest = (micros(p.CPU) - u.IdleCores*micros(busy.Wall)) / float64(requests)
		u.WaitShare = p.Wait.Seconds() / busy.Wall.Seconds()
		us = append(us, u)
	}
	return us
}

// perRequest is (busy − idle over the same time) ÷ requests; nil without both.
func perRequest(busy, idle *uint64, times float64, requests int) *float64 {
	if busy == nil || idle == nil {
		return nil
	}
	n := (float64(*busy) - float64(*idle)*times) / float64(requests)
	return &n
}

// byRole adds up the parts of treatment i that have the same role: on a mesh
// two sidecars are its proxy.
func byRole(parts []Part, i int) []Part {
	var sums []Part
	for _, p := range parts {
		if p.Treatment != i {
			continue
		}
		k := slices.IndexFunc(sums, func(s Part) bool { return s.Role == p.Role })
		if k < 0 {
			sums = append(sums, p)
			continue
		}
		s := &sums[k]
		s.CPU += p.CPU
		s.Wait += p.Wait
		s.Instructions = both(s.Instructions, p.Instructions)
		s.Memory.RSS += p.Memory.RSS
		s.Memory.Private += p.Memory.Private
		s.Memory.Shared += p.Memory.Shared
	}
	return sums
}

// both is the sum of two counts; nil where one is.
func both(a, b *uint64) *uint64 {
	if a == nil || b == nil {
		return nil
	}
	n := *a + *b
	return &n
}

// strain is what befell a block, for the void rule.
func strain(p *study.Plan, b Block) stat.Strain {
	s := stat.Strain{}
	for i, ph := range b.Phases {
		if ph.Phase.Kind == study.Probe { // requests without an answer are what it is after
			s.Steal = max(s.Steal, ph.Host.StealShare())
			continue
		}
		s.Scheduled += ph.Stats.Scheduled
		s.Sent += ph.Stats.Sent
		if ph.Phase.Kind == study.Enforce {
			continue
		}
		for _, x := range b.Samples[i] {
			if x.Class != load.OK && x.Class != load.Limited {
				s.Errors++
			}
		}
	}
	ks := b.latencies()
	if len(ks) == 0 {
		return s
	}
	for _, k := range ks {
		s.Steal = max(s.Steal, b.Phases[k].Host.StealShare())
	}
	for _, i := range p.Arms(b.Index) {
		_, samples := b.latencyOf(i)
		if late := lateness(samples, i); len(late) > 0 {
			s.Lateness = append(s.Lateness, stat.Quantile(late, 0.5))
			s.LatenessError = max(s.LatenessError, stat.MedianError(late))
		}
	}
	base := figuresOf(&b, p.Baseline(b.Index))
	s.Margin = P50.margin(p.Study.Margin, base.values[P50])
	return s
}

// lateness of treatment i's requests (all for a negative i), in µs, sorted.
func lateness(samples []load.Sample, i int) []float64 {
	var xs []float64
	for _, s := range samples {
		if (i < 0 || int(s.Target) == i) && s.Written >= 0 {
			xs = append(xs, micros(s.Lateness()))
		}
	}
	slices.Sort(xs)
	return xs
}
