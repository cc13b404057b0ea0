package experiment

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Interference compares what a difference is when all treatments share the
// machine with what it is when each stands alone. Solo windows run at the
// total rate, so a part of the disagreement is rate, not interference.
type Interference struct {
	Baseline, Heaviest int
	Blocks             int     // control blocks
	Shared, Solo       float64 // mean difference of p50 in µs: shared load, alone
	// The p99 of each alone, in µs, over all its solo windows; nil with too few
	// requests.
	BaselineP99, HeaviestP99 *float64
	// Disagreement is shared − solo; nil with fewer than 3 control blocks.
	Disagreement *stat.Interval
	Margin       float64
	// Interferes: the disagreement lies wholly beyond the margin.
	Interferes bool
}

const minControlBlocks = 3

// dropSharedTails takes back every p99 under shared load: where treatments
// interfere their tails shrink towards each other (method.md §2).
func (an *Analysis) dropSharedTails(s *sheet) {
	for i := range an.Treatments {
		t := &an.Treatments[i]
		if _, has := t.Values[P99]; has {
			delete(t.Values, P99)
			delete(t.PerBlock, P99)
			t.Why[P99] = "treatments interfere: a p99 is given from solo windows only"
		}
	}
	s.hidden = P99
}

// soloP99 is the p99 of treatment i over its solo windows, nil with too few requests.
func soloP99(blocks []*Block, i int) *float64 {
	var xs []float64
	for _, b := range blocks {
		for k, ph := range b.Phases {
			if ph.Phase.Kind == study.Solo {
				xs = append(xs, responses(b.Samples[k], i)...)
			}
		}
	}
	if ok, _ := stat.Supported(len(xs), 0.99); !ok {
		return nil
	}
	slices.Sort(xs)
	v := stat.Quantile(xs, 0.99)
	return &v
}

// interference gives one control for each baseline that stood alone: one for
// each data plane, or for each cell of a pairs study.
func interference(s *sheet) []Interference {
	var ins []Interference
	for i := range s.plan.Study.Treatments {
		if in, ok := interferenceOf(s, i); ok {
			ins = append(ins, in)
		}
	}
	return ins
}

// window is what the solo windows of one block say.
type window struct {
	baseline, heaviest int
	alone              map[int]float64 // p50 in µs, by treatment
}

// windowOf reads a block's solo windows; false without a median of both.
func windowOf(b *Block) (window, bool) {
	w := window{baseline: -1, heaviest: -1, alone: map[int]float64{}}
	for k, ph := range b.Phases {
		if ph.Phase.Kind != study.Solo {
			continue
		}
		i := ph.Phase.Targets[0]
		if ph.Phase.Heaviest {
			w.heaviest = i
		} else {
			w.baseline = i
		}
		xs := responses(b.Samples[k], i)
		if ok, _ := stat.Supported(len(xs), quantiles[P50]); ok {
			w.alone[i] = stat.Quantile(xs, 0.5)
		}
	}
	return w, len(w.alone) == 2
}

func interferenceOf(s *sheet, baseline int) (Interference, bool) {
	in := Interference{Baseline: baseline, Heaviest: -1}
	var shared, solo, apart, base []float64
	for k, b := range s.blocks {
		w, ok := windowOf(b)
		if !ok || w.baseline != baseline {
			continue
		}
		in.Heaviest = w.heaviest
		f, has := s.of[k][baseline].values[P50]
		g, too := s.of[k][w.heaviest].values[P50]
		if !has || !too { // too few requests for a median
			continue
		}
		shared = append(shared, g-f)
		solo = append(solo, w.alone[w.heaviest]-w.alone[baseline])
		apart = append(apart, shared[len(shared)-1]-solo[len(solo)-1])
		base = append(base, f)
	}
	if in.Blocks = len(apart); in.Blocks == 0 {
		return in, false
	}
	in.Shared, in.Solo = mean(shared), mean(solo)
	in.BaselineP99, in.HeaviestP99 = soloP99(s.blocks, in.Baseline), soloP99(s.blocks, in.Heaviest)
	in.Margin = P50.margin(s.plan.Study.Margin, median(base))
	if in.Blocks < minControlBlocks {
		return in, true
	}
	if d, err := stat.PairedT(apart, 0.95); err == nil {
		in.Disagreement = &d
		in.Interferes = d.Low > in.Margin || d.High < -in.Margin
	}
	return in, true
}

func mean(xs []float64) float64 {
	var sum float64
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// fewest is the number of blocks of the comparison that has least: all, but in
// design pairs those of a cell.
func (an *Analysis) fewest(p *study.Plan) int {
	n := an.Blocks
	for _, c := range p.Study.Cells() {
		n = min(n, an.Treatments[c.Treatment].Blocks)
	}
	return n
}

// remainderLimit is the share of the host's busy time beyond which it is warned
// that no process of the run accounts for it (method.md §6).
const remainderLimit = 0.05

// warn lists what the reader must know of the whole run.
func (an *Analysis) warn(p *study.Plan, blocks []*Block) {
	add := func(format string, args ...any) { an.Warnings = append(an.Warnings, fmt.Sprintf(format, args...)) }
	if n := an.fewest(p); p.Screening || n < study.MinBlocks {
		add("screening: %d blocks; verdicts need at least %d", n, study.MinBlocks)
	}
	if p.Study.Load.Lowered != "" {
		an.Warnings = append(an.Warnings, p.Study.Load.Lowered)
	}
	for _, g := range an.Gates {
		for _, e := range gated() {
			if a, ok := g.By[e]; ok && !a.Inside {
				add("noise floor too high for this margin: %s and %s, which are identical, differ by %.2f to %.2f %s by %s, the margin is %.2f", an.Treatments[g.Baseline].Name, an.Treatments[g.Copy].Name, a.Low, a.High, e.Unit(), e, a.Margin)
			}
		}
	}
	for _, t := range an.Treatments {
		if t.Wrong != "" {
			add("%s did not do its work: %s", t.Name, t.Wrong)
		}
		if t.Refused > 0 {
			add("%s refused %d requests where overhead is measured: its overhead is invalid", t.Name, t.Refused)
		}
	}
	for _, in := range an.Interference {
		if in.Interferes {
			add("treatments interfere: under shared load %s − %s is %.1f µs, alone %.1f µs", an.Treatments[in.Heaviest].Name, an.Treatments[in.Baseline].Name, in.Shared, in.Solo)
		}
	}
	if l := an.Apparatus; l.HostBusy > BusyLimit {
		add("the host was %.0f %% busy, more than half: queues are part of the latency", 100*l.HostBusy)
	}
	switch r := an.Apparatus.Remainder; {
	case r > remainderLimit:
		add("%.0f %% of the host's busy time belongs to no process of the run: something else ran, or interrupts", 100*r)
	case r < -remainderLimit:
		add("the processes of the run used %.0f %% more CPU time than the host counts as busy: the host's count is coarse, or covers other cores", -100*r)
	}
	for _, b := range blocks {
		for _, w := range b.Warnings {
			add("block %d: %s", b.Index, w)
		}
		for k, ph := range b.Phases {
			if ph.Stats.Capped {
				add("block %d: a closed loop ended before its time, at the most requests that one may make", b.Index)
			}
			if ph.Stats.Saturated && b.Phases[k].Phase.Kind == study.Latency {
				add("block %d: every connection was busy and requests had to queue", b.Index)
			}
		}
	}
}
