package experiment

import (
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// Forecast is what the function's model says of a plan before it runs.
type Forecast struct {
	// It covers every phase but enforcement, the windows of a closed loop, which
	// have no schedule, and probes, whose rates are chosen later: those are judged when they have been.
	Lowest    float64 `json:"lowest"`    // smallest share of its allowance that any user is left with
	Refused   int     `json:"refused"`   // requests that would be refused in phases that measure overhead
	Callers   int     `json:"callers"`   // users that hold state in one block and treatment, at most
	Block     int     `json:"block"`     // where the lowest is
	Treatment string  `json:"treatment"` // likewise
	User      string  `json:"user"`      // likewise
}

// Headroom is the level below which a plan is refused: a user that near to its
// limit would soon be refused by a schedule that runs a little late.
const Headroom = 0.20

// Forecast runs the model over every request that the plan will send before
// the enforcement phase, phases end to end (the pauses between them would only
// refill). Nil without a function that limits anything.
func (a *Apparatus) Forecast() (*Forecast, error) {
	f := &Forecast{Lowest: 1}
	asked := false
	for _, b := range a.Plan.Blocks {
		for _, i := range a.Plan.Arms(b.Index) {
			limits := slices.DeleteFunc(slices.Clone(a.carried[i]), func(c carried) bool { return c.function.Forecast == nil })
			if len(limits) == 0 {
				continue
			}
			asked = true
			arrivals, err := a.arrivals(b, i)
			if err != nil {
				return nil, err
			}
			for _, c := range limits {
				if err := f.add(c, b.Index, a.Topologies[i].Name, arrivals); err != nil {
					return nil, err
				}
			}
		}
	}
	if !asked {
		return nil, nil
	}
	return f, nil
}

// add runs the model of a function over a treatment's arrivals in a block.
func (f *Forecast) add(c carried, block int, treatment string, arrivals []function.Arrival) error {
	one, err := c.function.Forecast(c.spec, arrivals)
	if err != nil {
		return fmt.Errorf("forecast block %d of %s: %w", block, treatment, err)
	}
	f.Refused += one.Refused
	f.Callers = max(f.Callers, one.Callers)
	if one.Lowest < f.Lowest {
		f.Lowest, f.Block, f.Treatment, f.User = one.Lowest, block, treatment, one.Who.User
	}
	return nil
}

// Check refuses a plan whose overhead figures would be invalid.
func (f *Forecast) Check() error {
	if f == nil || (f.Refused == 0 && f.Lowest >= Headroom) {
		return nil
	}
	return fmt.Errorf("the load is too near to the function's limits: user %s would be left with %.0f %% of its allowance in block %d of %s (want at least %.0f %%), %d requests would be refused where overhead is measured; use more users, a lower rate or shorter phases",
		f.User, 100*f.Lowest, f.Block, f.Treatment, 100*Headroom, f.Refused)
}

// arrivals lists the requests of a block to treatment i before enforcement.
// Which treatment is the heaviest is not known yet, so each is taken to be it.
func (a *Apparatus) arrivals(b study.Block, i int) ([]function.Arrival, error) {
	var all []function.Arrival
	var start time.Duration
	arms := a.Plan.Arms(b.Index)
	for _, p := range b.Phases {
		if p.Kind == study.Enforce || p.Kind == study.Closed || p.Kind == study.Probe {
			break
		}
		if p.Heaviest && len(p.Targets) == 0 {
			p.Targets = []int{i}
		}
		if p.Kind == study.Idle || !slices.Contains(p.Targets, i) {
			continue
		}
		s, err := load.NewSchedule(a.loadOf(p, arms), len(arms), a.Population)
		if err != nil {
			return nil, fmt.Errorf("schedule the %s phase of block %d: %w", p.Kind, b.Index, err)
		}
		var last time.Duration
		for {
			x, ok := s.Next()
			if !ok {
				break
			}
			last = x.At
			if arms[x.Target] == i {
				all = append(all, function.Arrival{At: start + x.At, Path: a.path(), Caller: a.callers[x.User]})
			}
		}
		start += last
	}
	return all, nil
}
