package bodylimit

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of the limit.
type Spec struct {
	// Bytes is how long a body may be.
	Bytes int `json:"bytes" yaml:"bytes"`
}

// most is the longest limit: bodies are held in memory.
const most = 1 << 30

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Bytes < 1 || s.Bytes > most {
		return nil, fmt.Errorf("body-limit: bytes: %d is not between 1 and %d", s.Bytes, most)
	}
	return s, nil
}
