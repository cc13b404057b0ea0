package ratelimit

import (
	"fmt"

	"github.com/taremesh/tare/function"
)

// forecast runs the model over arrivals to come, in order of time. A bucket's
// level counts after each arrival it served, and as it was for one refused.
func forecast(spec function.Spec, arrivals []function.Arrival) (function.Forecast, error) {
	s, err := specOf(spec)
	if err != nil {
		return function.Forecast{}, err
	}
	m := newModel(s)
	f := function.Forecast{Lowest: 1}
	for i, a := range arrivals {
		if i > 0 && a.At < arrivals[i-1].At {
			return function.Forecast{}, fmt.Errorf("ratelimit: arrival %d at %v comes after one at %v", i, a.At, arrivals[i-1].At)
		}
		allowed, b, err := m.decide(a.At, a.Path, a.Caller)
		if err != nil {
			return function.Forecast{}, fmt.Errorf("ratelimit: %w", err)
		}
		if !allowed {
			f.Refused++
		}
		if b == nil {
			continue
		}
		if level := float64(b.level) / float64(b.limit.full); level < f.Lowest {
			f.Lowest, f.Who = level, a.Caller
		}
	}
	f.Callers = len(m.buckets)
	return f, nil
}
