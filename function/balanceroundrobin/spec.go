package balanceroundrobin

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	// Weights of the replicas, in their order; none: all are alike.
	Weights []int `json:"weights,omitempty" yaml:"weights"`
}

// Replicas is how many replicas there are to balance over.
const Replicas = 3

const heaviest = 128

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if n := len(s.Weights); n != 0 && n != Replicas {
		return nil, fmt.Errorf("balance-round-robin: weights: %d of them, and there are %d replicas", n, Replicas)
	}
	for i, w := range s.Weights {
		if w < 1 || w > heaviest {
			return nil, fmt.Errorf("balance-round-robin: weights[%d]: %d is not between 1 and %d", i, w, heaviest)
		}
	}
	return s, nil
}

// weight is that of a replica.
func (s Spec) weight(i int) int {
	if len(s.Weights) == 0 {
		return 1
	}
	return s.Weights[i]
}

// alike reports whether all weights are the same.
func (s Spec) alike() bool {
	for i := range s.Weights {
		if s.Weights[i] != s.Weights[0] {
			return false
		}
	}
	return true
}
