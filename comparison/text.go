package comparison

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Sentence says a case in one line.
func (c Case) Sentence() string {
	if c.Interval == nil {
		return fmt.Sprintf("%s: %s", c.Name(), c.Outcome)
	}
	verdict := c.Verdict
	if verdict == "none" {
		verdict = "no difference beyond the margin"
	}
	if c.Direction != nil {
		verdict += ", " + *c.Direction
	}
	return fmt.Sprintf("%s: %s (%s), margin %s: %s", c.Name(), signed(c.Interval.Estimate, c.Unit), rangeText(c.Interval, c.Unit), amount(c.Margin, c.Unit), verdict)
}

// Text prints the gate for a terminal.
func (g *Gate) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", g.title())
	t := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OUTCOME\tTREATMENT\tAGAINST\tBY\tDIFFERENCE\tINTERVAL\tMARGIN\tVERDICT")
	for _, c := range g.Cases {
		fmt.Fprintln(t, strings.Join(caseCells(c), "\t"))
	}
	p.keep(t.Flush())
	for _, reason := range g.reasons() {
		p.line("%s", reason)
	}
	p.notes(g.Differs, g.Warnings)
	return p.err
}

// reasons says once what holds of several cases, in the order of the first.
func (g *Gate) reasons() []string {
	var whys []string
	of := map[string][]string{}
	for _, c := range g.Cases {
		for _, why := range c.Why {
			if of[why] == nil {
				whys = append(whys, why)
			}
			of[why] = append(of[why], c.Name())
		}
	}
	for i, why := range whys {
		who := strings.Join(of[why], ", ")
		if n := len(of[why]); n > 1 && n == len(g.Cases) {
			who = "every comparison"
		}
		whys[i] = who + ": " + why
	}
	return whys
}

func (g *Gate) title() string {
	how := "by its own comparisons"
	if g.Baseline != nil {
		how = fmt.Sprintf("against baseline %s (%s, %d blocks)", g.Name, g.Baseline.ID, g.Baseline.Blocks)
	}
	return fmt.Sprintf("gate: %s · %s, %d blocks, %s", strings.ToUpper(string(g.Outcome)), g.Result.ID, g.Result.Blocks, how)
}

func caseCells(c Case) []string {
	against := "its own figure before"
	if c.Baseline != nil {
		against = *c.Baseline
	}
	cells := []string{string(c.Outcome), c.Treatment, against, c.Endpoint}
	return append(cells, answerCells(c.Interval, c.Margin, c.Unit, c.Verdict, c.Direction)...)
}

// answerCells are difference, interval, margin and verdict.
func answerCells(i *Interval, margin float64, unit, verdict string, direction *string) []string {
	difference, around, beyond := "–", "–", "–"
	if margin > 0 {
		beyond = amount(margin, unit)
	}
	if i != nil {
		difference, around = signed(i.Estimate, unit), rangeText(i, unit)
	}
	if verdict == "none" {
		verdict = "no difference beyond the margin"
	}
	if direction != nil {
		verdict += ", " + *direction
	}
	return []string{difference, around, beyond, verdict}
}

// Text prints the answer for a terminal.
func (a *Answer) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", a.title())
	for _, k := range []Kind{Apart, Own} {
		heading, cells := a.tableOf(k)
		if len(cells) == 0 {
			continue
		}
		p.line("\n%s", heading)
		t := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, strings.Join(rowHeads, "\t"))
		for _, row := range cells {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		p.keep(t.Flush())
	}
	for _, why := range a.reasons() {
		p.line("%s", why)
	}
	for _, name := range a.Unmatched {
		p.line("only one of the two has %s", name)
	}
	p.notes(a.Differs, a.Warnings)
	return p.err
}

func (a *Answer) title() string {
	return fmt.Sprintf("%s (%s, %d blocks) against %s (%s, %d blocks)", a.New.ID, a.New.Started.Format(time.DateTime), a.New.Blocks,
		a.Old.ID, a.Old.Started.Format(time.DateTime), a.Old.Blocks)
}

var rowHeads = []string{"TREATMENT", "AGAINST", "BY", "OLD", "NEW", "CHANGE", "INTERVAL", "MARGIN", "VERDICT"}

// tableOf are the rows of a kind as text.
func (a *Answer) tableOf(k Kind) (heading string, rows [][]string) {
	heading = fmt.Sprintf("Differences from the in-run baseline, then and now (together at %.4g %%):", 100*a.Level)
	if k == Own {
		heading = fmt.Sprintf("Own figures, which hold the host's drift between the runs (together at %.4g %%):", 100*a.Level)
	}
	for _, r := range a.Rows {
		if r.Kind != k {
			continue
		}
		name, against := r.Treatment, "–"
		if r.OldName != "" {
			name += " (was " + r.OldName + ")"
		}
		if r.Baseline != nil {
			against = *r.Baseline
		}
		cells := []string{name, against, r.Endpoint, figure(r.Old, r.Unit), figure(r.New, r.Unit)}
		rows = append(rows, append(cells, answerCells(r.Interval, r.Margin, r.Unit, r.Verdict, r.Direction)...))
	}
	return heading, rows
}

// reasons are what keeps rows from a verdict.
func (a *Answer) reasons() []string {
	var out []string
	for _, r := range a.Rows {
		name := r.Treatment + " by " + r.Endpoint
		if r.Baseline != nil {
			name = r.Treatment + " against " + *r.Baseline + " by " + r.Endpoint
		}
		if r.Why != "" {
			out = append(out, name+": "+r.Why)
		}
		for _, w := range r.Warnings {
			out = append(out, name+": "+w)
		}
	}
	return out
}

// printer keeps the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.keep(err)
	return n, err
}

func (p *printer) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *printer) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *printer) notes(ds []Difference, warnings []string) {
	if len(ds) > 0 {
		p.line("\nWhat differs between the two:")
		for _, d := range ds {
			mark := "  "
			if d.Breaks {
				mark = "! "
			}
			p.line("%s%s", mark, d)
		}
	}
	for _, w := range warnings {
		p.line("warning: %s", w)
	}
}

// unitText is a unit as it is printed.
func unitText(unit string) string {
	if unit == "per_s" {
		return "/s"
	}
	return " µs"
}

func amount(x float64, unit string) string { return fmt.Sprintf("%.2f%s", x, unitText(unit)) }

func signed(x float64, unit string) string { return fmt.Sprintf("%+.2f%s", x, unitText(unit)) }

func rangeText(i *Interval, unit string) string {
	return fmt.Sprintf("%+.2f to %+.2f%s", i.Low, i.High, unitText(unit))
}

func figure(x *float64, unit string) string {
	if x == nil {
		return "–"
	}
	return amount(*x, unit)
}

// JSON writes the answer as comparison/1.
func (a *Answer) JSON(w io.Writer) error { return writeJSON(w, a) }

// JSON writes the gate as gate/1.
func (g *Gate) JSON(w io.Writer) error { return writeJSON(w, g) }

// JSON writes the history as history/1.
func (h *History) JSON(w io.Writer) error { return writeJSON(w, h) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
