package mirror

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is how many requests are copied.
type Spec struct {
	Percent int `json:"percent" yaml:"percent"` // 1 to 100, the default
}

// Services is how many services there are: the first answers, the second gets copies.
const Services = 2

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Percent: 100}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s Spec) validate() error {
	if s.Percent < 1 || s.Percent > 100 {
		return fmt.Errorf("mirror: percent: %d: want 1 to 100", s.Percent)
	}
	return nil
}
