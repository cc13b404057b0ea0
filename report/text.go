package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/taremesh/tare/study"
)

// JSON writes the report as indented JSON.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes the report for a person.
func (r *Report) Text(w io.Writer) error {
	t := &printer{}
	t.head(r)
	t.pairs(r.Pairs)
	t.knee(r)
	t.verdicts(r)
	t.shapley(r)
	t.slopes(r)
	t.costRatios(r)
	t.shifts(r)
	if r.Knee == nil {
		t.treatments(r)
	}
	t.controls(r)
	t.checks(r.Checks)
	t.outcomes(r)
	t.apparatus(r)
	t.list("WARNINGS", r.Warnings)
	_, err := io.WriteString(w, t.String())
	return err
}

// printer is the text under way.
type printer struct{ strings.Builder }

func (t *printer) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

func (t *printer) head(r *Report) {
	t.line("%s  %s  (%s)", r.Study, r.ID, r.State)
	if r.Question != "" {
		t.line("%s", r.Question)
	}
	stamp := ""
	if r.Screening {
		stamp = "  SCREENING: too few blocks for verdicts"
	}
	if r.Knee != nil {
		t.line("%d blocks, %d void · %d treatments, each alone in windows in random order, Poisson arrivals%s", r.Blocks, r.Voids, len(r.Treatments), stamp)
	} else if r.Pairs != nil {
		t.line("%d blocks, %d void · two treatments at a time, at the rate of the level each; each request drawn at random, closed loops in windows in the order ABBA%s", r.Blocks, r.Voids, stamp)
	} else {
		how := "each request drawn at random, quantiles calibrated to the crowding of all"
		if r.Design == study.Windows {
			how = "one treatment at a time, in random order"
		}
		t.line("%d blocks, %d void · %d treatments, %s, %s%s", r.Blocks, r.Voids, len(r.Treatments), r.rates(), how, stamp)
	}
	t.line("")
}

// unusual is how requests are spaced, where it is to be said.
func unusual(arrivals string) string {
	if arrivals == study.Poisson {
		return ""
	}
	return arrivals
}

// spacing says how requests were spaced where it is not as usual.
func (r *Report) spacing() string {
	if r.Arrivals == "" {
		return ""
	}
	return " (" + r.Arrivals + " arrivals)"
}

// rates says how much each treatment was asked.
func (r *Report) rates() string {
	if slices.ContainsFunc(r.Treatments, func(t Treatment) bool { return t.Set["rate"] != "" }) {
		return "each at its own rate"
	}
	return fmt.Sprintf("%g requests/s each", r.Rate) + r.spacing()
}

func (t *printer) verdicts(r *Report) {
	if n := r.Rejections; n != nil {
		t.line("IDENTICAL ARMS: %d of %d pairs were found to differ (expected 5 %%; 95 %% interval of the rate: %.1f to %.1f %%)", n.Rejected, n.Of, 100*n.Low, 100*n.High)
		t.line("")
		return
	}
	if cs := r.primaries(); len(cs) > 0 {
		t.line("VERDICTS  %g %% intervals, simultaneous over %d comparisons (%s)", 100*r.Level, r.Family, r.Multiplicity())
		t.table(comparisonRows(cs))
		t.line("")
	}
	t.effects(r)
	for _, s := range r.Sentences {
		t.line("%s", s)
	}
	if len(r.Sentences) > 0 {
		t.line("")
	}
}

// Multiplicity says how the intervals were made simultaneous.
func (r *Report) Multiplicity() string {
	if r.Cells > 1 {
		return fmt.Sprintf("Bonferroni between %d cells, %s within each", r.Cells, r.Method)
	}
	return r.Method
}

func comparisonRows(cs []Comparison) [][]string {
	delta := ">Δ µs"
	if slices.ContainsFunc(cs, func(c Comparison) bool { return c.Unit == unitPerSecond }) {
		delta = ">Δ µs or requests/s"
	}
	rows := [][]string{{"treatment", "against", "endpoint", delta, ">low", ">high", ">margin", ">ratio", "verdict"}}
	for _, c := range cs {
		ratio := "–"
		if c.Ratio != nil {
			ratio = fmt.Sprintf("×%.3f", c.Ratio.Estimate)
		}
		rows = append(rows, []string{c.Treatment, c.Baseline, c.Endpoint, signed(c.Estimate), signed(c.Low), signed(c.High), "±" + plain(c.Margin), ratio, verdictWords(c)})
	}
	return rows
}

func (t *printer) treatments(r *Report) {
	rows := [][]string{{"TREATMENT", "what", ">requests", ">p50 µs", ">p90 µs", ">p99 µs", ">CPU µs/req", ">proxy", ">service", ">private MB"}}
	others := false
	for _, x := range r.Treatments {
		parts := map[string]string{"proxy": "–", "service": "–"}
		var more []string
		for _, u := range x.Parts {
			if _, column := parts[u.Role]; !column {
				more = append(more, u.Role+" "+plain(u.PerRequest))
				continue
			}
			parts[u.Role] = plain(u.PerRequest)
		}
		others = others || len(more) > 0
		rows = append(rows, []string{x.Name, what(x), fmt.Sprint(x.Requests), number(x.P50), number(x.P90), number(x.P99), number(x.CPU), parts["proxy"], parts["service"], number(x.PrivateMB), strings.Join(more, ", ")})
	}
	if len(r.Treatments) == 0 {
		return
	}
	if rows[0] = append(rows[0], "CPU elsewhere"); !others {
		for i := range rows {
			rows[i] = rows[i][:len(rows[i])-1]
		}
	}
	t.table(rows)
	for _, x := range r.Treatments {
		if x.PlantedWork > 0 {
			t.line("%s: the planted work itself took %s µs of thread CPU time per request", x.Name, plain(x.PlantedWork))
		}
	}
	for _, q := range []string{"p50", "p90", "p99"} {
		for _, x := range r.Treatments {
			if why := x.Why[q]; why != "" {
				t.line("no %s: %s", q, why)
				break
			}
		}
	}
	t.line("")
}

func what(x Treatment) string {
	of := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	parts := []string{}
	for _, s := range []string{of(x.Control), of(x.Form)} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if x.DataPlane != nil {
		parts = append(parts, "on "+*x.DataPlane)
	} else {
		parts = append(parts, "off the mesh")
	}
	return strings.Join(parts, ", ")
}

func number(x *float64) string {
	if x == nil {
		return "–"
	}
	return plain(*x)
}

func (t *printer) controls(r *Report) {
	gate := func(name, of, unit string, g *Gate) {
		if g == nil {
			return
		}
		word := "inside: identical treatments come out identical"
		if !g.Inside {
			word = "NOT inside: the noise floor is too high for this margin"
		}
		t.line("A/A%s by %s: %s %s (%s to %s), margin ±%s, %s", of, name, signed(g.Estimate), unit, signed(g.Low), signed(g.High), plain(g.Margin), word)
	}
	for _, a := range r.AA {
		of := ""
		if len(r.AA) > 1 {
			of = " of " + a.Baseline
		}
		gate("p50", of, "µs", a.P50)
		gate("cpu", of, "µs", a.CPU)
		gate("throughput", of, "requests/s", a.Throughput)
		gate("knee", of, "requests/s", a.Knee)
	}
	for _, in := range r.Interference {
		t.line("Interference: %s − %s is %s µs under shared load, %s µs alone at the total rate (%d control blocks%s)",
			in.Heaviest, in.Baseline, signed(in.Shared), signed(in.Solo), in.Blocks, disagreement(in))
	}
	t.line("")
}

func disagreement(in Interference) string {
	if in.Disagreement == nil {
		return "; no interval from fewer than 3"
	}
	d := in.Disagreement
	word := "no interference shown beyond"
	if in.Interferes {
		word = "TREATMENTS INTERFERE beyond"
	}
	return fmt.Sprintf("; disagreement %s to %s, %s ±%s; a part of it is rate", signed(d.Low), signed(d.High), word, plain(in.Margin))
}

func (t *printer) apparatus(r *Report) {
	a := r.Apparatus
	if a == nil {
		return
	}
	t.line("Sent %.0f requests/s in all; host %.0f %% busy, steal %.1f %%; lateness p50 %s µs, p99 %s µs; generator %s µs of CPU per request beside %.0f %% of a core spinning",
		a.Rate, 100*a.HostBusy, 100*a.Steal, plain(a.LatenessP50), plain(a.LatenessP99), plain(a.GeneratorCPU), 100*a.SpinShare)
	t.instructions(r)
	t.madeWith(r)
	t.line("Seed %d, digest %.12s, %s", r.Seed, r.Digest, strings.Join(r.Command, " "))
	for _, v := range r.VoidReasons {
		t.line("void: %s", v)
	}
	for _, c := range r.WithVoids {
		if c.Primary {
			t.line("with the void blocks: %s against %s by %s: %s µs (%s to %s)", c.Treatment, c.Baseline, c.Endpoint, signed(c.Estimate), signed(c.Low), signed(c.High))
		}
	}
	for _, x := range r.VoidEffects {
		if x.Primary {
			t.line("with the void blocks: the effect of %s by %s: %s µs (%s to %s)", x.Name, x.Endpoint, signed(x.Estimate), signed(x.Low), signed(x.High))
		}
	}
}

func (t *printer) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.line("")
	t.line("%s", title)
	for _, l := range lines {
		t.line("  ! %s", l)
	}
}

// table aligns columns; a header that begins with > makes its column right-aligned.
func (t *printer) table(rows [][]string) {
	width := make([]int, len(rows[0]))
	right := make([]bool, len(rows[0]))
	for i, h := range rows[0] {
		rows[0][i], right[i] = strings.CutPrefix(h, ">")
	}
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell, pad = pad+cell, ""
			}
			b.WriteString(cell + pad + "  ")
		}
		t.line("%s", strings.TrimRight(b.String(), " "))
	}
}
