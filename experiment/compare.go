package experiment

import (
	"errors"
	"fmt"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// compare fills in everything that needs at least two blocks.
func (an *Analysis) compare(p *study.Plan) error {
	if p.Study.Design.Name == study.DesignAA {
		return an.countRejections(p)
	}
	if err := an.gate(p); err != nil {
		return err
	}
	var primary []Comparison
	for i, t := range p.Study.Treatments {
		if t.Baseline == "" || t.Control == study.AA {
			continue
		}
		base := p.Study.Index(t.Baseline)
		for _, e := range Endpoints() {
			if an.Treatments[i].PerBlock[e] == nil || an.Treatments[base].PerBlock[e] == nil {
				continue
			}
			c := Comparison{Treatment: i, Baseline: base, Endpoint: e, Primary: e.primary() && t.Control == ""}
			if c.Primary {
				primary = append(primary, c)
				continue
			}
			one := []Comparison{c}
			if err := an.compareFamily(p, one); err != nil {
				return err
			}
			an.Comparisons = append(an.Comparisons, one...)
		}
	}
	if len(primary) == 0 {
		return nil
	}
	if err := an.compareFamily(p, primary); err != nil {
		return err
	}
	an.Comparisons = append(primary, an.Comparisons...)
	return nil
}

// compareFamily gives simultaneous intervals over the comparisons.
func (an *Analysis) compareFamily(p *study.Plan, cs []Comparison) error {
	pairs := make([]stat.Pair, len(cs))
	for k, c := range cs {
		a := an.Treatments[c.Baseline].PerBlock[c.Endpoint]
		pairs[k] = stat.Pair{
			Name: fmt.Sprintf("%s against %s by %s", an.Treatments[c.Treatment].Name, an.Treatments[c.Baseline].Name, c.Endpoint),
			A:    a, B: an.Treatments[c.Treatment].PerBlock[c.Endpoint],
			Margin: c.Endpoint.margin(p.Study.Margin, median(a)),
			NoNull: an.noisy(c.Endpoint),
		}
	}
	out, err := stat.Compare(pairs, stat.Options{Level: p.Rule.Level, Seed: p.Seed, Screening: p.Screening})
	if err != nil {
		return err
	}
	for k := range cs {
		cs[k].Comparison = out[k]
		an.forbid(p, &cs[k])
	}
	return nil
}

// noisy reports whether the A/A gate failed for the endpoint: that of CPU time
// for CPU time, that of p50 for every quantile.
func (an *Analysis) noisy(e Endpoint) bool {
	if e != CPU {
		e = P50
	}
	g, gated := an.AA[e]
	return gated && !g.Inside
}

// forbid takes the verdict from a comparison that is about something else: a
// function that did not do its work, or that refused where its overhead is
// measured, in the treatment or in what it is compared to.
func (an *Analysis) forbid(p *study.Plan, c *Comparison) {
	for _, i := range []int{c.Treatment, c.Baseline} {
		t := an.Treatments[i]
		why := ""
		switch {
		case t.Wrong != "":
			why = "its judge found: " + t.Wrong
		case t.Refused > 0:
			why = fmt.Sprintf("%d requests were refused where overhead is measured", t.Refused)
		}
		if why != "" {
			c.Verdict, c.BlocksNeeded = stat.Undecided, 0 // it is not blocks that are missing
			c.Warnings = append(c.Warnings, stat.Warning{Code: WarnInvalid, Text: "the overhead of " + t.Name + " is invalid: " + why})
		}
	}
}

// WarnInvalid: the function did not do the work that its cost is asked of.
const WarnInvalid stat.WarningCode = "invalid"

// gate holds the A/A copy against its baseline, for the primary endpoints.
func (an *Analysis) gate(p *study.Plan) error {
	for i, t := range p.Study.Treatments {
		if t.Control != study.AA {
			continue
		}
		base := p.Study.Index(t.Baseline)
		an.AA = map[Endpoint]stat.AA{}
		for _, e := range []Endpoint{P50, CPU} {
			a, b := an.Treatments[base].PerBlock[e], an.Treatments[i].PerBlock[e]
			if a == nil || b == nil {
				continue
			}
			d, err := stat.Differences(a, b)
			if err != nil {
				return err
			}
			g, err := stat.Gate(d, e.margin(p.Study.Margin, median(a)), 0.95)
			if errors.Is(err, stat.ErrNoSpread) {
				continue // few blocks may agree to the nanosecond: the next one will tell
			}
			if err != nil {
				return err
			}
			an.AA[e] = g
		}
		return nil // one copy is the gate
	}
	return nil
}

// countRejections pairs the identical arms of an A/A design.
func (an *Analysis) countRejections(p *study.Plan) error {
	var arms [][]float64
	for _, t := range an.Treatments {
		arms = append(arms, t.PerBlock[P50])
	}
	n, err := stat.Rejections(arms, 0.95)
	if errors.Is(err, stat.ErrNoSpread) {
		return nil // few blocks may agree to the nanosecond: the next one will tell
	}
	if err != nil {
		return err
	}
	an.Rejections = &n
	return nil
}

// primaryWidths are the half-widths of the primary comparisons and their margins.
func (an *Analysis) primaryWidths() (halves, margins []float64) {
	for _, c := range an.Comparisons {
		if c.Primary {
			halves = append(halves, c.Difference.Half())
			margins = append(margins, c.Margin)
		}
	}
	return halves, margins
}
