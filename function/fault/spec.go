package fault

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters: what goes wrong. At least one is set.
type Spec struct {
	Delay *Delay `json:"delay,omitempty" yaml:"delay"`
	Abort *Abort `json:"abort,omitempty" yaml:"abort"`
}

// Delay holds requests up: a share of them for a time, or those that ask for
// it for as long as they ask.
type Delay struct {
	Time     function.Duration `json:"time,omitzero" yaml:"time"`
	Percent  *float64          `json:"percent,omitempty" yaml:"percent"`
	ByHeader bool              `json:"by_header,omitempty" yaml:"by_header"`
}

// Abort answers requests: a share of them with a status, or those that ask for
// it with the one that they ask for.
type Abort struct {
	Status   int      `json:"status,omitempty" yaml:"status"`
	Percent  *float64 `json:"percent,omitempty" yaml:"percent"`
	ByHeader bool     `json:"by_header,omitempty" yaml:"by_header"`
}

// Bounds of what Envoy takes.
const (
	leastStatus, mostStatus = 200, 599
	longestDelay            = time.Hour
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Delay == nil && s.Abort == nil {
		return nil, fmt.Errorf("fault: delay or abort is needed")
	}
	if err := s.Delay.validate(); err != nil {
		return nil, fmt.Errorf("fault: delay: %w", err)
	}
	if err := s.Abort.validate(); err != nil {
		return nil, fmt.Errorf("fault: abort: %w", err)
	}
	return s, nil
}

func (d *Delay) validate() error {
	switch {
	case d == nil:
		return nil
	case d.ByHeader && (d.Time != 0 || d.Percent != nil):
		return fmt.Errorf("by_header: the caller says how long, not time and percent")
	case d.ByHeader:
		return nil
	case d.Time.Std() < time.Millisecond || d.Time.Std() > longestDelay || d.Time.Std()%time.Millisecond != 0:
		return fmt.Errorf("time: %v is not between 1ms and %v in whole milliseconds", d.Time, longestDelay)
	}
	return share(d.Percent)
}

func (a *Abort) validate() error {
	switch {
	case a == nil:
		return nil
	case a.ByHeader && (a.Status != 0 || a.Percent != nil):
		return fmt.Errorf("by_header: the caller says which status, not status and percent")
	case a.ByHeader:
		return nil
	case a.Status < leastStatus || a.Status > mostStatus:
		return fmt.Errorf("status: %d is not between %d and %d", a.Status, leastStatus, mostStatus)
	}
	return share(a.Percent)
}

func share(percent *float64) error {
	if percent == nil {
		return fmt.Errorf("percent: is needed, from 0 to 100")
	}
	if !(*percent >= 0 && *percent <= 100) { // NaN too
		return fmt.Errorf("percent: %v is not from 0 to 100", *percent)
	}
	return nil
}
