package study

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Cell is one question of a pairs study: the pair at one level on one plane.
type Cell struct {
	Level     Level
	DataPlane string // empty: without a proxy
	// Indices of the two treatments and of the A/A copy of the baseline.
	Baseline, Treatment, Copy int
}

// groupBlocks is how many blocks of a cell make a group: one of them is an A/A
// block, another one has the solo windows (method.md §2).
const groupBlocks = 4

// p50Requests is what one treatment needs in one block for a p50 (method.md §3).
const p50Requests = 200

// defaultClosed is the length of one of the four windows of a closed loop.
const defaultClosed = 500 * time.Millisecond

// setPairs gives a pairs study its defaults. Its load's rate is that at which
// latency is measured beside the closed loop.
func (s *Study) setPairs() {
	d := &s.Design
	if d.Stop == "" {
		d.Stop = StopFixed
	}
	if d.Closed == 0 {
		d.Closed = defaultClosed
	}
	if s.Load.Rate == 0 {
		for _, l := range d.Levels {
			s.Load.Rate = max(s.Load.Rate, l.Rate)
		}
		s.Load.Rate = cmp.Or(s.Load.Rate, defaultRate) // closed loops alone
	}
	s.Margin.setRate()
}

// checkPairs holds the fields of the pairs design.
func (s *Study) checkPairs() error {
	d := s.Design
	switch {
	case d.Stop != StopFixed:
		return s.Errorf("$.design.stop", "design %s ends after its time or its blocks: write stop: %s, or nothing", DesignPairs, StopFixed)
	case s.Enforcement != nil:
		return s.Errorf("$.enforcement", "design %s measures overhead only: enforcement stands in an %s study", DesignPairs, Interleaved)
	case d.Closed < 100*time.Millisecond || d.Closed > time.Minute:
		return s.Errorf("$.design.closed", "%v is not between 100ms and 1m", d.Closed)
	case d.Blocks > 0 && d.Blocks*len(d.Levels)*len(s.DataPlane) > 10_000:
		return s.Errorf("$.design.blocks", "%d blocks of each of %d cells: want at most 10000 in all", d.Blocks, len(d.Levels)*len(s.DataPlane))
	case s.Margin.Rate.Least != 0:
		return s.Errorf("$.margin.rate", "a margin of requests/s is a share, such as 2%%")
	}
	if err := s.checkLevels(); err != nil {
		return err
	}
	return s.checkPair()
}

func (s *Study) checkLevels() error {
	ls := s.Design.Levels
	if len(ls) == 0 {
		return s.Errorf("$.design", "design %s needs levels: [100/s, %s], rates for each treatment", DesignPairs, ClosedLevel)
	}
	for i, l := range ls {
		switch {
		case slices.Contains(ls[:i], l):
			return s.Errorf("$.design.levels", "level %v is listed twice", l)
		case !l.Closed && !(l.Rate >= 1 && l.Rate <= maxRate):
			return s.Errorf("$.design.levels", "level %v: want 1/s to %d/s for each treatment", l, maxRate)
		}
	}
	if need := s.LeastLatency(); s.Design.Latency < need {
		return s.Errorf("$.design.latency", "a latency phase of %v is too short for a p50 at the lowest rate: want at least %v", s.Design.Latency, need)
	}
	return nil
}

// LeastLatency is how long the latency phases must be for a p50 at the lowest
// rate: for five standard deviations more than the requests that it needs.
func (s *Study) LeastLatency() time.Duration {
	low := s.Load.Rate
	for _, l := range s.Design.Levels {
		if !l.Closed {
			low = min(low, l.Rate)
		}
	}
	for i := range s.Treatments {
		low = min(low, s.RateOf(i))
	}
	root := (5 + math.Sqrt(25+4*p50Requests)) / 2
	return seconds(root * root / float64(low)).Round(10 * time.Millisecond)
}

// checkPair: two treatments, an A/A copy of the first, and the steps that the
// two are built on; nothing else would ever stand.
func (s *Study) checkPair() error {
	pair := s.Design.Pair
	if len(pair) != 2 || pair[0] == pair[1] {
		return s.Errorf("$.design", "design %s needs pair: [BASELINE, TREATMENT], two treatments", DesignPairs)
	}
	if s.expanded() {
		return nil // as it was written it has been checked
	}
	on := map[int]bool{}
	for _, name := range pair {
		i := s.Index(name)
		if i < 0 || s.Treatments[i].Control == AA {
			return s.Errorf("$.design.pair", "%q is no treatment that could be one of a pair", name)
		}
		for _, j := range s.Ladder(i) {
			on[j] = true
		}
	}
	copied := false
	for i, t := range s.Treatments {
		switch {
		case t.Control == AA && t.Baseline == pair[0]:
			copied = true
		case !on[i]:
			return s.Errorf(s.At(i, "name"), "treatment %q is neither of the pair nor a step of its ladder: it would never stand", t.Name)
		case len(t.Against) > 0:
			return s.Errorf(s.At(i, "against"), "in design %s one comparison is made, that of the pair", DesignPairs)
		}
	}
	if !copied {
		return s.Errorf("$.treatments", "design %s needs an A/A copy of %q: add {name: %s-aa, control: aa, baseline: %s}", DesignPairs, pair[0], pair[0], pair[0])
	}
	return nil
}

// expandLevels copies the pair and the A/A copy for each level. What they are
// built on stays as a step of their ladders and never stands itself.
func (s *Study) expandLevels() error {
	if slices.ContainsFunc(s.Treatments, func(t Treatment) bool { return !t.Level.IsZero() }) {
		return nil
	}
	given := *s
	s.Treatments = nil
	for i, t := range given.Treatments {
		if t.written == 0 {
			t.written = i + 1
		}
		if !given.arm(i) {
			s.Treatments = append(s.Treatments, t)
			continue
		}
		of := given.Written(i)
		for _, l := range s.Design.Levels {
			c := t
			c.Name, c.Of, c.Level = t.Name+l.suffix(), of, l
			if given.arm(given.Index(t.Baseline)) {
				c.Baseline = t.Baseline + l.suffix()
			}
			s.Treatments = append(s.Treatments, c)
		}
	}
	for _, c := range s.Cells() {
		t, base := &s.Treatments[c.Treatment], s.Treatments[c.Baseline].Name
		if t.Baseline != base {
			t.Against = append(t.Against, base)
		}
	}
	return nil
}

// arm reports whether treatment i is one of the pair or its A/A copy.
func (s *Study) arm(i int) bool {
	return i >= 0 && (slices.Contains(s.Design.Pair, s.Written(i)) || s.Treatments[i].Control == AA)
}

// Stands reports whether treatment i is ever brought up: in design pairs what
// the pair is built on is not, nor in a design over factors what its cells are.
func (s *Study) Stands(i int) bool {
	t := s.Treatments[i]
	switch {
	case s.Design.Name == DesignPairs:
		return !t.Level.IsZero()
	case s.Design.Name == Knee:
		return slices.Contains(s.Probed(), i)
	case s.OverFactors() && s.expanded():
		return t.Cell != nil || t.Control == AA
	}
	return true
}

// Cells lists the cells of an expanded pairs study; none of another design.
func (s *Study) Cells() []Cell {
	if s.Design.Name != DesignPairs {
		return nil
	}
	var cells []Cell
	for _, l := range s.Design.Levels {
		for i, t := range s.Treatments {
			if t.Level != l || s.Written(i) != s.Design.Pair[1] {
				continue
			}
			c := Cell{Level: l, DataPlane: s.PlaneOf(i), Treatment: i, Baseline: -1, Copy: -1}
			for j, b := range s.Treatments {
				switch plane := s.PlaneOf(j); {
				case b.Level != l || plane != "" && c.DataPlane != "" && plane != c.DataPlane:
				case b.Control == AA:
					c.Copy = j
				case s.Written(j) == s.Design.Pair[0]:
					c.Baseline = j
				}
			}
			cells = append(cells, c)
		}
	}
	return cells
}

// quickenPairs: a group of each cell, three pairs and an A/A block.
func (s *Study) quickenPairs() {
	s.Design.Blocks = groupBlocks
	s.Design.Latency = max(s.Design.Latency, s.LeastLatency())
}

// What a block of a cell is.
type blockKind int

const (
	pairBlock  blockKind = iota // the pair
	controlled                  // the pair, and each of it alone in a window
	identical                   // the baseline twice
)

// addPairs plans rounds: a block of each cell, in random order.
func (p *Plan) addPairs() error {
	d, cells := p.Study.Design, p.Study.Cells()
	r := rand.New(rand.NewPCG(p.Seed, 0))
	kinds := make([][]blockKind, len(cells))
	for round := 0; d.Blocks == 0 || round < d.Blocks; round++ {
		if round%groupBlocks == 0 {
			for c := range kinds {
				kinds[c] = groupOf(d, r)
			}
		}
		took := time.Duration(0)
		for c, cell := range cells {
			took += p.pairTime(cell, kinds[c][round%groupBlocks])
		}
		if d.Blocks == 0 && p.Expected+took > d.Time {
			break
		}
		p.Expected += took
		for _, c := range r.Perm(len(cells)) {
			p.Blocks = append(p.Blocks, p.pairBlock(cells[c], kinds[c][round%groupBlocks], r))
		}
	}
	if len(p.Blocks) == 0 {
		return p.tooShort(p.pairTime(cells[0], pairBlock) * time.Duration(len(cells)))
	}
	return nil
}

// groupOf is the order of the next group of a cell's blocks.
func groupOf(d Design, r *rand.Rand) []blockKind {
	kinds := []blockKind{pairBlock, pairBlock, controlled, identical}
	if d.ControlEvery < 0 {
		kinds[2] = pairBlock
	}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds
}

func (p *Plan) pairTime(c Cell, k blockKind) time.Duration {
	return standTime(2, p.pairPhases(c, k, false))
}

func (p *Plan) pairBlock(c Cell, k blockKind, r *rand.Rand) Block {
	b := Block{Index: len(p.Blocks), Seed: r.Uint64() >> 11, Arms: c.arms(k)}
	b.Start = slices.Clone(b.Arms)
	r.Shuffle(2, func(i, j int) { b.Start[i], b.Start[j] = b.Start[j], b.Start[i] })
	b.Phases = p.pairPhases(c, k, r.IntN(2) == 1)
	for j := range b.Phases {
		if b.Phases[j].Kind != Idle {
			b.Phases[j].Seed = r.Uint64() >> 11
		}
	}
	return b
}

// arms are the treatments of a block, the baseline first.
func (c Cell) arms(k blockKind) []int {
	if k == identical {
		return []int{c.Baseline, c.Copy}
	}
	return []int{c.Baseline, c.Treatment}
}

// pairPhases lists a block's phases without their seeds. The windows of a
// closed loop come last, since nobody knows beforehand what they will send.
func (p *Plan) pairPhases(c Cell, k blockKind, swap bool) []Phase {
	s, arms := p.Study, c.arms(k)
	rate := float64(c.Level.Rate)
	if c.Level.Closed {
		rate = float64(s.Load.Rate)
	}
	ps := []Phase{
		{Kind: Warmup, Targets: arms, Rate: 2 * warmupRate, Each: s.Design.Warmup, Duration: seconds(float64(s.Design.Warmup) / warmupRate)},
		{Kind: Idle, Duration: s.Design.Idle},
		{Kind: Latency, Targets: arms, Rate: 2 * rate, Duration: s.Design.Latency},
	}
	a, b := arms[0], arms[1]
	if swap {
		a, b = b, a
	}
	if k == controlled {
		for _, i := range []int{a, b} {
			ps = append(ps, Phase{Kind: Solo, Targets: []int{i}, Heaviest: i == arms[1], Rate: 2 * rate, Duration: s.Design.Solo})
		}
	}
	if c.Level.Closed {
		for _, i := range []int{a, b, b, a} {
			ps = append(ps, Phase{Kind: Closed, Targets: []int{i}, Duration: s.Design.Closed})
		}
	}
	return ps
}
