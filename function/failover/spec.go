package failover

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	// Priorities of the replicas, in their order; 0 is asked first.
	Priorities []int `json:"priorities,omitempty" yaml:"priorities"`
	// Unhealthy are replicas by place, as the control plane knows.
	Unhealthy []int `json:"unhealthy,omitempty" yaml:"unhealthy"`
	// Overprovisioning is how much more than its healthy part a priority bears,
	// in percent.
	Overprovisioning int `json:"overprovisioning,omitempty" yaml:"overprovisioning"`
	// Panic is below how many percent of healthy replicas health is disregarded;
	// 0: never.
	Panic int `json:"panic,omitempty" yaml:"panic"`
}

// Replicas is how many replicas there are to choose between.
const Replicas = 4

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Priorities: []int{0, 0, 1, 1}, Overprovisioning: 140}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if len(s.Priorities) != Replicas {
		return nil, fmt.Errorf("failover: priorities: %d of them, and there are %d replicas", len(s.Priorities), Replicas)
	}
	for p := range slices.Max(s.Priorities) {
		if !slices.Contains(s.Priorities, p) {
			return nil, fmt.Errorf("failover: priorities: none has %d, and one has more", p)
		}
	}
	for i, r := range s.Unhealthy {
		if r < 0 || r >= Replicas || slices.Contains(s.Unhealthy[:i], r) {
			return nil, fmt.Errorf("failover: unhealthy[%d]: %d is given twice or is no replica: there are %d, from 0", i, r, Replicas)
		}
	}
	switch {
	case slices.Min(s.Priorities) < 0:
		return nil, fmt.Errorf("failover: priorities: %d is below 0", slices.Min(s.Priorities))
	case s.Overprovisioning < 100 || s.Overprovisioning > 1000:
		return nil, fmt.Errorf("failover: overprovisioning: %d is not between 100 and 1000", s.Overprovisioning)
	case s.Panic < 0 || s.Panic > 100:
		return nil, fmt.Errorf("failover: panic: %d is not between 0 and 100", s.Panic)
	}
	return s, nil
}

func (s Spec) healthy(replica int) bool { return !slices.Contains(s.Unhealthy, replica) }
