package comparison

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
)

// HistoryFormat is the version of a history's JSON.
const HistoryFormat = "history/1"

// historyLevel is that of all change points of a history together.
const historyLevel = 0.95

// History is one study over its results, oldest first.
type History struct {
	Format string   `json:"tare"` // HistoryFormat
	Study  string   `json:"study"`
	Points []Point  `json:"results"`
	Breaks []Break  `json:"breaks"`
	Level  float64  `json:"level"` // of all change points together
	Series []Series `json:"series"`
	// Skipped are results that have nothing to show, with why.
	Skipped []string `json:"skipped,omitempty"`
}

// Point is one result of a history.
type Point struct {
	Side
	// Segment counts the breaks before it: only within one are results comparable.
	Segment int `json:"segment"`
}

// Break is a place where results stop being comparable.
type Break struct {
	Before string       `json:"before"` // the first result after it
	Why    []Difference `json:"why"`
}

// Series is one figure over the results.
type Series struct {
	Kind      Kind       `json:"kind"`
	Treatment string     `json:"treatment"`
	Baseline  *string    `json:"baseline"` // null for own figures
	Endpoint  string     `json:"endpoint"`
	Unit      string     `json:"unit"`
	Values    []*float64 `json:"values"` // one for each result; null where it has none
	Halves    []*float64 `json:"half_widths"`
	Changes   []Change   `json:"changes"`
}

// Change is a place where the level of a series changed.
type Change struct {
	At     string  `json:"at"` // the first result after it
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Interval
}

// Asked is what a history shows; empty fields: everything.
type Asked struct{ Treatment, Endpoint string }

// Tracer takes the results of one study, one at a time and in any order, so
// that their samples need not be in memory together.
type Tracer struct {
	asked   Asked
	results []traced
	skipped []string
}

// traced is what is kept of a result.
type traced struct {
	*Result
	figures map[figureKey]figureValue
}

type figureKey struct {
	kind                Kind
	treatment, baseline string
	endpoint            experiment.Endpoint
}

type figureValue struct{ value, half float64 }

// NewTracer makes a history of what is asked.
func NewTracer(asked Asked) (*Tracer, error) {
	if asked.Endpoint != "" && !slices.Contains(GateEndpoints(), asked.Endpoint) {
		return nil, fmt.Errorf("endpoint %q has no history (those that have: %s)", asked.Endpoint, strings.Join(GateEndpoints(), ", "))
	}
	return &Tracer{asked: asked}, nil
}

// Add takes one result.
func (t *Tracer) Add(r *Result) {
	figures := map[figureKey]figureValue{}
	for _, c := range r.Analysis.Comparisons {
		key := figureKey{Apart, r.Analysis.Treatments[c.Treatment].Name, r.Analysis.Treatments[c.Baseline].Name, c.Endpoint}
		if t.wants(r, c.Treatment, c.Endpoint) {
			figures[key] = figureValue{c.Difference.Estimate, c.Difference.Half()}
		}
	}
	for _, i := range r.treatments() {
		for _, e := range compared() {
			vs := r.own(i, e)
			if len(vs) == 0 || !t.wants(r, i, e) {
				continue
			}
			v := figureValue{value: *mean(vs)}
			if one, err := stat.PairedT(vs, r.Plan.Rule.Level); err == nil {
				v.half = one.Half()
			}
			figures[figureKey{Own, r.Analysis.Treatments[i].Name, "", e}] = v
		}
	}
	if len(figures) == 0 {
		t.LeaveOut(r.ID, "it has no figure of what is asked")
		return
	}
	t.results = append(t.results, traced{r, figures})
}

// LeaveOut notes a result that could not be read.
func (t *Tracer) LeaveOut(id, why string) { t.skipped = append(t.skipped, id+": "+why) }

func (t *Tracer) wants(r *Result, i int, e experiment.Endpoint) bool {
	return slices.Contains(compared(), e) && (t.asked.Endpoint == "" || t.asked.Endpoint == string(e)) &&
		(t.asked.Treatment == "" || r.named(i, t.asked.Treatment))
}

// History gives the history of what was added. Without a result it is ErrEmpty.
func (t *Tracer) History() (*History, error) {
	if len(t.results) == 0 {
		return nil, fmt.Errorf("make a history: %w%s", ErrEmpty, because(t.skipped))
	}
	slices.SortStableFunc(t.results, func(a, b traced) int {
		return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
	})
	h := &History{Format: HistoryFormat, Study: t.results[0].Plan.Study.Name, Level: historyLevel, Points: []Point{}, Breaks: []Break{}, Series: []Series{}, Skipped: t.skipped}
	segment := 0
	for k, r := range t.results {
		if k > 0 {
			if why := breaking(differ(t.results[k-1].Result, r.Result, nil)); len(why) > 0 {
				segment++
				h.Breaks = append(h.Breaks, Break{r.ID, why})
			}
		}
		h.Points = append(h.Points, Point{r.side(), segment})
	}
	keys := t.keys()
	for _, k := range keys {
		one, err := t.series(k, h.Points, 1-(1-historyLevel)/float64(len(keys)))
		if err != nil {
			return nil, fmt.Errorf("make a history: %s of %s: %w", k.endpoint, k.treatment, err)
		}
		h.Series = append(h.Series, one)
	}
	return h, nil
}

func because(skipped []string) string {
	if len(skipped) == 0 {
		return ""
	}
	return " (" + strings.Join(skipped, "; ") + ")"
}

// keys lists every series, those of the newest result first, in its order.
func (t *Tracer) keys() []figureKey {
	var keys []figureKey
	for k := range slices.Backward(t.results) {
		var more []figureKey
		for key := range t.results[k].figures {
			if !slices.Contains(keys, key) {
				more = append(more, key)
			}
		}
		s := &t.results[k].Plan.Study
		slices.SortFunc(more, func(a, b figureKey) int {
			return cmp.Or(strings.Compare(string(a.kind), string(b.kind)), s.Index(a.treatment)-s.Index(b.treatment),
				s.Index(a.baseline)-s.Index(b.baseline), slices.Index(compared(), a.endpoint)-slices.Index(compared(), b.endpoint))
		})
		keys = append(keys, more...)
	}
	return keys
}

func (t *Tracer) series(key figureKey, points []Point, level float64) (Series, error) {
	s := Series{Kind: key.kind, Treatment: key.treatment, Endpoint: string(key.endpoint), Unit: unit(key.endpoint), Changes: []Change{}}
	if key.baseline != "" {
		s.Baseline = &key.baseline
	}
	var values []float64 // of one segment
	var at []int
	flush := func() error {
		changes, err := stat.ChangePoints(values, level)
		for _, c := range changes {
			s.Changes = append(s.Changes, Change{At: points[at[c.At]].ID, Before: c.Before, After: c.After, Interval: *interval(c.Difference)})
		}
		values, at = nil, nil
		if errors.Is(err, stat.ErrNoSpread) || errors.Is(err, stat.ErrTooFew) {
			return nil
		}
		return err
	}
	for k, r := range t.results {
		if k > 0 && points[k].Segment != points[k-1].Segment {
			if err := flush(); err != nil {
				return s, err
			}
		}
		v, has := r.figures[key]
		if !has {
			s.Values, s.Halves = append(s.Values, nil), append(s.Halves, nil)
			continue
		}
		s.Values, s.Halves = append(s.Values, &v.value), append(s.Halves, &v.half)
		values, at = append(values, v.value), append(at, k)
	}
	return s, flush()
}

// Text prints the history for a terminal: a spark line for each series, then
// the results.
func (h *History) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s: %d results, %s to %s\n", h.Study, len(h.Points), h.Points[0].Started.Format(time.DateTime), h.Points[len(h.Points)-1].Started.Format(time.DateTime))
	t := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TREATMENT\tAGAINST\tBY\tOLDEST\tNEWEST\tOVER TIME\tCHANGES")
	for _, s := range h.Series {
		against := "–"
		if s.Baseline != nil {
			against = *s.Baseline
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Treatment, against, s.Endpoint, s.figure(0), s.figure(len(h.Points)-1), s.spark(h), s.changes())
	}
	p.keep(t.Flush())
	p.line("\nRESULTS")
	for k, at := range h.Points {
		if k > 0 && at.Segment != h.Points[k-1].Segment {
			p.line("  ── not comparable with those before: %s", h.why(at.ID))
		}
		p.line("  %s  %s  %s, %d blocks, tare %s", at.ID, at.Started.Format(time.DateTime), at.State, at.Blocks, orNone(at.Tare))
	}
	for _, s := range h.Skipped {
		p.line("left out: %s", s)
	}
	return p.err
}

func (h *History) why(id string) string {
	for _, b := range h.Breaks {
		if b.Before == id {
			var all []string
			for _, d := range b.Why {
				all = append(all, d.String())
			}
			return strings.Join(all, "; ")
		}
	}
	return ""
}

func (s Series) figure(k int) string { return figure(s.Values[k], s.Unit) }

func (s Series) changes() string {
	var out []string
	for _, c := range s.Changes {
		out = append(out, fmt.Sprintf("%s at %s", signed(c.Estimate, s.Unit), c.At))
	}
	return orNone(strings.Join(out, ", "))
}

var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws the values, a stroke at every break and a dot where one is missing.
func (s Series) spark(h *History) string {
	low, high, any := 0.0, 0.0, false
	for _, v := range s.Values {
		if v != nil && !any {
			low, high, any = *v, *v, true
		}
		if v != nil {
			low, high = min(low, *v), max(high, *v)
		}
	}
	var out strings.Builder
	for k, v := range s.Values {
		if k > 0 && h.Points[k].Segment != h.Points[k-1].Segment {
			out.WriteRune('|')
		}
		switch {
		case v == nil:
			out.WriteRune('·')
		case high == low:
			out.WriteRune(bars[len(bars)/2])
		default:
			out.WriteRune(bars[min(len(bars)-1, int((*v-low)/(high-low)*float64(len(bars))))])
		}
	}
	return out.String()
}
