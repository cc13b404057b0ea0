package split

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is how requests are shared.
type Spec struct {
	// Weights are the services' shares, by their places; they need not add up to 100.
	Weights []int `json:"weights" yaml:"weights"`
	// Sticky is a header whose value decides; empty: none does.
	Sticky string `json:"sticky,omitempty" yaml:"sticky"`
}

// Services is how many services there are to share among.
const Services = 3

// mostWeight keeps sums far from the 32 bits that Envoy has for them.
const mostWeight = 1_000_000

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	s.Sticky = strings.ToLower(s.Sticky)
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s Spec) validate() error {
	if len(s.Weights) < 2 || len(s.Weights) > Services {
		return fmt.Errorf("split: weights: %d are given: want 2 to %d", len(s.Weights), Services)
	}
	for i, w := range s.Weights {
		if w < 0 || w > mostWeight {
			return fmt.Errorf("split: weights[%d]: %d: want 0 to %d", i, w, mostWeight)
		}
	}
	if s.total() == 0 {
		return fmt.Errorf("split: weights: all are 0: no service gets anything")
	}
	if s.Sticky != "" && !isToken(s.Sticky) {
		return fmt.Errorf("split: sticky: %q is no name of a header", s.Sticky)
	}
	return nil
}

func (s Spec) total() (sum int) {
	for _, w := range s.Weights {
		sum += w
	}
	return sum
}

// isToken reports whether the text is a token as RFC 9110 5.6.2 has it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
