package telemetry

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is whom entries are told to, and when.
type Spec struct {
	Collector string `json:"collector" yaml:"collector"` // address (IP and port)
	// Flush is how long entries are kept back at most; by default 1s.
	Flush function.Duration `json:"flush" yaml:"flush"`
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Flush: function.Duration(time.Second)}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddrPort(s.Collector); err != nil {
		return nil, fmt.Errorf("telemetry: collector %q: want an IP address and a port, such as 127.0.0.1:18090", s.Collector)
	}
	if s.Flush < function.Duration(time.Millisecond) {
		return nil, fmt.Errorf("telemetry: flush %v: want 1ms at least", s.Flush)
	}
	return s, nil
}
