package atlas

import (
	"cmp"
	"slices"
	"strings"

	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// card is what the page says of one function: every place, with its figures or
// the reason why there are none.
type card struct {
	*Advice
	Best   string // the cheapest place and its figure; empty: none was weighed
	Rows   []Speed
	Others []others
}

// others are places without figures that have one reason.
type others struct {
	Where []string
	Why   string
}

// column is one form of the tables, over the planes that it is listed for.
type column struct {
	Form  study.Form
	Width int
}

// columns groups the powers, which come form by form.
func columns(ps []Power) []column {
	var all []column
	for _, p := range ps {
		if n := len(all); n > 0 && all[n-1].Form == p.Form {
			all[n-1].Width++
			continue
		}
		all = append(all, column{p.Form, 1})
	}
	return all
}

// cards describe every function but the control; those with most places come
// first in the table, where forms can be compared.
func (a *Atlas) cards() ([]card, error) {
	var all []card
	for _, e := range a.Functions {
		if e.Name == nothing {
			continue
		}
		x, err := a.Advise(e.Name)
		if err != nil {
			return nil, err
		}
		c := card{Advice: x}
		for _, p := range a.Powers {
			if s := a.speed(e.Name, p); s != nil {
				c.Rows = append(c.Rows, *s)
				continue
			}
			c.without(p.Name(), a.why(e, p))
		}
		if len(x.Places) > 0 {
			best := x.Places[0]
			c.Best = where(best) + ", " + estimate(best.CPU) + " µs " + between(best.CPU)
		}
		slices.SortStableFunc(c.Rows, func(x, y Speed) int {
			switch {
			case x.CPU == nil || y.CPU == nil:
				return cmp.Compare(boolean(x.CPU == nil), boolean(y.CPU == nil))
			}
			return cmp.Compare(x.CPU.Estimate, y.CPU.Estimate)
		})
		all = append(all, c)
	}
	return all, nil
}

func boolean(is bool) int {
	if is {
		return 1
	}
	return 0
}

func (c *card) without(place, why string) {
	k := slices.IndexFunc(c.Others, func(o others) bool { return o.Why == why })
	if k < 0 {
		c.Others = append(c.Others, others{Why: why})
		k = len(c.Others) - 1
	}
	c.Others[k].Where = append(c.Others[k].Where, place)
}

// speed is what was measured of a function at a place; nil: nothing.
func (a *Atlas) speed(name string, p Power) *Speed {
	k := slices.IndexFunc(a.Speeds, func(s Speed) bool { return s.Function == name && s.Form == p.Form && s.Plane == p.Plane })
	if k < 0 {
		return nil
	}
	return &a.Speeds[k]
}

// why says why nothing was measured of a function at a place.
func (a *Atlas) why(e Entry, p Power) string {
	for _, u := range a.Unweighed {
		if u.Function == e.Name && u.Form == p.Form && u.Plane == p.Plane {
			return "not weighed: " + u.Why
		}
	}
	k := slices.IndexFunc(e.Places, func(x Place) bool { return x.Form == p.Form })
	if k < 0 {
		return "there is no such form"
	}
	if x := e.Places[k]; x.Cannot[Everywhere] != "" {
		return x.Cannot[Everywhere]
	} else if why := x.Cannot[plainly(p.Plane)]; why != "" {
		return why
	}
	return "not weighed yet"
}

// tableRow is a function's line of the table of figures: a cell for each place.
type tableRow struct {
	Function string
	Cells    []tableCell
}

// tableCell is one figure; without CPU, Words say why in short and Why in full.
type tableCell struct {
	CPU        *report.Interval
	Words, Why string
	// Plain: its interval is all on one side of 0.
	Plain bool
}

// table has a line for each function, those with most places first.
func (a *Atlas) table(cards []card) []tableRow {
	var all []tableRow
	for _, c := range cards {
		k := slices.IndexFunc(a.Functions, func(e Entry) bool { return e.Name == c.Function })
		r := tableRow{Function: c.Function}
		for _, p := range a.Powers {
			s := a.speed(c.Function, p)
			switch {
			case s != nil && s.CPU != nil:
				r.Cells = append(r.Cells, tableCell{CPU: s.CPU, Why: between(s.CPU), Plain: s.CPU.Low > 0 || s.CPU.High < 0})
			case s != nil:
				r.Cells = append(r.Cells, tableCell{Words: "?", Why: "too few blocks count for a figure"})
			default:
				why := a.why(a.Functions[k], p)
				words := "–"
				if strings.HasPrefix(why, "not weighed") {
					words = "·"
				}
				r.Cells = append(r.Cells, tableCell{Words: words, Why: why})
			}
		}
		all = append(all, r)
	}
	figures := func(r tableRow) (n int) {
		for _, c := range r.Cells {
			n += boolean(c.Words != "–")
		}
		return n
	}
	slices.SortStableFunc(all, func(x, y tableRow) int { return figures(y) - figures(x) })
	return all
}

// itself is what each place adds when it does nothing: of the no-op in each
// batch the one in the middle. nil: it has none.
func (a *Atlas) itself() []*report.Interval {
	all := make([]*report.Interval, len(a.Powers))
	for i, p := range a.Powers {
		var found []*report.Interval
		for _, s := range a.Speeds {
			if s.Form == p.Form && s.Plane == p.Plane && s.NoopCPU != nil {
				found = append(found, s.NoopCPU)
			}
		}
		if len(found) > 0 {
			slices.SortFunc(found, func(x, y *report.Interval) int { return cmp.Compare(x.Estimate, y.Estimate) })
			all[i] = found[len(found)/2]
		}
	}
	return all
}
