package study

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Plan is a study made ready to be carried out: every block with its phases,
// orders and seeds. It marshals to the same JSON for the same study and seed.
type Plan struct {
	Study     Study  `json:"study"`
	Seed      uint64 `json:"seed"`
	Digest    string `json:"digest"`    // SHA-256 of the plan without it
	Screening bool   `json:"screening"` // too few blocks for a verdict
	Rule      Rule   `json:"rule"`
	// Expected is the time that the run is expected to take.
	Expected time.Duration `json:"expected"`
	Blocks   []Block       `json:"blocks"`
}

// Rule says when a run stops and at which level its intervals are given.
type Rule struct {
	Stop  string  `json:"stop"`  // StopWidth or StopFixed
	First int     `json:"first"` // blocks before the first look
	Every int     `json:"every"` // blocks between looks
	Level float64 `json:"level"`
	// Voids says which blocks do not count.
	Voids VoidRule `json:"voids"`
}

// VoidRule says what befalls a block that does not count (method.md §3).
type VoidRule struct {
	MaxShare float64 `json:"max_share"` // of the planned blocks that may be void
	Steal    float64 `json:"steal"`     // share of the processors' time taken by the host's other guests
	Lateness float64 `json:"lateness"`  // share of the margin by which lateness may differ between treatments
}

// Block is one replicate: every treatment on fresh processes.
type Block struct {
	Index int    `json:"index"`
	Seed  uint64 `json:"seed"`
	// Arms are the treatments that stand, baseline first; empty: all of them.
	Arms   []int   `json:"arms,omitempty"`
	Start  []int   `json:"start"` // the order in which treatments are started
	Phases []Phase `json:"phases"`
}

// Kind is what a phase is for.
type Kind string

// The kinds of phases.
const (
	Warmup  Kind = "warmup"  // discarded, but judged
	Idle    Kind = "idle"    // no load: what the processes spend on their own
	Latency Kind = "latency" // every request draws its treatment
	Solo    Kind = "solo"    // one treatment alone at the total rate
	Closed  Kind = "closed"  // one treatment alone, as many requests as it answers
	Enforce Kind = "enforce" // some users go over their limit
	Probe   Kind = "probe"   // one treatment alone, at a rate that is chosen when it begins: Rate is then 0
)

// Phase is one stretch of a block under one load.
type Phase struct {
	Kind    Kind    `json:"kind"`
	Targets []int   `json:"targets,omitempty"` // treatments that requests are drawn from
	Rate    float64 `json:"rate,omitempty"`    // requests/s in all
	// Weights are the requests/s of each target, where the factor rate makes
	// them differ; Rate is then their sum.
	Weights  []float64     `json:"weights,omitempty"`
	Each     int           `json:"each,omitempty"` // exactly so many to each target
	Duration time.Duration `json:"duration"`
	Seed     uint64        `json:"seed,omitempty"`
	// Heaviest marks the solo window of what the baseline is held against: the
	// treatment with the greatest CPU time per request in the blocks before, on
	// the baseline's data plane. Targets is then empty, but in design pairs.
	Heaviest bool `json:"heaviest,omitempty"`
}

// Time that a block takes beside its phases, for planning.
const (
	blockStart    = 150 * time.Millisecond // and for each treatment:
	treatmentUp   = 50 * time.Millisecond
	blockTeardown = 200 * time.Millisecond
	soloSettle    = 200 * time.Millisecond
)

// Blocks below which no verdict but undecided is given, and below which a
// study is not planned unless it is asked to be quick.
const (
	MinBlocks    = 10
	quickBlocks  = 5
	quickLatency = 2 * time.Second
)

// PilotTime is about how long it takes to try whether a default rate suits the host.
const PilotTime = 2500 * time.Millisecond

// Requests/s of the warm-up: for one treatment, and in all at most.
const (
	warmupRate  = 1000
	warmupTotal = 7000
)

// Options change a plan from outside the study file.
type Options struct {
	Seed  uint64        // 0: derived from the study
	Time  time.Duration // 0: the study's time, or its blocks
	Quick bool          // 5 short blocks, stamped screening
}

// MakePlan checks and plans a study.
func MakePlan(s Study, o Options) (*Plan, error) {
	s.Treatments = slices.Clone(s.Treatments) // the caller's stay without defaults
	if err := s.expand(); err != nil {
		return nil, err
	}
	if o.Time != 0 {
		if o.Time < minTime || o.Time > MaxTime {
			return nil, fmt.Errorf("plan %s: the time %v is not between %v and %v", s.Name, o.Time, minTime, MaxTime)
		}
		s.Design.Time, s.Design.Blocks = o.Time, 0
	}
	if o.Quick {
		s.quicken()
	}
	p := &Plan{Study: s, Seed: o.Seed, Rule: rule(s.Design)}
	if p.Seed == 0 {
		p.Seed = seedOf(s)
	}
	p.Study.Design.Latency = p.latency()
	if err := p.planDesign(); err != nil {
		return nil, err
	}
	p.Screening = p.fewest() < MinBlocks
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("make the digest of the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	p.Digest = hex.EncodeToString(sum[:])
	return p, nil
}

// quicken takes what a first look needs.
func (s *Study) quicken() {
	d := &s.Design
	d.Blocks, d.ControlEvery, d.Stop = quickBlocks, -1, StopFixed
	d.Latency = min(d.Latency, quickLatency)
	if own := s.design().quicken; own != nil {
		own(s)
	}
}

// fewest is the number of blocks that the least of the comparisons has.
func (p *Plan) fewest() int {
	if p.Study.Design.Name != DesignPairs {
		return len(p.Blocks)
	}
	blocks := map[int]int{}
	for _, b := range p.Blocks {
		blocks[b.Arms[1]]++
	}
	fewest := len(p.Blocks)
	for _, c := range p.Study.Cells() {
		fewest = min(fewest, blocks[c.Treatment])
	}
	return fewest
}

// expand makes of the study as written the one that is carried out.
func (s *Study) expand() error {
	if err := s.Validate(); err != nil {
		return err
	}
	s.expandPlanes()
	if err := s.expandDesign(); err != nil {
		return err
	}
	return s.Validate()
}

// rule: a run that may stop early looks at its data more than once, and pays
// for it with a 96 % interval inside (method.md §1).
func rule(d Design) Rule {
	r := Rule{Stop: d.Stop, First: MinBlocks, Every: 2, Level: 0.95, Voids: VoidRule{MaxShare: 0.20, Steal: 0.10, Lateness: 0.25}}
	if d.Stop == StopWidth {
		r.Level = 0.96
	}
	return r
}

// seedOf derives a seed from the study, so that a study without one has the
// same plan every time.
func seedOf(s Study) uint64 {
	sum := sha256.Sum256([]byte(s.Name + "\n" + s.Question))
	return binary.LittleEndian.Uint64(sum[:8]) >> 11 // exact as a JSON number everywhere
}

// p99Requests is what one treatment needs in one block for a p99 (method.md §3).
const p99Requests = 10_000

// latency is the length of the latency phase: the study's, or, where the time
// allows MinBlocks and two more of them, long enough for a p99.
func (p *Plan) latency() time.Duration {
	d := p.Study.Design
	forP99 := time.Duration(1.05 * p99Requests / float64(p.Study.Load.Rate) * float64(time.Second))
	if d.Name != DesignPairs && d.Name != Windows && d.Blocks == 0 && forP99 > d.Latency && (MinBlocks+2)*(p.blockTime(false)+forP99-d.Latency) <= d.Time {
		return forP99
	}
	return d.Latency
}

func (p *Plan) addBlocks() error {
	d := p.Study.Design
	if p.Study.Load.DefaultRate {
		p.Expected = PilotTime
	}
	controls := 0
	r := rand.New(rand.NewPCG(p.Seed, 0))
	for i := 0; d.Blocks == 0 || i < d.Blocks; i++ {
		control := d.ControlEvery > 0 && i%d.ControlEvery == d.ControlEvery-1 && p.hasControl()
		took := p.blockTime(control)
		if d.Blocks == 0 && p.Expected+took > d.Time {
			break
		}
		p.Expected += took
		p.Blocks = append(p.Blocks, p.block(i, control, controls, r))
		if control {
			controls++
		}
	}
	if len(p.Blocks) == 0 {
		return p.tooShort(p.blockTime(false))
	}
	return nil
}

func (p *Plan) tooShort(least time.Duration) error {
	return fmt.Errorf("study %s: one block of everything takes %v, and the time is %v; give it more (--time)",
		p.Study.Name, least.Round(100*time.Millisecond), p.Study.Design.Time)
}

// hasControl: interference is between a baseline and something else.
func (p *Plan) hasControl() bool {
	return len(p.all()) > 2 && p.Study.design().control
}

func (p *Plan) blockTime(control bool) time.Duration {
	return standTime(len(p.all()), p.phases(control, 0))
}

// standTime is about what a block of so many treatments takes.
func standTime(treatments int, phases []Phase) time.Duration {
	t := blockStart + time.Duration(treatments)*treatmentUp + blockTeardown
	for _, ph := range phases {
		t += ph.Duration
		if ph.Alone(treatments) {
			t += soloSettle
		}
	}
	return t
}

// block plans the i-th block; controls is how many control blocks came before.
func (p *Plan) block(i int, control bool, controls int, r *rand.Rand) Block {
	b := Block{Index: i, Seed: r.Uint64() >> 11, Phases: p.phases(control, controls)}
	all := p.all()
	for _, k := range r.Perm(len(all)) {
		b.Start = append(b.Start, all[k])
	}
	if len(all) < len(p.Study.Treatments) {
		b.Arms = all
	}
	if control && r.IntN(2) == 1 {
		at := len(b.Phases) - 1
		for b.Phases[at].Kind != Solo {
			at--
		}
		b.Phases[at-1], b.Phases[at] = b.Phases[at], b.Phases[at-1]
	}
	if p.Study.Design.Name == Windows {
		shuffleWindows(b.Phases, r)
	}
	for j := range b.Phases {
		if b.Phases[j].Kind != Idle {
			b.Phases[j].Seed = r.Uint64() >> 11
		}
	}
	if p.Study.Design.Name == Windows {
		shareArrivals(b.Phases)
	}
	return b
}

// windowsOf are the first and the number of a block's latency phases.
func windowsOf(ps []Phase) []Phase {
	from := slices.IndexFunc(ps, func(ph Phase) bool { return ph.Kind == Latency })
	to := from
	for to < len(ps) && ps[to].Kind == Latency {
		to++
	}
	return ps[from:to]
}

// shuffleWindows puts the windows of a block into random order.
func shuffleWindows(ps []Phase, r *rand.Rand) {
	ws := windowsOf(ps)
	r.Shuffle(len(ws), func(i, j int) { ws[i], ws[j] = ws[j], ws[i] })
}

// shareArrivals gives every window the same arrivals: those that have the same
// rate get the same gaps.
func shareArrivals(ps []Phase) {
	ws := windowsOf(ps)
	for i := range ws {
		ws[i].Seed = ws[0].Seed
	}
}

// phases lists a block's phases without their seeds.
func (p *Plan) phases(control bool, controls int) []Phase {
	s, all := p.Study, p.all()
	k := float64(len(all))
	total := s.totalRate()
	warm := min(warmupRate, warmupTotal/k)
	if s.Load.Lowered != "" { // the host is slow for this study: to be warmed up, too
		warm = min(warm, 2*float64(s.Load.Rate))
	}
	ps := []Phase{
		{Kind: Warmup, Targets: all, Rate: warm * k, Each: s.Design.Warmup, Duration: seconds(float64(s.Design.Warmup) / warm)},
		{Kind: Idle, Duration: s.Design.Idle},
	}
	ps = append(ps, p.latencyPhases(all, total)...)
	if control {
		bases := p.controlBaselines() // of each plane in turn
		ps = append(ps,
			Phase{Kind: Solo, Targets: []int{bases[controls%len(bases)]}, Rate: total, Duration: s.Design.Solo},
			Phase{Kind: Solo, Heaviest: true, Rate: total, Duration: s.Design.Solo})
	}
	if s.Enforcement != nil {
		ps = append(ps, s.enforcePhase())
	}
	return ps
}

// latencyPhases are one that all treatments share, or in design windows one
// for each, alone.
func (p *Plan) latencyPhases(all []int, total float64) []Phase {
	s := &p.Study
	if s.Design.Name == Windows {
		var ps []Phase
		for _, i := range all {
			ps = append(ps, Phase{Kind: Latency, Targets: []int{i}, Rate: float64(s.RateOf(i)), Duration: s.Design.Latency})
		}
		return ps
	}
	shared := Phase{Kind: Latency, Targets: all, Rate: total, Duration: s.Design.Latency}
	if s.ratesDiffer() {
		for _, i := range all {
			shared.Weights = append(shared.Weights, float64(s.RateOf(i)))
		}
	}
	return []Phase{shared}
}

// Alone reports whether the phase asks one of so many treatments while the
// others are stopped.
func (ph Phase) Alone(treatments int) bool {
	switch ph.Kind {
	case Solo, Closed, Probe:
		return true
	case Latency:
		return len(ph.Targets) == 1 && treatments > 1
	}
	return false
}

func (s *Study) enforcePhase() Phase {
	e, targets := s.Enforcement, s.Enforced()
	each := s.OverUsers()*e.Requests + int(float64(s.Load.Rate)*e.Duration.Seconds())
	return Phase{Kind: Enforce, Targets: targets, Each: each, Duration: e.Duration,
		Rate: float64(each*len(targets)) / e.Duration.Seconds()}
}

// all are the treatments that stand.
func (p *Plan) all() []int { return p.Study.standing() }

// controlBaselines are the treatments that stand for the baseline in the
// interference control, one for each data plane: those of the A/A copies, else
// the first root and its copies.
func (p *Plan) controlBaselines() []int {
	s := &p.Study
	var bases []int
	for _, t := range s.Treatments {
		if t.Control == AA {
			bases = append(bases, s.Index(t.Baseline))
		}
	}
	if len(bases) > 0 {
		return bases
	}
	for i := range s.Treatments {
		if s.Written(i) == s.Written(0) {
			bases = append(bases, i)
		}
	}
	return bases
}

// Arms are the treatments that stand in the block of that index.
func (p *Plan) Arms(block int) []int {
	if block < len(p.Blocks) && len(p.Blocks[block].Arms) > 0 {
		return p.Blocks[block].Arms
	}
	return p.all()
}

// Baseline is the treatment whose figures stand for a whole block: the pair's
// baseline, that of an A/A copy, or the first root.
func (p *Plan) Baseline(block int) int {
	if block < len(p.Blocks) && len(p.Blocks[block].Arms) > 0 {
		return p.Blocks[block].Arms[0]
	}
	return p.controlBaselines()[0]
}

// Enforced lists the treatments that carry the study's function.
func (p *Plan) Enforced() []int { return p.Study.Enforced() }

// OverUsers is how many users go over their limit in the enforcement phase.
func (p *Plan) OverUsers() int { return p.Study.OverUsers() }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
