package experiment

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Outlook is what a plan can be expected to show, given the spread of blocks
// that have been: a pilot's, or those of an earlier result.
type Outlook struct {
	From   string `json:"from"`   // where the blocks come from
	Blocks int    `json:"blocks"` // that count
	// Slower is how long its blocks took in relation to what was planned.
	Slower float64 `json:"slower"`
	// Busy is the share of all cores that the load of the latency phase needs;
	// above 1 the host cannot serve it.
	Busy      float64    `json:"busy"`
	Prospects []Prospect `json:"prospects"` // the primary comparisons and effects
	Gates     []Prospect `json:"gates"`     // the A/A copies
	// Length says whether another latency phase would give the answer sooner;
	// nil where the blocks cannot tell.
	Length *Length `json:"length,omitempty"`
	// Refused are the reasons for which the plan cannot answer its question.
	Refused []string `json:"refused,omitempty"`
}

// Prospect is what one comparison can be expected to show, in the endpoint's unit.
type Prospect struct {
	Name     string   `json:"name"`
	Endpoint Endpoint `json:"endpoint"`
	Unit     string   `json:"unit"`
	// SD is that of the block differences, within SDLow and SDHigh at 90 %.
	SD     float64 `json:"sd"`
	SDLow  float64 `json:"sd_low"`
	SDHigh float64 `json:"sd_high"`
	Blocks int     `json:"blocks"` // planned
	// HalfWidth is that of its interval after all planned blocks, Detectable the
	// difference that it then shows four times in five; nil with fewer than 2 blocks.
	HalfWidth  *float64 `json:"half_width,omitempty"`
	Detectable *float64 `json:"minimum_detectable,omitempty"`
	Margin     float64  `json:"margin"`
	Stated     bool     `json:"stated"` // the margin, by the study
	// Target is the half-width that Needed, the number of blocks, gives: what
	// was asked for, else half the margin, at which a run stops. Time is about
	// how long these take, TimeLow and TimeHigh by the bounds of SD; 0: out of reach.
	Target   float64       `json:"target"`
	Needed   int           `json:"needed"`
	Time     time.Duration `json:"time"`
	TimeLow  time.Duration `json:"time_low"`
	TimeHigh time.Duration `json:"time_high"`

	family int // comparisons that hold together
	level  float64
}

// spreadLevel is that of what is said of a standard deviation.
const spreadLevel = 0.90

// seen are the blocks that an outlook is made from.
type seen struct {
	plan   *study.Plan // that they were carried out by
	blocks []Block
	an     *Analysis
}

// NewOutlook holds a plan against blocks of the same treatments: those of was,
// a pilot of it or an earlier plan, carried out on so many cores. Precision is
// the half-width that is asked for of times; zero: half of each margin.
func NewOutlook(p *study.Plan, from string, was *study.Plan, blocks []Block, cores int, precision time.Duration) (*Outlook, error) {
	if err := sameTreatments(&p.Study, &was.Study); err != nil {
		return nil, err
	}
	an, err := Analyse(was, blocks)
	if err != nil {
		return nil, err
	}
	if an.Blocks < 2 {
		return nil, fmt.Errorf("%s: %d block that counts tells nothing of how blocks differ: want at least 2", from, an.Blocks)
	}
	at := seen{was, blocks, an}
	o := &Outlook{From: from, Blocks: an.Blocks, Slower: at.slower(), Busy: at.busy(cores)}
	o.Prospects = at.primaries(p)
	o.Gates = at.gates(p)
	for _, list := range [][]Prospect{o.Prospects, o.Gates} {
		for k := range list {
			list[k].fill(p, o.Slower, precision)
		}
	}
	o.Length = at.length(p, o)
	o.refuse(p)
	return o, nil
}

// sameTreatments: spreads are taken over by the names of treatments.
func sameTreatments(a, b *study.Study) error {
	names := func(s *study.Study) []string {
		var out []string
		for i, t := range s.Treatments {
			if s.Stands(i) {
				out = append(out, t.Name)
			}
		}
		return out
	}
	if x, y := names(a), names(b); a.Workload.Name != b.Workload.Name || a.Design.Name != b.Design.Name || !slices.Equal(x, y) {
		return fmt.Errorf("the result is of design %s on workload %s with treatments %v, the study of %s on %s with %v: take one of this study, or --pilot",
			b.Design.Name, b.Workload.Name, y, a.Design.Name, a.Workload.Name, x)
	}
	return nil
}

// slower compares the time that blocks took with what they were planned to.
func (at seen) slower() float64 {
	var took, planned time.Duration
	good := countingOf(at.blocks)
	for _, b := range good {
		took += b.Took
	}
	planned = at.plan.Expected * time.Duration(len(good)) / time.Duration(len(at.plan.Blocks))
	if took == 0 || planned == 0 {
		return 1
	}
	return took.Seconds() / planned.Seconds()
}

// busy is the median over blocks of the share of all cores that the latency
// phase's load needs: what was offered in a second may be served in the next.
func (at seen) busy(cores int) float64 {
	var shares []float64
	for _, b := range countingOf(at.blocks) {
		most := 0.0
		for _, k := range b.latencies() {
			var sum time.Duration
			for _, part := range b.Phases[k].Parts {
				sum += part.CPU
			}
			most = max(most, sum.Seconds()/b.Phases[k].Phase.Duration.Seconds()/float64(cores))
		}
		shares = append(shares, most)
	}
	return median(shares)
}

// primaries are the comparisons and effects that share a level.
func (at seen) primaries(p *study.Plan) []Prospect {
	var ps []Prospect
	st := &p.Study
	cells := max(len(st.Cells()), 1)
	level := 1 - (1-p.Rule.Level)/float64(cells)
	family := map[int]int{} // of a cell of design pairs, by treatment; else all
	key := func(treatment int) int {
		if st.Design.Name == study.DesignPairs {
			return treatment
		}
		return -1
	}
	for _, c := range at.an.Comparisons {
		if c.Primary {
			family[key(c.Treatment)]++
		}
	}
	for _, c := range at.an.Comparisons {
		if !c.Primary {
			continue
		}
		name := fmt.Sprintf("%s − %s", at.an.Treatments[c.Treatment].Name, at.an.Treatments[c.Baseline].Name)
		one := newProspect(p, name, c.Endpoint, c.SD, len(c.PerBlock), c.Margin)
		one.Blocks, one.family, one.level = p.Between(c.Baseline, c.Treatment), family[key(c.Treatment)], level
		ps = append(ps, one)
	}
	effects := 0
	for _, e := range at.an.Effects {
		if e.Primary {
			effects++
		}
	}
	for _, e := range at.an.Effects {
		if !e.Primary {
			continue
		}
		one := newProspect(p, EffectName(st.Factors, e.Factors)+levelsOf(e), e.Endpoint, e.SD, len(e.PerBlock), e.Margin)
		one.Blocks, one.family, one.level = len(p.Blocks), effects, p.Rule.Level
		ps = append(ps, one)
	}
	return ps
}

// levelsOf says between which levels an effect is.
func levelsOf(e Effect) string {
	text := ""
	for k := range e.From {
		text += fmt.Sprintf(" %s→%s", e.From[k], e.To[k])
	}
	return text
}

// gates are the A/A copies, each on its own.
func (at seen) gates(p *study.Plan) []Prospect {
	var ps []Prospect
	for _, g := range at.an.Gates {
		for _, e := range gated() {
			a, b := at.an.Treatments[g.Baseline].PerBlock[e], at.an.Treatments[g.Copy].PerBlock[e]
			if len(a) != len(b) || len(a) < 2 { // in design pairs they stand together in some blocks only
				continue
			}
			d, err := stat.Differences(a, b)
			if err != nil {
				continue
			}
			name := "A/A of " + at.an.Treatments[g.Baseline].Name
			one := newProspect(p, name, e, spreadOf(d), len(d), e.margin(p.Study.Margin, median(a)))
			one.Blocks, one.family, one.level = p.Between(g.Baseline, g.Copy), 1, 0.95
			ps = append(ps, one)
		}
	}
	return ps
}

func spreadOf(d []float64) float64 {
	m, sum := mean(d), 0.0
	for _, x := range d {
		sum += (x - m) * (x - m)
	}
	return math.Sqrt(sum / float64(max(len(d)-1, 1)))
}

func newProspect(p *study.Plan, name string, e Endpoint, sd float64, blocks int, margin float64) Prospect {
	s := stat.Spread(sd, blocks, spreadLevel)
	return Prospect{Name: name, Endpoint: e, Unit: e.Unit(), SD: sd, SDLow: s.Low, SDHigh: s.High, Margin: margin, Stated: p.Study.Stated(e.marginName())}
}

// marginName is the field of the margins that the endpoint is judged by.
func (e Endpoint) marginName() string {
	switch e {
	case Throughput, KneeRate:
		return "rate"
	case P90:
		return string(P50)
	}
	return string(e)
}

// fill computes what follows from the spread.
func (x *Prospect) fill(p *study.Plan, slower float64, precision time.Duration) {
	if x.Blocks >= 2 {
		half := stat.HalfWidth(x.SD, x.Blocks, x.family, x.level)
		least := stat.MinimumDetectable(x.SD, x.Blocks, 1-(1-x.level)/float64(x.family))
		x.HalfWidth, x.Detectable = &half, &least
	}
	x.Target = x.Margin / 2
	if precision > 0 && x.Endpoint.Unit() == P50.Unit() {
		x.Target = micros(precision)
	}
	each := slower * p.Expected.Seconds() / float64(max(x.Blocks, 1))
	length := func(sd float64) time.Duration {
		n := stat.BlocksFor(sd, x.Target, x.family, x.level)
		return time.Duration(float64(n) * each * float64(time.Second))
	}
	x.Needed = stat.BlocksFor(x.SD, x.Target, x.family, x.level)
	x.Time, x.TimeLow, x.TimeHigh = length(x.SD), length(x.SDLow), length(x.SDHigh)
}

// refuse lists why the plan cannot answer its question. What is a screening
// promises nothing, so nothing of it is refused but a load that the host cannot serve.
func (o *Outlook) refuse(p *study.Plan) {
	if rate := p.Study.Load.Rate; o.Busy > BusyLimit && !p.Study.Load.DefaultRate {
		o.Refused = append(o.Refused, fmt.Sprintf("the load is saturated: it keeps the host %.0f %% busy, more than %.0f %%, so that queues would be part of every latency; %s", 100*o.Busy, 100*BusyLimit, fits(&p.Study, rate, o.Busy)))
	}
	if p.Screening {
		return
	}
	for _, list := range [][]Prospect{o.Prospects, o.Gates} {
		for _, x := range list {
			// Even the least spread that the blocks allow for is too wide.
			half := stat.HalfWidth(x.SDLow, x.Blocks, x.family, x.level)
			if !x.Stated || half <= x.Margin {
				continue
			}
			what := "the interval"
			if x.level == 0.95 && x.family == 1 {
				what = "the interval of the gate"
			}
			o.Refused = append(o.Refused, fmt.Sprintf("the margin of %s by %s, ± %.3g %s, is out of reach: %s would be ± %.3g or more after %d blocks; %s",
				x.Name, x.Endpoint, x.Margin, x.Unit, what, half, x.Blocks, x.remedy(p, o.Slower)))
		}
	}
}

// remedy says what would bring a margin within reach.
func (x Prospect) remedy(p *study.Plan, slower float64) string {
	wider := fmt.Sprintf("state a margin of %.2g %s or more", 1.5*stat.HalfWidth(x.SD, x.Blocks, x.family, x.level), x.Unit)
	n := stat.BlocksFor(x.SD, x.Margin, x.family, x.level)
	if n == 0 {
		return wider
	}
	each := slower * p.Expected.Seconds() / float64(max(x.Blocks, 1))
	longer := time.Duration(float64(n) * each * float64(time.Second))
	if longer > study.MaxTime {
		return wider
	}
	return fmt.Sprintf("give it --time %s or more, or %s", rounded(longer), wider)
}

// rounded is a time as it may be asked for: whole minutes, or seconds.
func rounded(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%ds", int(math.Ceil(d.Seconds())))
	}
	return fmt.Sprintf("%dm", int(math.Ceil(d.Minutes())))
}

// fits names the rate that would keep the host at the limit.
func fits(s *study.Study, rate study.Rate, busy float64) string {
	share := BusyLimit / busy
	if slices.ContainsFunc(s.Treatments, func(t study.Treatment) bool { _, set := t.Set.Level("rate"); return set }) {
		return fmt.Sprintf("it fits at %.0f %% of these rates", math.Floor(100*share))
	}
	return fmt.Sprintf("%v for each treatment would fit, or fewer treatments", study.Rate(max(1, roundDown(share*float64(rate)))))
}

// roundDown keeps two digits.
func roundDown(x float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Floor(x/step) * step
}
