package healthcheck

import (
	"fmt"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters.
type Spec struct {
	Path           string            `json:"path" yaml:"path"`
	Interval       function.Duration `json:"interval" yaml:"interval"` // between two checks
	Timeout        function.Duration `json:"timeout" yaml:"timeout"`   // of one
	HealthyAfter   int               `json:"healthy_after" yaml:"healthy_after"`
	UnhealthyAfter int               `json:"unhealthy_after" yaml:"unhealthy_after"`
}

// Replicas is how many replicas there are to balance over.
const Replicas = 3

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Path: "/healthz", Interval: function.Duration(5 * time.Second), Timeout: function.Duration(time.Second), HealthyAfter: 2, UnhealthyAfter: 3}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	for name, d := range map[string]time.Duration{"interval": s.Interval.Std(), "timeout": s.Timeout.Std()} {
		if d < time.Millisecond || d > time.Hour {
			return nil, fmt.Errorf("health-check: %s: %v is not between 1ms and 1h", name, d)
		}
	}
	for name, n := range map[string]int{"healthy_after": s.HealthyAfter, "unhealthy_after": s.UnhealthyAfter} {
		if n < 1 || n > 100 {
			return nil, fmt.Errorf("health-check: %s: %d is not between 1 and 100", name, n)
		}
	}
	if !strings.HasPrefix(s.Path, "/") || strings.ContainsAny(s.Path, " #\r\n") {
		return nil, fmt.Errorf("health-check: path: %q is not one", s.Path)
	}
	return s, nil
}
