package concurrencylimit

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of the limit.
type Spec struct {
	// Limit is how many requests may be under way.
	Limit int `json:"limit" yaml:"limit"`
	// Status is what one more is answered with; 503 if it is not given.
	Status int `json:"status" yaml:"status"`
}

const mostLimit = 1 << 30

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Status: http.StatusServiceUnavailable}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	switch {
	case s.Limit < 1 || s.Limit > mostLimit:
		return nil, fmt.Errorf("concurrency-limit: limit: %d is not between 1 and %d", s.Limit, mostLimit)
	case s.Status < 400 || s.Status > 599:
		return nil, fmt.Errorf("concurrency-limit: status: %d is not between 400 and 599", s.Status)
	}
	return s, nil
}
