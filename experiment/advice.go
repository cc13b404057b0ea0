package experiment

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/taremesh/tare/study"
)

// Trial tries the talk's advice on a histogram: the largest bucket's count
// divided by the cores, as the number of connections of a treatment.
type Trial struct {
	// Study has the same load: the treatment with its own number of connections
	// and with the tried one, interleaved, and an A/A copy of the first.
	Study     study.Study
	Own       int // connections
	Suggested float64
	Tried     int
	// Bounded says why Tried is not Suggested to the nearest whole number;
	// empty: it is.
	Bounded string
}

// trialLatency is the greatest length of a trial's latency phase, unless a
// treatment needs more to have p50Requests in it: many short blocks beat few
// long ones.
const (
	trialLatency = 3 * time.Second
	p50Requests  = 220
)

func trialPhase(asked time.Duration, rate study.Rate) time.Duration {
	needed := time.Duration(p50Requests / float64(rate) * float64(time.Second))
	return max(min(asked, trialLatency), needed)
}

// NewTrial makes the study that tries the advice on a treatment of a plan.
func NewTrial(p *study.Plan, treatment string, suggested float64) (*Trial, error) {
	st := &p.Study
	i := st.Index(treatment)
	if i >= 0 && st.Treatments[i].Control == study.AA {
		i = st.Index(st.Treatments[i].Baseline)
	}
	switch {
	case i < 0 || !st.Stands(i):
		return nil, fmt.Errorf("try the advice on %q: no treatment of that name stood", treatment)
	case st.Treatments[i].Level.Closed:
		return nil, fmt.Errorf("try the advice on %s: in a closed loop the connections are the load itself; name a treatment with a rate", treatment)
	}
	t := &Trial{Own: connectionsOf(st, i), Suggested: suggested}
	t.Tried, t.Bounded = acceptable(suggested)
	if t.Tried == t.Own {
		return nil, fmt.Errorf("try the advice on %s: it suggests the %d connections that the treatment has", treatment, t.Own)
	}
	steps := trialSteps(st, i)
	of := steps[len(steps)-1].Name
	load, margin := st.Load, st.Margin
	margin.Rate = study.Margin{} // of closed loops, which a trial has none of
	load.Rate, load.Connections, load.DefaultRate, load.Lowered = rateOf(st, i), t.Own, false, ""
	t.Study = study.Study{
		Format: study.Format, Name: cut("advice-" + treatment), Testbed: st.Testbed, Workload: st.Workload, Function: st.Function, Load: load, Treatments: steps, Margin: margin,
		Question:  fmt.Sprintf("Does %s answer sooner on average with %d connections than with %d?", treatment, t.Tried, t.Own),
		DataPlane: st.DataPlane[:1],
		Factors:   study.Factors{{Name: "connections", Levels: []string{strconv.Itoa(t.Own), strconv.Itoa(t.Tried)}}},
		Endpoints: []string{study.EndpointMean},
		Design: study.Design{Name: study.Sweep, Of: of, Warmup: st.Design.Warmup, Idle: st.Design.Idle, Latency: trialPhase(st.Design.Latency, load.Rate),
			ControlEvery: -1, Stop: study.StopFixed},
	}
	if plane := st.PlaneOf(i); plane != "" {
		t.Study.DataPlane = study.Planes{plane}
	}
	return t, nil
}

// acceptable is a suggestion as a number of connections that a study accepts.
func acceptable(suggested float64) (connections int, why string) {
	switch {
	case suggested > study.MaxConnections:
		return study.MaxConnections, fmt.Sprintf("%.0f were suggested, and a treatment has at most %d", suggested, study.MaxConnections)
	case suggested < .5:
		return 1, fmt.Sprintf("%.2f were suggested, and a treatment has at least 1", suggested)
	}
	return int(math.Round(suggested)), ""
}

// connectionsOf is how many connections treatment i has.
func connectionsOf(st *study.Study, i int) int {
	level, set := st.SettingsOf(i).Level("connections")
	if x, _, ok := st.Number("connections", level); set && ok {
		return int(x)
	}
	return st.Load.Connections
}

// rateOf is the rate that treatment i got.
func rateOf(st *study.Study, i int) study.Rate {
	if l := st.Treatments[i].Level; !l.IsZero() {
		return l.Rate
	}
	return st.RateOf(i)
}

// trialSteps are what treatment i is made of, one thing a step: its ladder as
// in a study file, and then its settings but those of the load.
func trialSteps(st *study.Study, i int) []study.Treatment {
	var steps []study.Treatment
	add := func(t study.Treatment) {
		if n := len(steps); n > 0 {
			t.Baseline = steps[n-1].Name
		}
		steps = append(steps, t)
	}
	for _, j := range st.Ladder(i) {
		t := st.Treatments[j]
		if t.Control == "" && t.Form == "" && t.Workload.IsZero() {
			continue // settings alone
		}
		add(study.Treatment{Name: t.Name, Control: t.Control, Form: t.Form, Site: t.Site, Workload: t.Workload})
	}
	for k, one := range st.SettingsOf(i) {
		if one.Factor != "connections" && one.Factor != "rate" {
			add(study.Treatment{Name: fmt.Sprintf("setting-%d", k+1), Set: study.Settings{one}})
		}
	}
	return steps
}

// longestName is that of a study or treatment.
const longestName = 40

func cut(name string) string { return name[:min(len(name), longestName)] }

// Cells are the treatments of the carried-out trial: with the treatment's own
// number of connections, and with the tried one.
func (t *Trial) Cells(p *study.Plan) (own, tried string) {
	for _, c := range p.Study.Combinations() {
		if name := p.Study.Treatments[c.Treatment].Name; c.Levels[0] == 0 {
			own = name
		} else {
			tried = name
		}
	}
	return own, tried
}
