package circuitbreaker

import (
	"fmt"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters. Requests are bounded, or connections and who waits.
type Spec struct {
	MostRequests    int  `json:"most_requests,omitempty" yaml:"most_requests"`
	MostConnections int  `json:"most_connections,omitempty" yaml:"most_connections"`
	MostWaiting     *int `json:"most_waiting,omitempty" yaml:"most_waiting"` // with MostConnections
}

// unlimited is what no load here reaches.
const unlimited = 1 << 20

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	switch {
	case (s.MostRequests == 0) == (s.MostConnections == 0):
		return nil, fmt.Errorf("circuit-breaker: one of most_requests and most_connections is needed")
	case s.MostRequests < 0 || s.MostRequests > unlimited || s.MostConnections < 0 || s.MostConnections > unlimited:
		return nil, fmt.Errorf("circuit-breaker: %d is not between 1 and %d", max(s.MostRequests, s.MostConnections), unlimited)
	case (s.MostConnections == 0) != (s.MostWaiting == nil):
		return nil, fmt.Errorf("circuit-breaker: most_waiting: is needed with most_connections, and only there")
	case s.MostWaiting != nil && (*s.MostWaiting < 1 || *s.MostWaiting > unlimited):
		return nil, fmt.Errorf("circuit-breaker: most_waiting: %d is not between 1 and %d: who opens a connection waits for it", *s.MostWaiting, unlimited)
	}
	return s, nil
}

// limits are how many may be at the service, and how many under way at all.
func (s Spec) limits() (served, all int) {
	if s.MostRequests > 0 {
		return s.MostRequests, s.MostRequests
	}
	return s.MostConnections, s.MostConnections + *s.MostWaiting
}
