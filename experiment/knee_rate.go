package experiment

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// The steps of the search (method.md §5).
const (
	bracketStep = 1.5 // from one rate to the next until the knee lies between two
	// floorSteps is how far below the first rate a treatment is looked for that
	// misses the objective at every one.
	floorSteps = 8
	// nearby is the factor between the two rates around the knee at which the
	// search gives way to replicated probes.
	nearby = 1.2
	// lostAfter is how many replicated probes must say the same for that.
	lostAfter = 4
)

// How far the replicated probes of a block reach to either side of the knee, as
// logarithms of the rate: at first, in widths of the logistic curve so far, and
// within which bounds.
const (
	firstReach    = 0.18
	reachWidths   = 2.0
	leastReach    = 0.04
	greatestReach = 0.35
)

// curveShares are the rates, as shares of the knee, of the probes that show
// what latency is below it. One probe of a treatment in each block with
// curveFrom of them or more is such a one. They lie lower than replicated
// probes ever do.
var curveShares = []float64{0.5, 0.6, 0.25, 0.4}

const (
	curveFrom = 5
	curveEnd  = 0.61
)

// probe resolves a phase whose rate is chosen when it begins. The rate is a
// function of the plan, of the probes of all blocks before that count, and of
// those of this block so far: a run that is resumed goes on as it would have.
func (c *course) probe(p study.Phase, now *Block) study.Phase {
	s := &c.Plan.Study
	i := p.Targets[0]
	at := slot{treatment: i, block: c.Plan.Blocks[now.Index]}
	for _, ph := range at.block.Phases {
		if ph.Kind == study.Probe && ph.Targets[0] == i {
			at.of++
		}
	}
	so := map[int]*trail{}
	for _, j := range c.Plan.Arms(now.Index) {
		so[j] = &trail{}
	}
	for _, fs := range newSheet(c.Plan, countingOf(c.blocks), c.known).of {
		for j, t := range so {
			t.block(fs[j].probes)
		}
	}
	for j, t := range so {
		t.here = judged(probesOf(s, now, j))
	}
	at.number = len(probesOf(s, now, i))
	rate, length := chooseRate(s, so, at)
	p.Rate, p.Duration = rate, s.ProbeTime(length)
	return p
}

// slot is the place of a probe that is about to begin.
type slot struct {
	treatment int
	block     study.Block
	number    int // among the treatment's probes of the block, from 0
	of        int // so many
}

// trail is what the probes of one treatment have said so far. It searches until
// the knee lies between two rates that are near; from the next block on it
// replicates: the probes of a block are spread evenly around the knee. If the
// first of these all say the same, the knee is elsewhere, and the search begins
// anew.
type trail struct {
	search     []Probe // of the search under way
	replicates [][]stat.Probe
	blocks     []int   // of replicates, among all so far
	parted     bool    // the replicates have both results
	first      []Probe // of the blocks of replicates until they have
	seen       int     // blocks
	here       []Probe // of the block under way
}

// block adds a finished block.
func (t *trail) block(ps []Probe) {
	ps = judged(ps)
	t.seen++
	if !t.found() {
		t.search = append(t.search, ps...)
		return
	}
	knee, _ := t.centre()
	around := statProbes(slices.DeleteFunc(slices.Clone(ps), func(p Probe) bool { return len(ps) >= curveFrom && p.Rate < knee*curveEnd }))
	if !apart(around) {
		return // one rate, or none: no knee lies between
	}
	t.replicates, t.blocks = append(t.replicates, around), append(t.blocks, t.seen-1)
	if t.parted {
		return
	}
	t.first = append(t.first, ps...)
	all := slices.Concat(t.replicates...)
	t.parted = slices.ContainsFunc(all, func(p stat.Probe) bool { return p.Pass != all[0].Pass })
	if !t.parted && len(all) >= lostAfter {
		*t = trail{search: t.first, seen: t.seen}
	}
}

// apart reports whether probes are of different rates.
func apart(ps []stat.Probe) bool {
	return slices.ContainsFunc(ps, func(p stat.Probe) bool { return p.Rate != ps[0].Rate })
}

// found reports whether the search has ended before the block under way.
func (t *trail) found() bool {
	low, high, ok := split(t.search)
	return ok && high <= low*nearby
}

// centre is where the knee seems to be, and how far to either side the next
// replicated probes reach.
func (t *trail) centre() (knee, reach float64) {
	if k, err := stat.FindKnee(t.replicates, 0.95); err == nil {
		reach = firstReach
		if k.Width > 1 {
			reach = reachWidths * math.Log(k.Width)
		}
		return k.Rate.Estimate, min(max(reach, leastReach), greatestReach)
	}
	low, high, _ := split(t.search)
	return math.Sqrt(low * high), firstReach
}

// split gives the two neighbouring rates between which the knee seems to lie:
// where fewest probes are on the wrong side, missed below or met above. False
// unless some met the objective and some missed it.
func split(ps []Probe) (low, high float64, ok bool) {
	sorted := slices.DeleteFunc(slices.Clone(ps), func(p Probe) bool { return p.Result == Overrun })
	slices.SortStableFunc(sorted, func(a, b Probe) int { return cmp.Compare(a.Rate, b.Rate) })
	if len(ratesOf(sorted, Met)) == 0 || len(ratesOf(sorted, Missed)) == 0 {
		return 0, 0, false
	}
	wrong := len(ratesOf(sorted, Met)) // all of them, above
	least := len(sorted) + 1
	for k, p := range sorted[:len(sorted)-1] {
		if p.Result == Met {
			wrong--
		} else {
			wrong++
		}
		if wrong < least && sorted[k+1].Rate > p.Rate {
			least, low, high = wrong, p.Rate, sorted[k+1].Rate
		}
	}
	return low, high, low > 0
}

// chooseRate gives the rate of the next probe from those of every treatment so
// far, and the rate that its length is that of: a probe below the knee, for the
// curve, is no longer than one at it.
func chooseRate(s *study.Study, so map[int]*trail, at slot) (rate, length float64) {
	t := so[at.treatment]
	if t.found() {
		return t.replicate(at)
	}
	search := append(slices.Clone(t.search), t.here...)
	met, missed, overrun := ratesOf(search, Met), ratesOf(search, Missed), ratesOf(search, Overrun)
	switch {
	case len(search) == 0:
		rate = startRate(s, so, at.treatment)
	case len(missed) == 0 && len(overrun) > 0:
		rate = belowOverrun(met, overrun)
	case len(missed) == 0:
		rate = slices.Max(met) * bracketStep
	case len(met) == 0:
		rate = max(slices.Min(missed)/bracketStep, floorRate(s))
	default:
		low, high, ok := split(search)
		if rate = math.Sqrt(low * high); !ok { // one rate that was met and missed
			rate = slices.Max(met) * math.Sqrt(bracketStep)
		}
	}
	rate = bounded(rate)
	return rate, rate
}

// replicate places a probe among those of its block: at rates evenly spread
// around the knee, by another part of a step in every block, in random order.
func (t *trail) replicate(at slot) (rate, length float64) {
	knee, reach := t.centre()
	r := rand.New(rand.NewPCG(at.block.Seed, uint64(at.treatment)))
	place, part, of := r.Perm(at.of)[at.number%at.of], r.Float64(), at.of
	if of >= curveFrom {
		if place == of-1 {
			return bounded(knee * curveShares[at.block.Index%len(curveShares)]), knee
		}
		of--
	}
	rate = bounded(stat.ProbeRates(knee*math.Exp(-reach), knee*math.Exp(reach), of, part)[place])
	return rate, rate
}

// floorRate is the lowest rate that is probed.
func floorRate(s *study.Study) float64 {
	return float64(s.Load.Rate) / math.Pow(bracketStep, floorSteps)
}

// startRate is the study's, or where another treatment has been found to have
// its knee: treatments of one study are seldom far apart.
func startRate(s *study.Study, so map[int]*trail, treatment int) float64 {
	for _, i := range s.Probed() {
		t := so[i]
		if i == treatment || t == nil {
			continue
		}
		if t.found() {
			knee, _ := t.centre()
			return knee
		}
		if low, high, ok := split(append(slices.Clone(t.search), t.here...)); ok {
			return math.Sqrt(low * high)
		}
	}
	return float64(s.Load.Rate)
}

// belowOverrun closes in on the greatest rate that the generator can offer.
func belowOverrun(met, overrun []float64) float64 {
	if len(met) == 0 {
		return slices.Min(overrun) / bracketStep
	}
	return math.Sqrt(slices.Max(met) * max(slices.Min(overrun), slices.Max(met)))
}

// bounded keeps a rate within what can be offered, to four digits.
func bounded(r float64) float64 {
	r = min(max(r, 1), study.MaxProbeRate)
	unit := math.Pow(10, math.Floor(math.Log10(r))-3)
	return math.Round(r/unit) * unit
}

func judged(ps []Probe) []Probe {
	return slices.DeleteFunc(slices.Clone(ps), func(p Probe) bool { return p.Result == Unjudged })
}

func ratesOf(ps []Probe, r ProbeResult) []float64 {
	var rates []float64
	for _, p := range ps {
		if p.Result == r {
			rates = append(rates, p.Rate)
		}
	}
	return rates
}

// statProbes are judged probes as the statistics take them. What the generator
// spoilt says nothing.
func statProbes(ps []Probe) []stat.Probe {
	var out []stat.Probe
	for _, p := range ps {
		if p.Result == Met || p.Result == Missed {
			out = append(out, stat.Probe{Rate: p.Rate, Pass: p.Result == Met})
		}
	}
	return out
}
