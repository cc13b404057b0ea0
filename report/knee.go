package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// Knee is the answer of a knee study: the greatest rate of each treatment under
// the objective. Rates are in requests/s.
type Knee struct {
	Objective  string          `json:"objective"`
	Requests   int             `json:"requests_per_probe"` // that the objective needs, at least
	Lead       float64         `json:"lead"`               // share of a probe that is not judged
	Treatments []KneeTreatment `json:"treatments"`

	objective study.Objective
}

// KneeTreatment is one treatment's knee.
type KneeTreatment struct {
	Name      string  `json:"name"`
	Baseline  *string `json:"baseline"` // what its knee is compared with
	DataPlane *string `json:"dataplane"`
	// Bound is knee, or where none was found: at least, below, unknown.
	Bound string `json:"bound"`
	// Rate is the knee, or the bound; Low and High are its interval.
	Rate     *float64  `json:"rate"`
	Low      *float64  `json:"low"`
	High     *float64  `json:"high"`
	Why      string    `json:"why,omitempty"` // there is a bound, or no interval
	Logistic *float64  `json:"logistic"`      // the knee by a curve through all replicated probes
	Width    *float64  `json:"width"`         // factor from one probe in four missing to three
	Blocks   []int     `json:"blocks"`        // of replicated probes, as in the plan
	PerBlock []float64 `json:"per_block"`     // the knee of each of them
	// GeneratorBusiest is the greatest share of its threads' time that the
	// generator worked up to 1.5 times the knee.
	GeneratorBusiest float64      `json:"generator_busiest"`
	Curve            []CurvePoint `json:"curve"`
	USL              *USL         `json:"usl"` // for display; null without a fit
	Probes           []Probe      `json:"probes"`
}

// CurvePoint is what the probes near one rate gave, as medians over them.
type CurvePoint struct {
	Rate   float64  `json:"rate"`
	Probes int      `json:"probes"` // judged
	Met    int      `json:"met"`
	P50    *float64 `json:"p50_us"`
	P90    *float64 `json:"p90_us"`
	P99    *float64 `json:"p99_us"`
	// Bounded is the quantile that the objective bounds, where it is another one.
	Bounded *float64 `json:"bounded_us,omitempty"`
	CPU     *float64 `json:"cpu_us_per_request"`
	Served  float64  `json:"served"`   // requests/s answered well
	Within  float64  `json:"within"`   // requests under way at a time
	In      float64  `json:"in_mbps"`  // responses, Mb/s
	Out     float64  `json:"out_mbps"` // requests, Mb/s
}

// USL is the Universal Scalability Law through a curve, for display.
type USL struct {
	Lambda float64  `json:"lambda"` // requests/s of one under way
	Sigma  float64  `json:"sigma"`  // contention
	Kappa  float64  `json:"kappa"`  // crosstalk
	Peak   *float64 `json:"peak"`   // requests/s at its top; null: it has none
}

// Probe is one window at one rate.
type Probe struct {
	Block    int     `json:"block"`
	Rate     float64 `json:"rate"`
	Result   string  `json:"result"` // met, missed, overrun, unjudged
	Why      string  `json:"why,omitempty"`
	Requests int     `json:"requests"` // judged
	Errors   float64 `json:"errors"`   // share
}

func (r *Report) addKnee(p *study.Plan, an *experiment.Analysis, blocks []experiment.Block) {
	s := &p.Study
	if s.Design.Name != study.Knee {
		return
	}
	o := s.Design.Objective
	r.Knee = &Knee{Objective: o.String(), Requests: o.Requests(), Lead: study.Lead, objective: o}
	counting := countingIndices(blocks)
	for _, c := range an.Capacities {
		t := KneeTreatment{Name: an.Treatments[c.Treatment].Name, DataPlane: text(s.PlaneOf(c.Treatment)), Bound: string(c.Bound),
			Rate: finite(c.Rate.Estimate), Low: finite(c.Rate.Low), High: finite(c.Rate.High), Why: c.Why,
			Logistic: above(c.Logistic), Width: above(c.Width), Blocks: []int{}, PerBlock: append([]float64{}, c.Blocks...),
			GeneratorBusiest: c.Busiest, Curve: curve(c.Curve, o), USL: usl(c), Probes: []Probe{}}
		if base := s.KneeBaseline(c.Treatment); base >= 0 {
			t.Baseline = text(an.Treatments[base].Name)
		}
		for _, at := range c.Stood {
			t.Blocks = append(t.Blocks, counting[at])
		}
		for _, x := range c.Probes {
			t.Probes = append(t.Probes, Probe{x.Block, x.Rate, string(x.Result), x.Why, x.Requests, x.Errors})
		}
		for _, w := range c.Warnings {
			r.Warnings = append(r.Warnings, t.Name+": "+w.Text)
		}
		r.Knee.Treatments = append(r.Knee.Treatments, t)
	}
	for _, t := range r.Knee.Treatments {
		r.Sentences = append(r.Sentences, r.kneeSentence(t))
	}
}

// countingIndices are the places in the plan of the blocks that count.
func countingIndices(blocks []experiment.Block) []int {
	var is []int
	for _, b := range blocks {
		if b.Void == "" {
			is = append(is, b.Index)
		}
	}
	slices.Sort(is)
	return is
}

// finite is nil for what is no number.
func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

func above(x float64) *float64 {
	if !(x > 0) {
		return nil
	}
	return finite(x)
}

// shown is the quantile that pictures and tables show: the first that the
// objective bounds, else p50.
func shown(o study.Objective) experiment.Endpoint {
	for _, c := range o {
		if c.Quantile > 0 {
			return experiment.Endpoint(c.Name())
		}
	}
	return experiment.P50
}

func curve(points []experiment.CurvePoint, o study.Objective) []CurvePoint {
	out := []CurvePoint{}
	for _, p := range points {
		of := func(e experiment.Endpoint) *float64 {
			if v, ok := p.Values[e]; ok {
				return &v
			}
			return nil
		}
		c := CurvePoint{Rate: p.Rate, Probes: p.Probes, Met: p.Met, P50: of(experiment.P50), P90: of(experiment.P90), P99: of(experiment.P99),
			CPU: of(experiment.CPU), Served: p.Served, Within: p.Within, In: p.In, Out: p.Out}
		if e := shown(o); !slices.Contains([]experiment.Endpoint{experiment.P50, experiment.P90, experiment.P99}, e) {
			c.Bounded = of(e)
		}
		out = append(out, c)
	}
	return out
}

func usl(c experiment.Capacity) *USL {
	if c.USL == nil {
		return nil
	}
	return &USL{c.USL.Lambda, c.USL.Sigma, c.USL.Kappa, finite(c.USL.At(c.USL.Peak()))}
}

// kneeSentence says what a treatment keeps, and against what.
func (r *Report) kneeSentence(t KneeTreatment) string {
	s := fmt.Sprintf("%s keeps %s %s.", t.Name, r.Knee.Objective, t.words())
	for _, c := range r.Comparisons {
		if c.Treatment != t.Name || c.Endpoint != string(experiment.KneeRate) {
			continue
		}
		ratio := ""
		if c.Ratio != nil {
			ratio = fmt.Sprintf(" (%s %% to %s %%)", signed(100*(c.Ratio.Low-1)), signed(100*(c.Ratio.High-1)))
		}
		s += fmt.Sprintf(" Against %s: %s requests/s%s, %s.", c.Baseline, between(c.Interval), ratio, verdictWords(c))
	}
	return s
}

// words says where the knee is.
func (t KneeTreatment) words() string {
	switch {
	case t.Bound == string(experiment.AtLeast):
		return fmt.Sprintf("at least up to %s requests/s: %s", plain(*t.Rate), t.Why)
	case t.Bound == string(experiment.Below):
		return fmt.Sprintf("at no rate from %s requests/s up: %s", plain(*t.Rate), t.Why)
	case t.Rate == nil:
		return "up to a rate that is not known: " + t.Why
	case t.Low == nil:
		return fmt.Sprintf("up to about %s requests/s (%s)", plain(*t.Rate), t.Why)
	}
	return fmt.Sprintf("up to %s requests/s (%s to %s)", plain(*t.Rate), plain(*t.Low), plain(*t.High))
}

func (t *printer) knee(r *Report) {
	k := r.Knee
	if k == nil {
		return
	}
	t.line("KNEE  the greatest rate under %s, %g %% intervals over blocks of fresh processes", k.Objective, 100*r.Level)
	t.table(k.table())
	t.line("A probe is one treatment alone at one rate, Poisson; its first %.0f %% is not judged, the rest holds at least %d requests. Goodput is at the highest rate that was met; CPU is that of proxy and service there, per request.", 100*k.Lead, k.Requests)
	t.line("")
	for _, x := range k.Treatments {
		if len(x.Curve) > 0 {
			t.line("%s BY RATE", strings.ToUpper(x.Name))
			t.table(k.curveTable(x))
			if u := x.USL; u != nil {
				t.line("%s", u.words())
			}
			t.line("")
		}
	}
}

// table is the knees under their heads, as text.
func (k *Knee) table() [][]string {
	rows := [][]string{{"treatment", ">knee /s", ">low", ">high", ">blocks", ">probes", ">in Mb/s", ">out Mb/s", ">CPU µs/req", "what"}}
	for _, t := range k.Treatments {
		in, out, cpu := "–", "–", "–"
		if p := t.highestMet(); p != nil {
			in, out, cpu = plain(p.In), plain(p.Out), number(p.CPU)
		}
		rows = append(rows, []string{t.Name, number(t.Rate), number(t.Low), number(t.High), fmt.Sprint(len(t.Blocks)), fmt.Sprint(len(t.Probes)), in, out, cpu, t.what()})
	}
	return rows
}

// Lines is the table for a page.
func (k *Knee) Lines() [][]Labelled { return labelled(k.table()) }

// KneeCurve is one treatment's figures by rate, for a page.
type KneeCurve struct {
	Title string
	Lines [][]Labelled
	Note  string
}

// Curves are the treatments' figures by rate.
func (k *Knee) Curves() []KneeCurve {
	var out []KneeCurve
	for _, t := range k.Treatments {
		if len(t.Curve) == 0 {
			continue
		}
		c := KneeCurve{Title: t.Name + " by rate", Lines: labelled(k.curveTable(t))}
		if t.USL != nil {
			c.Note = t.USL.words()
		}
		out = append(out, c)
	}
	return out
}

// kneeRows are a row of kind knee for each treatment and one of kind probe for
// each of its probes.
func (r *Report) kneeRows() []csvRow {
	if r.Knee == nil {
		return nil
	}
	var rows []csvRow
	for i, k := range r.Knee.Treatments {
		row := described(r.Treatments[i])
		row["kind"], row["endpoint"], row["unit"], row["baseline"] = "knee", string(experiment.KneeRate), unitPerSecond, value(k.Baseline)
		row["verdict"], row["why"] = k.Bound, k.Why
		for column, v := range map[string]*float64{"value": k.Rate, "low": k.Low, "high": k.High} {
			if v != nil {
				row[column] = exact(*v)
			}
		}
		rows = append(rows, row)
		for _, p := range k.Probes {
			row := described(r.Treatments[i])
			row["kind"], row["endpoint"], row["unit"], row["block"] = "probe", "rate", unitPerSecond, strconv.Itoa(p.Block)
			row["value"], row["verdict"], row["why"] = exact(p.Rate), p.Result, p.Why
			rows = append(rows, row)
		}
	}
	return rows
}

// highestMet is the point of the curve with the greatest rate at which most
// probes met the objective.
func (t KneeTreatment) highestMet() *CurvePoint {
	for i := len(t.Curve) - 1; i >= 0; i-- {
		if p := &t.Curve[i]; 2*p.Met > p.Probes {
			return p
		}
	}
	return nil
}

// what is the kind of figure in a few words.
func (t KneeTreatment) what() string {
	switch t.Bound {
	case string(experiment.Exact):
		if t.Low == nil {
			return t.Why
		}
		return "knee"
	case string(experiment.AtLeast):
		return "AT LEAST: " + t.Why
	case string(experiment.Below):
		return "BELOW: " + t.Why
	}
	return "UNKNOWN: " + t.Why
}

// curveTable is one treatment's figures by rate.
func (k *Knee) curveTable(t KneeTreatment) [][]string {
	head := []string{">rate /s", ">met", ">p50 µs", ">p90 µs", ">p99 µs", ">CPU µs/req", ">served /s", ">under way", ">in Mb/s", ">out Mb/s"}
	other := slices.ContainsFunc(t.Curve, func(p CurvePoint) bool { return p.Bounded != nil })
	if other {
		head = slices.Insert(head, 5, ">"+string(shown(k.objective))+" µs")
	}
	rows := [][]string{head}
	for _, p := range t.Curve {
		row := []string{plain(p.Rate), fmt.Sprintf("%d of %d", p.Met, p.Probes), number(p.P50), number(p.P90), number(p.P99), number(p.CPU), plain(p.Served), plain(p.Within), plain(p.In), plain(p.Out)}
		if other {
			row = slices.Insert(row, 5, number(p.Bounded))
		}
		rows = append(rows, row)
	}
	return rows
}

func (u *USL) words() string {
	peak := "no top"
	if u.Peak != nil {
		peak = plain(*u.Peak) + " requests/s at its top"
	}
	return fmt.Sprintf("Universal Scalability Law, for display: λ %s requests/s, σ %.3g, κ %.3g, %s", plain(u.Lambda), u.Sigma, u.Kappa, peak)
}
