package discovery

import (
	"fmt"
	"slices"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	// Present are the replicas that there are, by place; none means all.
	Present []int `json:"present,omitempty" yaml:"present"`
}

// Replicas is how many replicas there can be.
const Replicas = 3

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	for i, r := range s.Present {
		if r < 0 || r >= Replicas || slices.Contains(s.Present[:i], r) {
			return nil, fmt.Errorf("discovery: present[%d]: %d is given twice or is no replica: there are %d, from 0", i, r, Replicas)
		}
	}
	return s, nil
}

func (s Spec) present(replica int) bool {
	return len(s.Present) == 0 || slices.Contains(s.Present, replica)
}
