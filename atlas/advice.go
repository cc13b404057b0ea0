package atlas

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Advice says where a function could be put: what was measured of each place,
// and what each place can do beyond that.
type Advice struct {
	Function string  `json:"function"`
	Doc      string  `json:"doc"`
	Places   []Speed `json:"places"` // cheapest first, by CPU
	Rules    []Rule  `json:"rules"`
	// Without are the forms that the function has not, and why.
	Without []Place `json:"without"`
}

// Rule is one piece of advice.
type Rule struct {
	If   string `json:"if"`
	Then string `json:"then"`
}

// needs are what people want of a place beside speed, and what has to be shown
// for it.
var needs = []struct {
	words  string
	vector Vector
	all    []string
}{
	{"its state has to be one for all workers of a proxy", State, []string{"across-workers"}},
	{"its state has to be one for several proxies", State, []string{"across-proxies"}},
	{"it has to change under load without a failed request", Safety, []string{"swap"}},
	{"its code may be wrong, and others have to go on", Safety, []string{"crash", "loop", "memory"}},
}

// Advise gathers what the atlas knows of a function.
func (a *Atlas) Advise(name string) (*Advice, error) {
	k := slices.IndexFunc(a.Functions, func(e Entry) bool { return e.Name == name })
	if k < 0 {
		var all []string
		for _, e := range a.Functions {
			all = append(all, e.Name)
		}
		return nil, fmt.Errorf("unknown function %q (known: %s)", name, strings.Join(all, ", "))
	}
	e := a.Functions[k]
	x := &Advice{Function: name, Doc: e.Doc, Places: []Speed{}, Rules: []Rule{}, Without: []Place{}}
	for _, s := range a.Speeds {
		if s.Function == name && s.CPU != nil {
			x.Places = append(x.Places, s)
		}
	}
	slices.SortStableFunc(x.Places, func(a, b Speed) int { return cmp.Compare(a.CPU.Estimate, b.CPU.Estimate) })
	for _, p := range e.Places {
		if len(p.Sites) == 0 {
			x.Without = append(x.Without, p)
		}
	}
	if len(x.Places) == 0 {
		why := "none of its forms has been weighed"
		if slices.ContainsFunc(a.Speeds, func(s Speed) bool { return s.Function == name }) {
			why = "too few blocks count for a figure"
		}
		x.Rules = append(x.Rules, Rule{"only speed counts", fmt.Sprintf("nothing is known: %s (tare atlas --only %s --time 10m)", why, name)})
		return x, nil
	}
	x.Rules = append(x.Rules, Rule{"only speed counts", x.cheapest()})
	for _, n := range needs {
		x.Rules = append(x.Rules, Rule{n.words, a.fits(x.Places, n.vector, n.all)})
	}
	return x, nil
}

// cheapest names the place that adds the least, and those that cannot be told
// from it.
func (x *Advice) cheapest() string {
	best := x.Places[0]
	like := []string{}
	for _, s := range x.Places[1:] {
		if s.CPU.Low <= best.CPU.High {
			like = append(like, where(s))
		}
	}
	words := fmt.Sprintf("%s: %s µs of CPU %s", where(best), estimate(best.CPU), between(best.CPU))
	if len(like) > 0 {
		words += "; not told apart from it by these blocks: " + strings.Join(like, ", ")
	}
	return words
}

func where(s Speed) string { return Power{Form: s.Form, Plane: s.Plane}.Name() }

// fits lists the places, cheapest first, where all of some abilities were
// shown, and says of the others whether they were tried.
func (a *Atlas) fits(places []Speed, v Vector, all []string) string {
	var good, open []string
	for _, s := range places {
		switch a.verdict(s, v, all) {
		case Shown:
			good = append(good, where(s))
		case NotTried:
			open = append(open, where(s))
		}
	}
	words := "no place where it was weighed was shown to do that"
	if len(good) > 0 {
		words = strings.Join(good, ", ")
	}
	if len(open) > 0 {
		words += "; not tried: " + strings.Join(open, ", ")
	}
	return words
}

// verdict is the worst of some abilities of a place.
func (a *Atlas) verdict(s Speed, v Vector, all []string) Verdict {
	k := slices.IndexFunc(a.Powers, func(p Power) bool { return p.Form == s.Form && p.Plane == s.Plane })
	if k < 0 {
		return NotTried
	}
	worst := Shown
	for _, x := range a.Powers[k].Vectors[v] {
		switch {
		case !slices.Contains(all, x.What):
		case x.Verdict == Refused:
			return Refused
		case x.Verdict == NotTried:
			worst = NotTried
		}
	}
	return worst
}

// Text writes the advice for a terminal.
func (x *Advice) Text(out io.Writer) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "%s: %s\n\n", x.Function, x.Doc)
	for _, r := range x.Rules {
		fmt.Fprintf(b, "if %s:\n    %s\n", r.If, r.Then)
	}
	if len(x.Places) > 0 {
		b.WriteString("\nWHERE  what it adds there, µs\n")
	}
	for _, s := range x.Places {
		fmt.Fprintf(b, "  %-24s CPU %s %s, p50 %s %s%s\n", where(s), estimate(s.CPU), between(s.CPU), estimate(s.P50), between(s.P50), stamp(s))
	}
	for _, p := range x.Without {
		fmt.Fprintf(b, "no %s: %s\n", p.Form, p.Cannot[Everywhere])
	}
	_, err := io.WriteString(out, b.String())
	return err
}
