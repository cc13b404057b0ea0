package loadreport

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// poissonDistance is what stat.PoissonTest lets pass.
const poissonDistance = 0.02

// arrivals holds what was sent against the process that the load asked for.
type arrivals struct {
	load  load.Load
	first time.Duration // of the schedule's first arrival
	began time.Duration // of the schedule, since the session's epoch
	begun bool
	why   string // it cannot be tested
	test  stat.PoissonTest
}

func newArrivals(l load.Load, p load.Population) *arrivals {
	a := &arrivals{load: l}
	switch {
	case l.Closed:
		a.why = "a closed loop has no schedule"
	case l.Trace != nil:
		a.why = "a trace was played back, of no process that is known"
	case cmp.Or(l.Arrivals, load.Poisson) != load.Poisson:
		a.why = fmt.Sprintf("arrivals were to be %s, not Poisson", l.Arrivals)
	}
	if a.why != "" {
		return a
	}
	s, err := load.NewSchedule(l, 1, p)
	if err != nil {
		a.why = err.Error()
		return a
	}
	first, _ := s.Next() // a schedule without arrivals has no samples either
	a.first = first.At
	return a
}

// take follows the requests in the order of their intended times.
func (a *arrivals) take(s *load.Sample) {
	if a.why != "" {
		return
	}
	if !a.begun {
		a.began, a.begun = s.Intended-a.first, true
	}
	a.test.Add(a.load.Expected(s.Written - a.began))
}

// check says how far what was sent is from a Poisson process.
func (a *arrivals) check() Check {
	const name, unit = "arrivals", "distance"
	if a.why != "" {
		return unknown(name, unit, a.why)
	}
	p, err := a.test.Result()
	if err != nil {
		return unknown(name, unit, err.Error())
	}
	limit := poissonDistance
	c := Check{Name: name, State: OK, Figure: &p.Distance, Limit: &limit, Unit: unit,
		Words: fmt.Sprintf("as sent, they are a Poisson process: distance %.3f, dispersion %.2f, lag %.2f", p.Distance, p.Dispersion, p.Lag)}
	if len(p.Faults) > 0 {
		c.State, c.Words = Failed, "as sent, they are no Poisson process: "+strings.Join(p.Faults, "; ")
	}
	return c
}
