package outlierdetection

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	// Failures in a row that eject.
	Failures int `json:"failures" yaml:"failures"`
	// Ejection is how long the first one lasts; the second twice as long ….
	Ejection function.Duration `json:"ejection" yaml:"ejection"`
	// Review is how often it is looked who may come back.
	Review function.Duration `json:"review" yaml:"review"`
	// MostOut is how many percent of the replicas may be out; 0 means 100.
	MostOut int `json:"most_out,omitempty" yaml:"most_out"`
}

// Replicas is how many replicas there are to balance over.
const Replicas = 3

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Failures: 5, Ejection: function.Duration(30 * time.Second), Review: function.Duration(10 * time.Second)}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	switch {
	case s.Failures < 1 || s.Failures > 1000:
		return nil, fmt.Errorf("outlier-detection: failures: %d is not between 1 and 1000", s.Failures)
	case s.Ejection.Std() < time.Millisecond || s.Ejection.Std() > 5*time.Minute:
		return nil, fmt.Errorf("outlier-detection: ejection: %v is not between 1ms and 5m", s.Ejection)
	case s.Review.Std() < time.Millisecond || s.Review.Std() > 5*time.Minute:
		return nil, fmt.Errorf("outlier-detection: review: %v is not between 1ms and 5m", s.Review)
	case s.MostOut < 0 || s.MostOut > 100:
		return nil, fmt.Errorf("outlier-detection: most_out: %d is not between 0 and 100", s.MostOut)
	}
	return s, nil
}

func (s Spec) mostOut() int {
	if s.MostOut == 0 {
		return 100
	}
	return s.MostOut
}
