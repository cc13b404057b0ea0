package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// designFacts is what is known of a design before any data.
type designFacts struct {
	Cells int `json:"cells,omitempty"` // of a design over factors, without the A/A copy
	// Resolution and Aliases are those of a fraction.
	Resolution int     `json:"resolution,omitempty"`
	Aliases    []alias `json:"aliases,omitempty"`
	Looks      []int   `json:"looks,omitempty"` // blocks after which the run looks whether it may stop
	// Primary is how many comparisons hold together; DetectableSD the least
	// difference that is seen four times in five, in standard deviations of the
	// block differences; absent with fewer than 2 blocks.
	Primary      int      `json:"primary"`
	DetectableSD *float64 `json:"minimum_detectable_sd,omitempty"`
}

// alias is an effect with those that cannot be told from it.
type alias struct {
	Effect  string   `json:"effect"`
	Aliases []string `json:"aliases"`
}

func designOf(p *study.Plan) designFacts {
	s := &p.Study
	d := designFacts{Cells: len(s.Combinations()), Resolution: s.Resolution(), Looks: p.Looks(), Primary: experiment.Primaries(p)}
	if d.Resolution > 0 {
		for k := range s.Factors {
			d.Aliases = append(d.Aliases, aliasOf(s, k))
		}
		for k := range s.Factors {
			for l := k + 1; l < len(s.Factors); l++ {
				d.Aliases = append(d.Aliases, aliasOf(s, k, l))
			}
		}
	}
	if n := blocksEach(p); n >= 2 && d.Primary > 0 {
		least := stat.MinimumDetectable(1, n, 1-(1-p.Rule.Level)/float64(d.Primary*max(len(s.Cells()), 1)))
		d.DetectableSD = &least
	}
	return d
}

func aliasOf(s *study.Study, factors ...int) alias {
	a := alias{Effect: experiment.EffectName(s.Factors, factors)}
	for _, other := range s.Aliases(factors) {
		a.Aliases = append(a.Aliases, experiment.EffectName(s.Factors, other))
	}
	return a
}

// blocksEach is how many blocks a comparison has: all, in design pairs those of
// the cell that has least.
func blocksEach(p *study.Plan) int {
	n := len(p.Blocks)
	for _, c := range p.Study.Cells() {
		n = min(n, p.Between(c.Baseline, c.Treatment))
	}
	return n
}

func printPlan(c *cobra.Command, p *study.Plan, f *experiment.Forecast, d designFacts, o *experiment.Outlook) {
	out := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }
	s := p.Study
	out("%s: %s", s.Name, s.Question)
	out("%d blocks, about %s, seed %d, digest %.12s", len(p.Blocks), seconds(p.Expected), p.Seed, p.Digest)
	if p.Screening {
		out("SCREENING: fewer than %d blocks, no verdict but undecided; give it more time", study.MinBlocks)
	}
	out("design %s; intervals at %g %%; stops when %s", s.Design.Name, 100*p.Rule.Level, stopWords(p))
	printDetectable(out, p, d)
	out("")
	if cells := s.Cells(); cells != nil {
		printCells(out, p, cells)
	} else if s.Design.Name == study.Knee {
		printKnee(out, p)
	} else {
		printTreatments(out, p)
	}
	printFactors(out, &s, d)
	out("")
	printBlocks(out, p)
	if f != nil {
		out("")
		out("the function's model, over every request before enforcement and closed loops: %d refused; the lowest that a user is left with is %.0f %% of its allowance (%s, block %d of %s); %d buckets touched at most",
			f.Refused, 100*f.Lowest, f.User, f.Block, f.Treatment, f.Callers)
	}
	if o != nil {
		out("")
		printOutlook(out, p, o)
	}
}

// printCells says what a pairs study compares, and how often.
func printCells(out func(string, ...any), p *study.Plan, cells []study.Cell) {
	s := &p.Study
	out("%s against %s, two treatments at a time, each on %d connections; beside a closed loop, latency at %v requests/s each", s.Design.Pair[1], s.Design.Pair[0], s.Load.Connections, float64(s.Load.Rate))
	for i, t := range s.Treatments {
		if !s.Stands(i) {
			out("  %-24s a step only: %s", t.Name, describe(s, i))
		}
	}
	for _, c := range cells {
		pairs, solo, copies := 0, 0, 0
		for _, b := range p.Blocks {
			switch {
			case b.Arms[1] == c.Copy:
				copies++
			case b.Arms[1] == c.Treatment:
				pairs++
				if slices.ContainsFunc(b.Phases, func(ph study.Phase) bool { return ph.Kind == study.Solo }) {
					solo++
				}
			}
		}
		out("  %-24s %d blocks against %s (%d of them with solo windows), %d A/A blocks", s.Treatments[c.Treatment].Name, pairs, s.Treatments[c.Baseline].Name, solo, copies)
	}
}

func stopWords(p *study.Plan) string {
	if p.Rule.Stop == study.StopFixed {
		return "all blocks are done"
	}
	looks := "no look: too few blocks"
	switch all := p.Looks(); {
	case len(all) > 3:
		looks = fmt.Sprintf("looks after %d, %d, … %d blocks", all[0], all[1], all[len(all)-1])
	case len(all) > 0:
		looks = "looks after " + strings.Trim(strings.ReplaceAll(fmt.Sprint(all), " ", ", "), "[]") + " blocks"
	}
	return fmt.Sprintf("every primary half-width is at most half its margin (%s), or the time is spent", looks)
}

// describe says what a treatment is: its baseline plus one thing.
func describe(s *study.Study, i int) string {
	t := s.Treatments[i]
	var parts []string
	if t.Control != "" {
		parts = append(parts, "control "+string(t.Control))
	}
	if t.Control == study.Router && t.Site != "" {
		parts = append(parts, "at site "+string(t.Site))
	}
	switch {
	case t.Control == study.Noop:
		parts = append(parts, fmt.Sprintf("as %s at the %s", t.Form, t.Site))
	case t.Form != "":
		parts = append(parts, fmt.Sprintf("%s as %s at the %s", s.FunctionOf(i).Name, t.Form, t.Site))
	}
	if !t.Workload.IsZero() {
		parts = append(parts, "other workload parameters")
	}
	for _, one := range t.Set {
		parts = append(parts, one.Factor+" "+one.Level)
	}
	if t.Baseline != "" {
		parts = append(parts, "on top of "+t.Baseline)
	}
	if len(t.Against) > 0 {
		also := "also "
		if t.Cell != nil { // what it is on top of does not stand
			also = ""
		}
		parts = append(parts, also+"against "+strings.Join(t.Against, ", "))
	}
	return strings.Join(parts, ", ")
}

// printBlocks prints one line for each kind of block.
func printBlocks(out func(string, ...any), p *study.Plan) {
	kinds := map[string][]string{}
	var order []string
	for _, b := range p.Blocks {
		var phases []string
		for _, ph := range b.Phases {
			word := fmt.Sprintf("%s %v", ph.Kind, ph.Duration)
			if ph.Rate > 0 {
				word += fmt.Sprintf(" at %.0f/s", ph.Rate)
			}
			phases = append(phases, word)
		}
		// The two solo windows come in random order; they are one kind of block.
		key := strings.Join(phases, " · ")
		if kinds[key] == nil {
			order = append(order, key)
		}
		kinds[key] = append(kinds[key], fmt.Sprint(b.Index))
	}
	for _, key := range order {
		out("blocks %s: %s", strings.Join(kinds[key], ","), key)
	}
}

// printDetectable says what the plan can see, before any data.
func printDetectable(out func(string, ...any), p *study.Plan, d designFacts) {
	if d.DetectableSD == nil {
		return
	}
	if p.Study.Design.Name == study.Knee { // its blocks choose their own rates: nothing else could be a pilot
		out("minimum detectable effect: %.2f standard deviations of the differences of knees between blocks (%d blocks, %d comparisons, four times in five)", *d.DetectableSD, blocksEach(p), d.Primary)
		return
	}
	out("minimum detectable effect: %.2f standard deviations of the block differences (%d blocks, %d primary comparisons, four times in five); in µs with --pilot or --from", *d.DetectableSD, blocksEach(p), d.Primary)
}

func printTreatments(out func(string, ...any), p *study.Plan) {
	s := &p.Study
	rate := fmt.Sprintf("%v requests/s", float64(s.Load.Rate))
	if slices.ContainsFunc(s.Treatments, func(t study.Treatment) bool { _, set := t.Set.Level("rate"); return set }) {
		rate = "its own rate"
	}
	connections := fmt.Sprintf(" and %d connections", s.Load.Connections)
	if slices.ContainsFunc(s.Factors, func(f study.Factor) bool { return f.Name == "connections" }) {
		connections = ""
	}
	width := 20
	for _, t := range s.Treatments {
		width = max(width, len(t.Name))
	}
	out("treatments, each on %s%s:", rate, connections)
	for i, t := range s.Treatments {
		step := ""
		if !s.Stands(i) {
			step = "a step only: "
		}
		out("  %-*s %s%s", width, t.Name, step, describe(s, i))
	}
}

// printFactors says what a design over factors tries, and what it cannot tell apart.
func printFactors(out func(string, ...any), s *study.Study, d designFacts) {
	if d.Cells == 0 {
		return
	}
	out("")
	for _, f := range s.Factors {
		out("factor %s: %s", f.Name, strings.Join(f.Levels, ", "))
	}
	all := 1
	for _, f := range s.Factors {
		all *= len(f.Levels)
	}
	out("%d of %d combinations, and an A/A copy of the first", d.Cells, all)
	if d.Resolution == 0 {
		return
	}
	out("resolution %s; what cannot be told apart:", roman(d.Resolution))
	for _, a := range d.Aliases {
		out("  %s = %s", a.Effect, strings.Join(a.Aliases, " = "))
	}
}

// roman is a resolution as it is written.
func roman(n int) string {
	words := []string{"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI"}
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

// printOutlook says what the intervals would be, and how long they take.
func printOutlook(out func(string, ...any), p *study.Plan, o *experiment.Outlook) {
	out("by %s of %d blocks (which took %.2f of the time planned for them; the host %.0f %% busy with this load):", o.From, o.Blocks, o.Slower, 100*o.Busy)
	for _, list := range [][]experiment.Prospect{o.Prospects, o.Gates} {
		for _, x := range list {
			out("  %s by %s: %s", x.Name, x.Endpoint, prospect(x))
		}
	}
	printLength(out, o.Length)
	for _, why := range o.Refused {
		out("REFUSED: %s", why)
	}
}

func prospect(x experiment.Prospect) string {
	text := fmt.Sprintf("sd %.3g %s (%.3g to %.3g)", x.SD, x.Unit, x.SDLow, x.SDHigh)
	if x.HalfWidth != nil {
		text += fmt.Sprintf("; ± %.3g after %d blocks, where %.3g is seen", *x.HalfWidth, x.Blocks, *x.Detectable)
	}
	whose := "the default margin"
	if x.Stated {
		whose = "the margin"
	}
	text += fmt.Sprintf("; %s is %.3g", whose, x.Margin)
	if x.Time == 0 {
		return text + fmt.Sprintf("; ± %.3g is out of reach", x.Target)
	}
	return text + fmt.Sprintf("; about %s for ± %.3g %s (%s to %s)", spell(x.Time), x.Target, x.Unit, spell(x.TimeLow), spell(x.TimeHigh))
}

// spell is a time that is only known roughly.
func spell(d time.Duration) string {
	switch {
	case d == 0:
		return "out of reach"
	case d < 100*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 100*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}

// worthwhile is the share by which intervals must become narrower for another
// length to be named.
const worthwhile = 0.10

func printLength(out func(string, ...any), l *experiment.Length) {
	switch {
	case l == nil:
		out("how long the latency phase should be these blocks cannot tell: too few requests")
	case l.Narrower < worthwhile:
		out("the latency phase of %v is near its best length (variance between blocks %.3g µs², within one %.3g µs²)", l.Now, l.Between, l.Within)
	default:
		out("a latency phase of %v instead of %v would give intervals about %.0f %% narrower in the same time (variance between blocks %.3g µs², within one %.3g µs²): write design: {latency: %v}", l.Best, l.Now, 100*l.Narrower, l.Between, l.Within, l.Best)
	}
}
