package experiment

import (
	"errors"
	"fmt"
	"slices"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// ErrNoBlocks is an analysis without a block that counts.
var ErrNoBlocks = errors.New("no block that counts has finished")

// Analysis is what an experiment's blocks say. It is a pure function of the
// plan and the blocks.
type Analysis struct {
	Blocks, Voids int
	Treatments    []Treatment
	Comparisons   []Comparison
	// Gates are the A/A gates, one for each copy; none without a copy or with
	// fewer than 2 blocks.
	Gates        []Gate
	Interference []Interference // one for each baseline that stood alone
	Ratios       []CostRatio    // of a study with several data planes
	Effects      []Effect       // of a design over factors: main effects, then interactions
	Slopes       []Slope        // of factors whose levels are numbers
	Shapley      []Waterfall    // of a full design of two-level factors
	Shifts       []Shift        // of the primary comparisons by response time
	Checks       Checks
	Capacities   []Capacity // of a knee study: one for each treatment that is probed
	Apparatus    Load
	// Rejections counts the pairs of identical arms (design aa) whose interval
	// excludes 0; nil in other designs.
	Rejections *stat.Binomial
	Warnings   []string
	// Counting is how instructions were counted: as in the first block that
	// counted none, else as in one that left the kernel's out.
	Counting Counting
}

// Gate is an A/A copy held against its baseline, by each primary endpoint.
type Gate struct {
	Copy, Baseline int
	By             map[Endpoint]stat.AA
	// Pooled are the gated endpoints that the baseline is compared by as the mean
	// of its own and the copy's. None of those whose gate failed is, and none where
	// the two stand in blocks of their own or cells are compared factor by factor.
	Pooled []Endpoint
}

// Treatment is what one treatment gave over all blocks that count.
type Treatment struct {
	Index    int
	Name     string
	Blocks   int                  // that its figures come from; 0: it never stood
	Stood    []int                // which these are, among the blocks that count
	Requests int                  // in the latency phases
	Values   map[Endpoint]float64 // medians over blocks
	Why      map[Endpoint]string  // of the absent ones
	PerBlock map[Endpoint][]float64
	Usage    []Usage // medians over blocks, per role
	// UsagePerBlock is what the processes of a role used, block by block.
	UsagePerBlock map[string][]Usage
	// Outcomes are those of the latency phases, then of the enforcement phases.
	Outcomes []Outcomes
	Refused  int    // requests refused where overhead is measured
	Wrong    string // the first thing that a judge found
	Callers  int    // buckets touched in one block, at most
	// Witness is the thread CPU time, in µs per request, that planted work took
	// by the service's own count, median over blocks; 0 without planted work.
	Witness float64
}

// Comparison is one treatment against its baseline by one endpoint.
type Comparison struct {
	stat.Comparison
	Treatment, Baseline int
	Endpoint            Endpoint
	// Primary comparisons share one simultaneous level; the others are
	// exploratory, each at its own.
	Primary bool
	// PerBlock are the block differences, in the order of the plan.
	PerBlock []float64
}

// Load is what the apparatus itself did, in the latency phases.
type Load struct {
	Rate         float64 // requests/s in all, as sent
	HostBusy     float64 // share of all cores, median over blocks
	Steal        float64 // greatest share
	LatenessP50  float64 // µs, over all requests
	LatenessP99  float64
	GeneratorCPU float64 // µs per request without spin
	SpinShare    float64 // of one core
	Remainder    float64 // share of the host's busy time that no process of the run accounts for
}

// Analyse computes everything from the blocks. With blocks, but none that
// counts, the error is ErrNoBlocks and the analysis holds the voids.
func Analyse(p *study.Plan, blocks []Block) (*Analysis, error) {
	an, s, err := analyseSheet(p, blocks, cache{})
	if err != nil || s == nil {
		return an, err
	}
	an.addOutcomes(s)
	if an.Blocks < 2 {
		return an, nil
	}
	for _, add := range []func(*sheet) error{an.slopes, an.shapley, an.shifts, an.check} {
		if err := add(s); err != nil {
			return an, err
		}
	}
	return an, nil
}

// analyse computes what a run looks at between its blocks: what the cache
// lacks, which it adds.
func analyse(p *study.Plan, blocks []Block, known cache) (*Analysis, error) {
	an, _, err := analyseSheet(p, blocks, known)
	return an, err
}

// analyseSheet gives the sheet too; none of a study of capacities, which has no
// treatments to compare by their latency.
func analyseSheet(p *study.Plan, blocks []Block, known cache) (*Analysis, *sheet, error) {
	an := &Analysis{}
	good := countingOf(blocks)
	an.Blocks, an.Voids = len(good), len(blocks)-len(good)
	if len(good) == 0 {
		return an, nil, ErrNoBlocks
	}
	s := newSheet(p, good, known)
	if p.Study.Design.Name == study.Knee {
		return an, nil, an.analyseKnee(s)
	}
	for i := range p.Study.Treatments {
		an.Treatments = append(an.Treatments, treatment(s, i))
	}
	an.Apparatus, an.Counting = apparatusLoad(good), countingIn(good)
	an.Interference = interference(s)
	if slices.ContainsFunc(an.Interference, func(in Interference) bool { return in.Interferes }) {
		an.dropSharedTails(s)
	}
	if len(good) >= 2 {
		if err := an.compare(s); err != nil {
			return an, s, err
		}
	}
	an.warn(p, good)
	return an, s, nil
}

// countingOf returns the blocks that count, in the order of the plan.
func countingOf(blocks []Block) []*Block {
	var good []*Block
	for i := range blocks {
		if blocks[i].Void == "" {
			good = append(good, &blocks[i])
		}
	}
	slices.SortFunc(good, func(a, b *Block) int { return a.Index - b.Index })
	return good
}

func treatment(s *sheet, i int) Treatment {
	t := Treatment{Index: i, Name: s.plan.Study.Treatments[i].Name,
		Values: map[Endpoint]float64{}, Why: map[Endpoint]string{}, PerBlock: map[Endpoint][]float64{}}
	usage := map[string][]Usage{}
	var witness []float64
	var blocks []*Block
	t.Stood = s.own(i)
	for _, k := range t.Stood {
		b, f := s.blocks[k], s.of[k][i]
		blocks = append(blocks, b)
		for _, w := range b.Work {
			if w.Treatment == i && w.Stats.Worked > 0 {
				witness = append(witness, float64(w.Stats.WorkCPU)/1e3/float64(w.Stats.Worked))
			}
		}
		t.Requests += f.requests
		for e, v := range f.values {
			t.PerBlock[e] = append(t.PerBlock[e], v)
		}
		for e, why := range f.why {
			t.Why[e] = why
		}
		for _, u := range f.usage {
			usage[u.Role] = append(usage[u.Role], u)
		}
		t.Refused += s.readings[k][i].refused
		t.addJudged(b)
	}
	t.Blocks = len(blocks)
	for e, vs := range t.PerBlock {
		if len(vs) == len(blocks) { // absent in one block: absent
			t.Values[e] = median(vs)
		} else {
			delete(t.PerBlock, e)
		}
	}
	t.UsagePerBlock = usage
	for _, role := range testbed.Roles() {
		if us := usage[string(role)]; len(us) > 0 {
			t.Usage = append(t.Usage, medianUsage(us))
		}
	}
	if len(witness) > 0 {
		t.Witness = median(witness)
	}
	return t
}

func median(vs []float64) float64 {
	s := slices.Clone(vs)
	slices.Sort(s)
	return stat.Quantile(s, 0.5)
}

func medianUsage(us []Usage) Usage {
	of := func(f func(Usage) float64) float64 {
		vs := make([]float64, len(us))
		for i, u := range us {
			vs[i] = f(u)
		}
		return median(vs)
	}
	return Usage{Role: us[0].Role,
		PerRequest:   of(func(u Usage) float64 { return u.PerRequest }),
		IdleCores:    of(func(u Usage) float64 { return u.IdleCores }),
		WaitShare:    of(func(u Usage) float64 { return u.WaitShare }),
		PrivateMB:    of(func(u Usage) float64 { return u.PrivateMB }),
		RSSMB:        of(func(u Usage) float64 { return u.RSSMB }),
		SharedMB:     of(func(u Usage) float64 { return u.SharedMB }),
		Instructions: medianInstructions(us),
	}
}

// addJudged keeps what the judge said of a block.
func (t *Treatment) addJudged(b *Block) {
	for _, j := range b.Judged {
		if j.Treatment != t.Index {
			continue
		}
		t.Callers = max(t.Callers, j.Callers)
		if j.Wrong != "" && t.Wrong == "" {
			t.Wrong = fmt.Sprintf("block %d: %s", b.Index, j.Wrong)
		}
	}
}

func apparatusLoad(blocks []*Block) Load {
	var busy, steal, generator, spin, remainder, late []float64
	var sent int
	var wall float64
	for _, b := range blocks {
		for _, k := range b.latencies() {
			rec, samples := &b.Phases[k], b.Samples[k]
			busy = append(busy, rec.Host.BusyShare())
			steal = append(steal, rec.Host.StealShare())
			n := max(rec.Stats.Sent, 1)
			generator = append(generator, micros(rec.Stats.CPU-rec.Stats.Spin)/float64(n))
			spin = append(spin, rec.Stats.Spin.Seconds()/rec.Wall.Seconds())
			remainder = append(remainder, unaccounted(rec))
			late = append(late, lateness(samples, -1)...)
			sent += rec.Stats.Sent
			wall += rec.Phase.Duration.Seconds()
		}
	}
	l := Load{Rate: float64(sent) / wall, HostBusy: median(busy), Steal: slices.Max(steal),
		GeneratorCPU: median(generator), SpinShare: median(spin), Remainder: median(remainder)}
	if slices.Sort(late); len(late) > 0 { // a slow study may have sent nothing
		l.LatenessP50, l.LatenessP99 = stat.Quantile(late, 0.5), stat.Quantile(late, 0.99)
	}
	return l
}

// unaccounted is the share of the host's busy time that no process of the run used.
func unaccounted(rec *PhaseRecord) float64 {
	var sum float64
	for _, p := range rec.Parts {
		sum += p.CPU.Seconds()
	}
	host := rec.Host.Busy.Seconds()
	if host == 0 {
		return 0
	}
	return 1 - sum/host
}
