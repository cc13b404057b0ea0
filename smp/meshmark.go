package smp

import (
	"fmt"
	"math"
	"strconv"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
)

// IndexFormat is the version of the index: its classes, its weights and its
// cost table. The published MeshMark gives none of them.
const IndexFormat = "tare-meshmark/1"

// The utilisation classes.
const (
	ClassCPU    = "cpu"
	ClassMemory = "memory"
)

// Classes lists the utilisation classes; a score needs data in each.
func Classes() []string { return []string{ClassCPU, ClassMemory} }

// units are what the classes' figures are in.
var units = map[string]string{ClassCPU: "cores", ClassMemory: "MB"}

// mostWeight is how far a use may count more or less than another.
const mostWeight = 0.5

// Use is one process's use of one resource.
type Use struct {
	Role     string  `json:"role"`     // proxy, service
	Used     float64 `json:"used"`     // in the class's unit
	Assigned float64 `json:"assigned"` // 0: nobody said
	Source   string  `json:"source"`   // of assigned
	Weight   float64 `json:"weight"`   // −0.5 to 0.5
	// Efficiency is 1 − used ÷ assigned, between 0 and 1; null without assigned.
	Efficiency *float64 `json:"efficiency"`
}

// Class is one utilisation class of a treatment.
type Class struct {
	Name  string   `json:"name"`
	Unit  string   `json:"unit"`
	Value *float64 `json:"value"`         // 0 to 1
	Why   string   `json:"why,omitempty"` // of a null value
	Uses  []Use    `json:"uses"`
}

// Cost is what a treatment takes against its baseline. The index alone rewards
// whoever is assigned much and does nothing.
type Cost struct {
	What       string   `json:"what"`
	Unit       string   `json:"unit"`
	Treatment  *float64 `json:"treatment"`
	Baseline   *float64 `json:"baseline"`
	Difference *float64 `json:"difference"`
	Low        *float64 `json:"low,omitempty"`
	High       *float64 `json:"high,omitempty"`
	Verdict    string   `json:"verdict,omitempty"`
}

// Index is the MeshMark of one treatment with all that it was computed from.
type Index struct {
	Format    string   `json:"meshmark"`
	ID        string   `json:"id"`
	Treatment string   `json:"treatment"`
	Baseline  string   `json:"baseline,omitempty"`
	Score     *float64 `json:"score"`         // 0 to 100
	Why       string   `json:"why,omitempty"` // of a null score
	Classes   []Class  `json:"classes"`
	Cost      []Cost   `json:"cost"` // empty without a baseline
}

// Terms are what a user says beside a result: what is assigned to each process
// (cores, MB) and how much its use counts. A term without a role is for all.
type Terms struct {
	Assigned []Term
	Weights  []Term
}

// Term is a value for a class, or for one role in it.
type Term struct {
	Class, Role string
	Value       float64
}

// of returns the value for a use: the last term that names its role, else the
// last of its class.
func of(terms []Term, class, role string) (float64, bool) {
	value, found, exact := 0.0, false, false
	for _, t := range terms {
		if t.Class == class && (t.Role == role || t.Role == "" && !exact) {
			value, found, exact = t.Value, true, t.Role == role
		}
	}
	return value, found
}

// Check refuses terms that mean nothing.
func (t Terms) Check() error {
	for _, a := range t.Assigned {
		if units[a.Class] == "" {
			return fmt.Errorf("assigned %s: unknown class (known: %s, %s)", a.Class, ClassCPU, ClassMemory)
		}
		if !(a.Value > 0) || math.IsInf(a.Value, 0) {
			return fmt.Errorf("assigned %s: %v is not above 0", a.Class, a.Value)
		}
	}
	for _, w := range t.Weights {
		if units[w.Class] == "" {
			return fmt.Errorf("weight of %s: unknown class (known: %s, %s)", w.Class, ClassCPU, ClassMemory)
		}
		if !(math.Abs(w.Value) <= mostWeight) {
			return fmt.Errorf("weight of %s: %v is not between -0.5 and 0.5", w.Class, w.Value)
		}
	}
	return nil
}

// Meshmark computes the index of every treatment of a report.
func Meshmark(r *report.Report, e experiment.Experiment, blocks []experiment.Block, terms Terms) ([]Index, error) {
	if err := terms.Check(); err != nil {
		return nil, fmt.Errorf("MeshMark of %s: %w", r.ID, err)
	}
	m := marker{exporter{report: r, experiment: e, study: &e.Plan.Study, tallies: tally(e, blocks)}, terms}
	var out []Index
	classes := map[string][]Class{}
	for _, t := range r.Treatments {
		cs := m.classes(t)
		classes[t.Name] = cs
		x := Index{Format: IndexFormat, ID: r.ID, Treatment: t.Name, Classes: cs, Cost: []Cost{}}
		x.Score, x.Why = Score(cs)
		if t.Baseline != nil {
			x.Baseline = *t.Baseline
			x.Cost = m.cost(t, cs, classes[*t.Baseline])
		}
		out = append(out, x)
	}
	return out, nil
}

type marker struct {
	exporter
	terms Terms
}

// Score is 100 times the mean of the classes' values; null where one has none.
func Score(classes []Class) (*float64, string) {
	if len(classes) == 0 {
		return nil, "no classes"
	}
	sum := 0.0
	for _, c := range classes {
		if c.Value == nil {
			return nil, fmt.Sprintf("class %s has no data: %s", c.Name, c.Why)
		}
		sum += *c.Value
	}
	score := 100 * sum / float64(len(classes))
	return &score, ""
}

// NewClass computes a class of its uses: Σ(1+w)·efficiency ÷ Σ(1+w).
func NewClass(name string, uses []Use) Class {
	c := Class{Name: name, Unit: units[name], Uses: uses}
	if len(uses) == 0 {
		c.Why = "no process was measured"
		return c
	}
	var sum, weights float64
	for i := range c.Uses {
		u := &c.Uses[i]
		if !(u.Assigned > 0) {
			c.Why = fmt.Sprintf("nobody said how much %s is assigned to the %s; give --assigned %s.%s=…", name, u.Role, name, u.Role)
			return c
		}
		efficiency := min(max(1-u.Used/u.Assigned, 0), 1)
		u.Efficiency = &efficiency
		sum += (1 + u.Weight) * efficiency
		weights += 1 + u.Weight
	}
	value := sum / weights
	c.Value = &value
	return c
}

func (m marker) classes(t report.Treatment) []Class {
	uses := map[string][]Use{}
	for _, u := range t.Parts {
		cores := max(0, u.PerRequest*m.tallies[m.study.Index(t.Name)].perSecond()/1e6+u.IdleCores)
		for _, x := range []struct {
			class string
			used  float64
		}{{ClassCPU, cores}, {ClassMemory, u.RSSMB}} {
			assigned, source := m.assigned(t, x.class, u.Role)
			weight, _ := of(m.terms.Weights, x.class, u.Role)
			uses[x.class] = append(uses[x.class], Use{Role: u.Role, Used: x.used, Assigned: assigned, Source: source, Weight: weight})
		}
	}
	var out []Class
	for _, name := range Classes() {
		out = append(out, NewClass(name, uses[name]))
	}
	return out
}

// assigned is what a process may use, and who says so.
func (m marker) assigned(t report.Treatment, class, role string) (float64, string) {
	if v, ok := of(m.terms.Assigned, class, role); ok {
		return v, "--assigned"
	}
	if class == ClassMemory {
		if limit := m.report.Environment.MemoryLimit; limit > 0 {
			return float64(limit) / 1e6, "the memory limit of tare's control group, which all processes share"
		}
		return 0, "not said"
	}
	if role == "proxy" {
		n := int(m.proxies() * m.workers(t))
		return within(t, n), fmt.Sprintf("worker threads (%d) × 1 core", n)
	}
	replicas := max(1, atoi(t.Set["replicas"]))
	return within(t, replicas), fmt.Sprintf("processes (%d) × 1 worker thread × 1 core", replicas)
}

// within holds threads to the cores that a treatment's processes may run on.
func within(t report.Treatment, threads int) float64 {
	if cores := atoi(t.Set["cores"]); cores > 0 {
		return float64(min(threads, cores))
	}
	return float64(threads)
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// cost is the table beside the index: what was used and what was assigned,
// against the baseline, and the report's own comparisons.
func (m marker) cost(t report.Treatment, own, base []Class) []Cost {
	var out []Cost
	for i, c := range own {
		used, assigned := totals(c)
		var usedThere, assignedThere *float64
		if i < len(base) {
			usedThere, assignedThere = totals(base[i])
		}
		out = append(out, difference(c.Name+" used", c.Unit, used, usedThere), difference(c.Name+" assigned", c.Unit, assigned, assignedThere))
	}
	for _, c := range m.report.Comparisons {
		if c.Treatment != t.Name || c.Baseline != *t.Baseline {
			continue
		}
		estimate, low, high := c.Estimate, c.Low, c.High
		words := c.Verdict
		if c.Direction != nil {
			words += ", " + *c.Direction
		}
		out = append(out, Cost{What: c.Endpoint, Unit: c.Unit, Treatment: m.figure(t.Name, c.Endpoint), Baseline: m.figure(c.Baseline, c.Endpoint),
			Difference: &estimate, Low: &low, High: &high, Verdict: words})
	}
	return out
}

// figure is a treatment's own by an endpoint; null where the report has none.
func (m marker) figure(treatment, endpoint string) *float64 {
	for _, t := range m.report.Treatments {
		if t.Name == treatment {
			return map[string]*float64{"p50": t.P50, "p90": t.P90, "p99": t.P99, "cpu": t.CPU, "throughput": t.Throughput}[endpoint]
		}
	}
	return nil
}

// totals are what a class's processes used and were assigned together; null
// where somebody was assigned nothing known.
func totals(c Class) (used, assigned *float64) {
	if len(c.Uses) == 0 {
		return nil, nil
	}
	var u, a float64
	known := true
	for _, x := range c.Uses {
		u += x.Used
		a += x.Assigned
		known = known && x.Assigned > 0
	}
	if !known {
		return &u, nil
	}
	return &u, &a
}

func difference(what, unit string, here, there *float64) Cost {
	c := Cost{What: what, Unit: unit, Treatment: here, Baseline: there}
	if here != nil && there != nil {
		d := *here - *there
		c.Difference = &d
	}
	return c
}
