package study

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Lead is the share of a probe at its beginning that is not judged: a queue
// that starts empty is shorter than the rate makes it.
const Lead = 0.2

// The least and the greatest length of the judged part of a probe, where the
// objective needs neither more nor less.
const (
	leastProbe    = time.Second
	greatestProbe = time.Hour
)

// kneeTime is the default time of a knee study.
const kneeTime = 5 * time.Minute

// Probes of each treatment in a block: at most, at least, and where the blocks
// are counted or many; and the blocks that decide how many.
const (
	mostProbes    = 8
	leastProbes   = 2 // fewer have no knee between them
	countedProbes = 4
	manyBlocks    = 2 * MinBlocks
	enoughBlocks  = MinBlocks + 2 // two of them may go by until a knee is bracketed
)

// setKnee gives a knee study its defaults. Its load's rate is that of the
// first probe.
func (s *Study) setKnee() {
	d := &s.Design
	d.Time = cmp.Or(d.Time, kneeTime)
	s.Load.Rate, s.Load.DefaultRate = cmp.Or(s.Load.Rate, defaultRate), false // it is only where the search begins
	if s.Margin.Rate.IsZero() {
		s.Margin.Rate = Margin{Relative: 0.05}
	}
}

// checkKnee holds the fields of the knee design.
func (s *Study) checkKnee() error {
	d := s.Design
	switch {
	case len(d.Objective) == 0:
		return s.Errorf("$.design", `design %s needs an objective: "p99<5ms,errors<0.1%%", what a rate must keep`, Knee)
	case s.Load.Arrivals != Poisson:
		return s.Errorf("$.load.arrivals", "design %s offers Poisson arrivals only: the knee of %s arrivals is another one", Knee, s.Load.Arrivals)
	case s.Enforcement != nil:
		return s.Errorf("$.enforcement", "design %s measures capacity only: enforcement stands in an %s study", Knee, Interleaved)
	case d.Blocks == 1:
		return s.Errorf("$.design.blocks", "an interval over blocks needs at least 2 of them")
	case s.Margin.Rate.Least != 0:
		return s.Errorf("$.margin.rate", "a margin of requests/s is a share, such as 5%%")
	}
	if err := s.checkProbed(); err != nil {
		return err
	}
	return s.checkProbe()
}

func (s *Study) checkProbed() error {
	names := s.Design.Treatments
	for k, name := range names {
		if slices.Contains(names[:k], name) {
			return s.Errorf("$.design.treatments", "treatment %q is listed twice", name)
		}
		if !slices.ContainsFunc(s.Treatments, func(t Treatment) bool { return t.Name == name || t.Of == name }) {
			return s.Errorf("$.design.treatments", "no treatment is named %q (known: %s)", name, s.names())
		}
	}
	return nil
}

// names are those of all treatments as written.
func (s *Study) names() string {
	var names []string
	for i := range s.Treatments {
		if w := s.Written(i); !slices.Contains(names, w) {
			names = append(names, w)
		}
	}
	return strings.Join(names, ", ")
}

// checkProbe: a probe that its objective needs too many requests for could
// decide nothing.
func (s *Study) checkProbe() error {
	d, rate := s.Design, float64(s.Load.Rate)
	least := s.objectiveTime(rate)
	switch {
	case least > greatestProbe:
		return s.Errorf("$.design.objective", "a probe of %d requests takes %v at %v: begin at a greater load.rate, or ask for a lower quantile", d.Objective.Requests(), least.Round(time.Second), s.Load.Rate)
	case d.Probe == 0:
		return nil
	case d.Probe < 100*time.Millisecond || d.Probe > greatestProbe:
		return s.Errorf("$.design.probe", "%v is not between 100ms and %v", d.Probe, greatestProbe)
	case d.Probe < least:
		return s.Errorf("$.design.probe", "a probe of %v is too short for %v: that needs %d requests after the lead, at %v at least %v", d.Probe, d.Objective, d.Objective.Requests(), s.Load.Rate, least)
	}
	return nil
}

// objectiveTime is what the objective's requests take at a rate, with five
// standard deviations more and the lead.
func (s *Study) objectiveTime(rate float64) time.Duration {
	root := (5 + math.Sqrt(25+4*float64(s.Design.Objective.Requests()))) / 2
	need := root * root / rate / (1 - Lead)
	if need > 2*greatestProbe.Seconds() {
		return 2 * greatestProbe // a greater number is no time
	}
	return seconds(math.Ceil(need*100) / 100)
}

// ProbeTime is how long a probe at a rate takes: as long as the design says,
// and never too short for the objective.
func (s *Study) ProbeTime(rate float64) time.Duration {
	return max(s.shortestProbe(), s.objectiveTime(rate))
}

func (s *Study) shortestProbe() time.Duration {
	return cmp.Or(s.Design.Probe, seconds(leastProbe.Seconds()/(1-Lead)))
}

// Probed lists the treatments whose knee is asked for: those that the design
// names, else all; none of another design.
func (s *Study) Probed() []int {
	if s.Design.Name != Knee {
		return nil
	}
	var is []int
	for i, t := range s.Treatments {
		named := slices.Contains(s.Design.Treatments, t.Name) || slices.Contains(s.Design.Treatments, s.Written(i))
		if len(s.Design.Treatments) == 0 || named {
			is = append(is, i)
		}
	}
	return is
}

// KneeBaseline is what the knee of treatment i is compared with: the nearest
// treatment below it on its ladder that is probed too, else the first one that
// is; −1: it is that one.
func (s *Study) KneeBaseline(i int) int {
	probed := s.Probed()
	steps := s.Ladder(i)
	for k := len(steps) - 2; k >= 0; k-- {
		if slices.Contains(probed, steps[k]) {
			return steps[k]
		}
	}
	if len(probed) == 0 || probed[0] == i {
		return -1
	}
	return probed[0]
}

// MaxProbeRate is the greatest rate that is probed, in requests/s.
const MaxProbeRate = maxRate

// addKnee plans blocks of probes whose rates are chosen when they begin. How
// long these will take is not known before: so many blocks are planned as there
// would be if each were as short as it may be, and a run ends with its time.
func (p *Plan) addKnee() error {
	s, d := &p.Study, p.Study.Design
	arms := s.Probed()
	first := s.ProbeTime(float64(s.Load.Rate))
	each := p.probesEach(arms, first)
	if need := 2 * p.probeBlock(arms, each, first); d.Blocks == 0 && need > d.Time {
		return s.Errorf("$.design.time", "two blocks of probes of %v each, the least for an interval, take %v at %v, and the time is %v; give it more (--time), fewer treatments, a greater load.rate to begin at, or an objective that needs fewer than %d requests",
			first, need.Round(100*time.Millisecond), s.Load.Rate, d.Time, d.Objective.Requests())
	}
	took := p.probeBlock(arms, each, s.shortestProbe())
	if d.Blocks > 0 {
		took = p.probeBlock(arms, each, first)
	}
	r := rand.New(rand.NewPCG(p.Seed, 0))
	for i := 0; d.Blocks == 0 && p.Expected+took <= d.Time || i < d.Blocks; i++ {
		p.Expected += took
		p.Blocks = append(p.Blocks, p.kneeBlock(i, arms, each, first, r))
	}
	return nil
}

// probesEach is how many probes of each treatment a block has: as many as leave
// time for many blocks.
func (p *Plan) probesEach(arms []int, length time.Duration) int {
	if p.Study.Design.Blocks > 0 {
		return countedProbes
	}
	for _, want := range []struct{ blocks, least int }{{manyBlocks, countedProbes}, {enoughBlocks, leastProbes}} {
		for each := mostProbes; each >= want.least; each-- {
			if time.Duration(want.blocks)*p.probeBlock(arms, each, length) <= p.Study.Design.Time {
				return each
			}
		}
	}
	return leastProbes
}

// probeBlock is about what a block of probes of one length takes.
func (p *Plan) probeBlock(arms []int, each int, length time.Duration) time.Duration {
	return standTime(len(arms), p.kneePhases(arms, each, length))
}

func (p *Plan) kneeBlock(i int, arms []int, each int, length time.Duration, r *rand.Rand) Block {
	b := Block{Index: i, Seed: r.Uint64() >> 11, Arms: slices.Clone(arms), Start: slices.Clone(arms), Phases: p.kneePhases(arms, each, length)}
	r.Shuffle(len(b.Start), func(i, j int) { b.Start[i], b.Start[j] = b.Start[j], b.Start[i] })
	probes := b.Phases[len(b.Phases)-each*len(arms):]
	r.Shuffle(len(probes), func(i, j int) { probes[i], probes[j] = probes[j], probes[i] })
	for j := range b.Phases {
		if b.Phases[j].Kind != Idle {
			b.Phases[j].Seed = r.Uint64() >> 11
		}
	}
	return b
}

// kneePhases lists a block's phases without their seeds and not yet in random
// order. The rate of a probe is chosen when it begins, and with it its length.
func (p *Plan) kneePhases(arms []int, each int, length time.Duration) []Phase {
	s, k := &p.Study, float64(len(arms))
	warm := min(warmupRate, warmupTotal/k, float64(s.Load.Rate)) // as much as all of them together can be trusted with
	ps := []Phase{
		{Kind: Warmup, Targets: arms, Rate: warm * k, Each: s.Design.Warmup, Duration: seconds(float64(s.Design.Warmup) / warm)},
		{Kind: Idle, Duration: s.Design.Idle},
	}
	for range each {
		for _, i := range arms {
			ps = append(ps, Phase{Kind: Probe, Targets: []int{i}, Duration: length})
		}
	}
	return ps
}

// AsKnee makes of any study one that asks for the knees of its treatments, and
// says what of it was left out. Without an objective or treatments those of a
// study of design knee stay.
func (s *Study) AsKnee(o Objective, treatments []string) (notes []string, err error) {
	if len(s.Factors) > 0 {
		return nil, s.Errorf("$.factors", "a study of factors has no treatments of its own to ask the knee of: write each combination as a treatment with set: {…}")
	}
	left := func(what string) { notes = append(notes, what+" of the study is left out: it has no part in a knee") }
	if s.Enforcement != nil {
		s.Enforcement = nil
		left("enforcement")
	}
	if s.Reference != nil {
		s.Reference = nil
		left("reference")
	}
	d := s.Design
	if d.Name != Knee {
		if d.Name != Interleaved {
			left(fmt.Sprintf("design %s", d.Name))
		}
		s.Margin.Rate = Margin{}
		s.Design = Design{Name: Knee, Warmup: d.Warmup, Idle: d.Idle}
	}
	if o != nil {
		s.Design.Objective = o
	}
	if treatments != nil {
		s.Design.Treatments = treatments
	}
	return notes, s.Validate()
}
