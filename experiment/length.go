package experiment

import (
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Length is what the blocks say of how long a latency phase should be.
type Length struct {
	Now  time.Duration `json:"now"`
	Best time.Duration `json:"best"`
	// Narrower is the share by which the best length would narrow the intervals
	// of the same time.
	Narrower float64 `json:"narrower"`
	// Between and Within are variances of the difference of medians, in µs²:
	// from block to block, and within a phase of the length now.
	Between float64 `json:"between"`
	Within  float64 `json:"within"`
}

// The parts that a latency phase is cut into to learn how much its median
// varies within it, and what each of them needs.
const (
	phaseParts   = 4
	partRequests = 50
)

// lengthSteps are tried between the length now and the best one without limits.
const lengthSteps = 10

// length compares the variance of medians from block to block with that within
// a block, over the primary comparisons by p50, or in a crossed design over the
// cells and the first of them (method.md §3, Kalibera & Jones).
func (at seen) length(p *study.Plan, o *Outlook) *Length {
	good := countingOf(at.blocks)
	var within, whole []float64
	for _, pair := range at.medianPairs() {
		var ds []float64
		for _, b := range good {
			d, parts, ok := partMedians(b, pair[0], pair[1])
			if !ok {
				continue
			}
			ds = append(ds, d)
			s := spreadOf(parts)
			within = append(within, s*s/phaseParts)
		}
		if len(ds) >= 3 {
			s := spreadOf(ds)
			whole = append(whole, s*s)
		}
	}
	if len(whole) == 0 || len(o.Prospects) == 0 {
		return nil
	}
	now := p.Study.Design.Latency.Seconds()
	l := &Length{Now: p.Study.Design.Latency, Within: mean(within)}
	l.Between = max(mean(whole)-l.Within, 0)
	phases := 1
	if p.Study.Design.Name == study.Windows {
		phases = len(p.Arms(0))
	}
	block := o.Slower * p.Expected.Seconds() / float64(len(p.Blocks))
	overhead := max(block/float64(phases)-now, 0)
	best := stat.BestLength(overhead, l.Within*now, l.Between)
	// Not so long that the time holds too few blocks for a verdict.
	longest := p.Study.Design.Time.Seconds()/(study.MinBlocks+2)/float64(phases) - overhead
	best = math.Round(10*max(min(best, longest), p.Study.LeastLatency().Seconds(), 0.1)) / 10
	// In the planned time, with the t of few blocks: steps from the length now.
	half := func(length float64) float64 {
		blocks := int(p.Expected.Seconds() / (overhead + length) / float64(phases))
		return stat.HalfWidth(math.Sqrt(l.Between+l.Within*now/length), blocks, o.Prospects[0].family, o.Prospects[0].level)
	}
	l.Best = l.Now
	least := half(now)
	for k := 1; k <= lengthSteps; k++ {
		length := math.Round(10*(now+(best-now)*float64(k)/lengthSteps)) / 10
		if h := half(length); h < least {
			least, l.Best = h, time.Duration(length*float64(time.Second))
		}
	}
	if now := half(now); now > 0 && !math.IsInf(now, 1) {
		l.Narrower = 1 - least/now
	}
	return l
}

// medianPairs are the treatments and baselines whose medians are compared.
func (at seen) medianPairs() [][2]int {
	var pairs [][2]int
	for _, c := range at.an.Comparisons {
		if c.Primary && c.Endpoint == P50 {
			pairs = append(pairs, [2]int{c.Treatment, c.Baseline})
		}
	}
	if cells := at.plan.Study.Combinations(); len(pairs) == 0 && len(cells) > 1 {
		for _, c := range cells[1:] {
			pairs = append(pairs, [2]int{c.Treatment, cells[0].Treatment})
		}
	}
	return pairs
}

// partMedians is the difference of medians of two treatments in a block, and
// that in each part of its latency phase; false where a part has too few requests.
func partMedians(b *Block, i, j int) (whole float64, parts []float64, ok bool) {
	all := [2][]float64{}
	cut := [2][phaseParts][]float64{}
	for k, treatment := range []int{i, j} {
		rec, samples := b.latencyOf(treatment)
		if rec == nil || len(samples) == 0 {
			return 0, nil, false
		}
		first := samples[0].Intended
		for _, s := range samples {
			if int(s.Target) != treatment || !s.Whole() {
				continue
			}
			part := min(phaseParts-1, partOf(s, first, rec.Phase.Duration))
			x := micros(s.Response())
			all[k] = append(all[k], x)
			cut[k][part] = append(cut[k][part], x)
		}
	}
	for q := range phaseParts {
		if len(cut[0][q]) < partRequests || len(cut[1][q]) < partRequests {
			return 0, nil, false
		}
		parts = append(parts, median(cut[0][q])-median(cut[1][q]))
	}
	return median(all[0]) - median(all[1]), parts, true
}

func partOf(s load.Sample, first, length time.Duration) int {
	return int(float64(phaseParts) * float64(s.Intended-first) / float64(length))
}

// Primaries is how many primary comparisons, or effects, a plan will have that
// hold together, as far as it is known before any data: in design pairs those
// of a cell.
func Primaries(p *study.Plan) int {
	s := &p.Study
	endpoints := primaryEndpoints(p)
	switch {
	case crossed(s.Design):
		return len(effectsOf(s)) * endpoints
	case s.Design.Name == study.DesignPairs:
		return endpoints
	case s.Design.Name == study.Knee:
		return knees(s)
	}
	n := 0
	for i, t := range s.Treatments {
		if t.Baseline == "" || !s.Stands(i) || t.Control != "" && t.Cell == nil {
			continue
		}
		for _, name := range append([]string{t.Baseline}, t.Against...) {
			if s.Stands(s.Index(name)) {
				n += endpoints
			}
		}
	}
	return n
}

// primaryEndpoints: p50 and CPU, and p99 where the least rate gives enough requests.
func primaryEndpoints(p *study.Plan) int {
	low := math.Inf(1)
	for i := range p.Study.Treatments {
		if p.Study.Stands(i) {
			low = min(low, float64(p.Study.RateOf(i)))
		}
	}
	if ok, _ := stat.Supported(int(low*p.Study.Design.Latency.Seconds()), 0.99); ok {
		return 3
	}
	return 2
}

// effectsOf lists the main effects and two-factor interactions that a crossed
// design tells apart, each as the factors that it is of.
func effectsOf(s *study.Study) [][]int {
	var out [][]int
	add := func(times int, factors ...int) {
		stands := slices.ContainsFunc(out, func(before []int) bool {
			return slices.ContainsFunc(s.Aliases(factors), func(a []int) bool { return slices.Equal(a, before) })
		})
		for range times {
			if !stands {
				out = append(out, factors)
			}
		}
	}
	for k, f := range s.Factors {
		add(len(f.Levels)-1, k)
	}
	for k, f := range s.Factors {
		for l := k + 1; l < len(s.Factors); l++ {
			add((len(f.Levels)-1)*(len(s.Factors[l].Levels)-1), k, l)
		}
	}
	return out
}
