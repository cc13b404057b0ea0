package timeout

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of the timeout.
type Spec struct {
	// Timeout is how long a response may take, to its end.
	Timeout function.Duration `json:"timeout" yaml:"timeout"`
}

// The shortest and the longest timeout: Envoy counts in milliseconds, and takes
// 0 for none.
const (
	shortest = time.Millisecond
	longest  = 24 * time.Hour
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	switch d := s.Timeout.Std(); {
	case d == 0:
		return nil, fmt.Errorf("timeout: timeout: is needed, as in 250ms")
	case d < shortest || d > longest:
		return nil, fmt.Errorf("timeout: timeout: %v is not between %v and %v", d, shortest, longest)
	case d%time.Millisecond != 0:
		return nil, fmt.Errorf("timeout: timeout: %v is not in whole milliseconds", d)
	}
	return s, nil
}
