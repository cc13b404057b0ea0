package experiment

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// probeLoad is what the apparatus did in the probes.
func probeLoad(blocks []*Block) Load {
	var busy, steal, generator, spin, remainder, late []float64
	var sent int
	var wall float64
	for _, b := range blocks {
		for k := range b.Phases {
			rec := &b.Phases[k]
			if rec.Phase.Kind != study.Probe || rec.Wall <= 0 {
				continue
			}
			busy, steal = append(busy, rec.Host.BusyShare()), append(steal, rec.Host.StealShare())
			generator = append(generator, micros(rec.Stats.CPU-rec.Stats.Spin)/float64(max(rec.Stats.Sent, 1)))
			spin = append(spin, rec.Stats.Spin.Seconds()/rec.Wall.Seconds())
			remainder = append(remainder, unaccounted(rec))
			late = append(late, lateness(b.Samples[k], -1)...)
			sent += rec.Stats.Sent
			wall += rec.Wall.Seconds()
		}
	}
	if len(busy) == 0 {
		return Load{}
	}
	l := Load{Rate: float64(sent) / wall, HostBusy: median(busy), Steal: slices.Max(steal),
		GeneratorCPU: median(generator), SpinShare: median(spin), Remainder: median(remainder)}
	if slices.Sort(late); len(late) > 0 {
		l.LatenessP50, l.LatenessP99 = stat.Quantile(late, 0.5), stat.Quantile(late, 0.99)
	}
	return l
}

// growthLimit is the factor by which the response times near the knee may grow
// from the first to the last third of a probe.
const growthLimit = 1.25

// warnKnees lists what the reader must know of the knees.
func (an *Analysis) warnKnees(p *study.Plan, good []*Block) {
	add := func(format string, args ...any) { an.Warnings = append(an.Warnings, fmt.Sprintf(format, args...)) }
	if an.Blocks < study.MinBlocks {
		add("screening: %d blocks; verdicts need at least %d", an.Blocks, study.MinBlocks)
	}
	if an.noisyKnees() {
		add("noise floor too high for this margin: two identical treatments have knees that differ by more than it")
	}
	for k := range an.Capacities {
		c := &an.Capacities[k]
		name := an.Treatments[c.Treatment].Name
		if c.Bound == Exact && c.Busiest > GeneratorLimit {
			add("the generator was the bottleneck for %s: it worked %.0f %% of its threads' time at or below the knee (limit %.0f %%)", name, 100*c.Busiest, 100*GeneratorLimit)
		}
		if c.Bound == AtLeast || c.Bound == Below || c.Bound == Unknown {
			add("%s has no knee: %s", name, c.Why)
		}
		if n := slices.IndexFunc(c.Probes, func(x Probe) bool { return x.Result == Met && x.Saturated }); n >= 0 {
			add("%s kept the objective while requests queued for a free connection (at %g/s, say): its knee is that of %d connections", name, c.Probes[n].Rate, p.Study.Load.Connections)
		}
		if g := c.growth(good); g > growthLimit {
			add("near the knee of %s response times still grew within a probe (×%.2f from its first third to its last): the queue takes longer to settle than a probe lasts, and the knee is read too high; give longer ones (design: {probe: …})", name, g)
		}
		if n := refused(good, c); n > 0 {
			add("%s answered %d requests at or below its knee with 429 or another refusal: they count as errors", name, n)
		}
	}
	for _, b := range good {
		for _, w := range b.Warnings {
			add("block %d: %s", b.Index, w)
		}
	}
}

// growth is by how much the median response time of probes near the knee grew
// from the first third of what is judged to the last: the median over them.
func (c *Capacity) growth(good []*Block) float64 {
	if c.Bound != Exact {
		return 0
	}
	var grew []float64
	for _, b := range good {
		for k := range b.Phases {
			ph := &b.Phases[k].Phase
			near := ph.Rate > c.Rate.Estimate*0.9 && ph.Rate <= c.Rate.Estimate
			if ph.Kind != study.Probe || ph.Targets[0] != c.Treatment || !near {
				continue
			}
			if first, last, ok := thirds(b.Samples[k]); ok {
				grew = append(grew, last/first)
			}
		}
	}
	if len(grew) == 0 {
		return 0
	}
	return median(grew)
}

// thirds are the median response times of the first and the last third of the
// requests of a probe after its lead.
func thirds(samples []load.Sample) (first, last float64, ok bool) {
	judged := samples[int(study.Lead*float64(len(samples))):]
	third := len(judged) / 3
	of := func(xs []load.Sample) float64 {
		var times []float64
		for _, s := range xs {
			if s.Whole() {
				times = append(times, micros(s.Response()))
			}
		}
		if len(times) < 100 {
			return 0
		}
		return median(times)
	}
	first, last = of(judged[:third]), of(judged[len(judged)-third:])
	return first, last, first > 0 && last > 0
}

// refused counts the refusals at or below a knee.
func refused(good []*Block, c *Capacity) int {
	n := 0
	for _, b := range good {
		for k, ph := range b.Phases {
			if ph.Phase.Kind != study.Probe || ph.Phase.Targets[0] != c.Treatment || !(ph.Phase.Rate <= c.Rate.Estimate) {
				continue
			}
			for _, s := range b.Samples[k] {
				if s.Class == load.Limited || s.Class == load.ClientError {
					n++
				}
			}
		}
	}
	return n
}
