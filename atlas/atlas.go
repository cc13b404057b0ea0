package atlas

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// Format is the version of the JSON, which docs/formats/atlas.md describes.
const Format = "atlas/1"

// Atlas is the speed of functions against the power of forms.
type Atlas struct {
	Format      string               `json:"tare"`
	Made        time.Time            `json:"made"`
	Speeds      []Speed              `json:"speeds"`
	Unweighed   []Unweighed          `json:"unweighed"`
	Powers      []Power              `json:"powers"`
	Abilities   map[Vector][]Ability `json:"abilities"`
	Functions   []Entry              `json:"functions"`
	Decisions   []Decisions          `json:"decisions,omitempty"`
	Weights     Weights              `json:"weights,omitempty"`
	Scores      []Score              `json:"scores,omitempty"` // with weights only
	Batches     []Run                `json:"batches"`
	Environment measure.Environment  `json:"environment"`
	Program     experiment.Program   `json:"program"`
	Planes      []dataplane.Program  `json:"planes"`
}

// Run is a batch that was carried out.
type Run struct {
	Study    string           `json:"study"`
	Result   string           `json:"result"`
	Blocks   int              `json:"blocks"`
	Voids    int              `json:"voids"`
	Rate     float64          `json:"rate_per_treatment"`
	AAP50    *report.Interval `json:"aa_p50_us"` // two identical routers, or services
	AACPU    *report.Interval `json:"aa_cpu_us_per_request"`
	Warnings []string         `json:"warnings,omitempty"`
}

// Score is a form's one number, by the user's weights.
type Score struct {
	Form  study.Form `json:"form"`
	Plane string     `json:"plane,omitempty"`
	Score float64    `json:"score"`
}

// Decisions is the power of a type of function: how many of the published pairs
// of requests it can tell apart (function.Distinct).
type Decisions struct {
	Function string `json:"function"`
	Distinct int    `json:"distinct"`
	Of       int    `json:"of"`
}

// Add adds what a batch found, but for cells that are there already.
func (a *Atlas) Add(r *report.Report) {
	fresh := 0
	for _, s := range Speeds(r, a.routes) {
		if !slices.ContainsFunc(a.Speeds, func(o Speed) bool { return o.Function == s.Function && o.Form == s.Form && o.Plane == s.Plane }) {
			a.Speeds = append(a.Speeds, s)
			fresh++
		}
	}
	if fresh == 0 {
		return
	}
	run := Run{Study: r.Study, Result: r.ID, Blocks: r.Blocks, Voids: r.Voids, Rate: r.Rate, Warnings: r.Warnings}
	if len(r.AA) > 0 {
		if g := r.AA[0].P50; g != nil {
			run.AAP50 = &g.Interval
		}
		if g := r.AA[0].CPU; g != nil {
			run.AACPU = &g.Interval
		}
	}
	a.Batches = append(a.Batches, run)
	a.Environment, a.Program = r.Environment, r.Program
	for _, p := range r.Planes {
		if !slices.Contains(a.Planes, p) {
			a.Planes = append(a.Planes, p)
		}
	}
}

// routes reports whether a function chooses between different services.
func (a *Atlas) routes(function string) bool {
	return slices.ContainsFunc(a.Functions, func(e Entry) bool { return e.Name == function && e.Routes })
}

// Keep leaves only the wanted cells, and the batches that they come from.
func (a *Atlas) Keep(wanted func(Cell) bool) {
	a.Speeds = slices.DeleteFunc(a.Speeds, func(s Speed) bool { return !wanted(s.Cell) })
	a.Batches = slices.DeleteFunc(a.Batches, func(r Run) bool {
		return !slices.ContainsFunc(a.Speeds, func(s Speed) bool { return s.Result == r.Result })
	})
}

// Finish puts everything in order.
func (a *Atlas) Finish(w Weights) {
	a.Format, a.Abilities = Format, abilities
	forms := study.Forms()
	slices.SortStableFunc(a.Speeds, func(x, y Speed) int {
		return cmp.Or(strings.Compare(x.Function, y.Function), slices.Index(forms, x.Form)-slices.Index(forms, y.Form), strings.Compare(x.Plane, y.Plane))
	})
	if len(w) > 0 {
		a.Weights = w
		for _, p := range a.Powers {
			a.Scores = append(a.Scores, Score{p.Form, p.Plane, p.Score(w)})
		}
		slices.SortStableFunc(a.Scores, func(x, y Score) int { return cmp.Compare(y.Score, x.Score) })
	}
	a.Speeds, a.Unweighed, a.Batches, a.Planes = some(a.Speeds), some(a.Unweighed), some(a.Batches), some(a.Planes)
}

// some is the list, never null.
func some[T any](all []T) []T { return append([]T{}, all...) }

// ParseWeights reads weights such as reach=1,state=2,safety=3.
func ParseWeights(text string) (Weights, error) {
	w := Weights{}
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		v := Vector(strings.TrimSpace(name))
		var x float64
		if _, err := fmt.Sscanf(strings.TrimSpace(value), "%g", &x); err != nil || !(x >= 0 && x <= 1e6) || !slices.Contains(Vectors(), v) {
			return nil, fmt.Errorf("%q: want %s, each with a weight from 0, such as reach=1,state=2,safety=3", part, joined(Vectors()))
		}
		w[v] = x
	}
	return w, nil
}

// JSON writes the atlas as it is documented.
func (a *Atlas) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(a)
}

// Text writes the atlas for a terminal.
func (a *Atlas) Text(out io.Writer) error {
	b := &strings.Builder{}
	a.textSpeeds(b)
	for _, v := range Vectors() {
		a.textPower(b, v)
	}
	a.textScores(b)
	_, err := io.WriteString(out, b.String())
	return err
}

func (a *Atlas) textSpeeds(b *strings.Builder) {
	b.WriteString("SPEED  what each adds to a request, µs; against the same apparatus without it\n")
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "function\tform\twhere\tp50\t\tCPU\t\tno-op p50\tno-op CPU\tprivate MB\tblocks\t")
	for _, s := range a.Speeds {
		mb := "–"
		if s.PrivateMB != nil {
			mb = fmt.Sprintf("%+.1f", *s.PrivateMB)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d%s\t\n", s.Function, s.Form, cmp.Or(s.Plane, "application"),
			estimate(s.P50), between(s.P50), estimate(s.CPU), between(s.CPU), estimate(s.NoopP50), estimate(s.NoopCPU), mb, s.Blocks, stamp(s))
	}
	_ = w.Flush() // to a Builder, which takes everything
	for _, s := range a.Speeds {
		if s.CPU == nil {
			fmt.Fprintf(b, "  %s: no figure, since too few of its batch's blocks count (%d); give it more --time\n", s.Cell, s.Blocks)
		}
		if s.OneCPU != nil {
			fmt.Fprintf(b, "  %s, against one service: p50 %s %s, CPU %s %s\n", s.Cell, estimate(s.OneP50), between(s.OneP50), estimate(s.OneCPU), between(s.OneCPU))
		}
		if s.Judge != "" {
			fmt.Fprintf(b, "! %s: its judge found: %s\n", s.Cell, s.Judge)
		}
	}
	for _, u := range a.Unweighed {
		fmt.Fprintf(b, "not weighed: %s: %s\n", u.Cell, u.Why)
	}
	b.WriteString("\n")
}

func stamp(s Speed) string {
	if s.Screening {
		return " screening"
	}
	return ""
}

func estimate(x *report.Interval) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf("%+.1f", x.Estimate)
}

func between(x *report.Interval) string {
	if x == nil {
		return ""
	}
	return fmt.Sprintf("(%+.1f to %+.1f)", x.Low, x.High)
}

var marks = map[Verdict]string{Shown: "✓", Refused: "✗", NotTried: "·"}

func (a *Atlas) textPower(b *strings.Builder, v Vector) {
	fmt.Fprintf(b, "POWER  %s: ✓ shown, ✗ refused, · not tried\n", v)
	w := tabwriter.NewWriter(b, 0, 0, 1, ' ', 0)
	for i, ability := range abilities[v] {
		if i == 0 {
			fmt.Fprint(w, "\t")
			for _, p := range a.Powers {
				fmt.Fprintf(w, "%s\t", p.Form)
			}
			fmt.Fprint(w, "\n\t")
			for _, p := range a.Powers {
				fmt.Fprintf(w, "%s\t", p.Plane)
			}
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\t", ability.Name)
		for _, p := range a.Powers {
			fmt.Fprintf(w, "%s\t", marks[p.Vectors[v][i].Verdict])
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // to a Builder, which takes everything
	o := Inclusion(a.Powers, v)
	var front []string
	for _, g := range o.Front {
		front = append(front, strings.Join(names(a.Powers, o.Groups[g]), " = "))
	}
	if len(front) > 0 {
		fmt.Fprintf(b, "no form can do more than: %s\n", strings.Join(front, "; "))
	}
	for _, e := range o.Edges {
		fmt.Fprintf(b, "  %s can do all that %s can, and more\n", strings.Join(names(a.Powers, o.Groups[e.Above]), " = "), strings.Join(names(a.Powers, o.Groups[e.Below]), " = "))
	}
	b.WriteString("\n")
}

func names(ps []Power, group []int) []string {
	all := make([]string, len(group))
	for i, k := range group {
		all[i] = ps[k].Name()
	}
	return all
}

func (a *Atlas) textScores(b *strings.Builder) {
	if len(a.Decisions) > 0 {
		b.WriteString("DECISIONS  how many of the published pairs of requests a type of function tells apart\n")
		for _, d := range a.Decisions {
			fmt.Fprintf(b, "  %s: %d of %d\n", d.Function, d.Distinct, d.Of)
		}
		b.WriteString("\n")
	}
	if len(a.Scores) == 0 {
		return
	}
	fmt.Fprintf(b, "SCORE  by your weights (%v): of each vector the share that was shown\n", a.Weights)
	for _, s := range a.Scores {
		fmt.Fprintf(b, "  %.2f  %s\n", s.Score, Power{Form: s.Form, Plane: s.Plane}.Name())
	}
	b.WriteString("\n")
}
