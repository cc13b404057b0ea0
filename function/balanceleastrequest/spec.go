package balanceleastrequest

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	// Choices is how many replicas are drawn for each request; 0 means 2.
	Choices int `json:"choices,omitempty" yaml:"choices"`
}

// Replicas is how many replicas there are to balance over.
const Replicas = 3

// Envoy takes no fewer than two.
const fewest, most = 2, 64

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Choices != 0 && (s.Choices < fewest || s.Choices > most) {
		return nil, fmt.Errorf("balance-least-request: choices: %d is not between %d and %d", s.Choices, fewest, most)
	}
	return s, nil
}

func (s Spec) choices() int {
	if s.Choices == 0 {
		return fewest
	}
	return s.Choices
}
