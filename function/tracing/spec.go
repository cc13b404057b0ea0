package tracing

import (
	"fmt"
	"net/netip"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is whom spans are told to, and which requests begin a trace.
type Spec struct {
	Collector string `json:"collector" yaml:"collector"` // address (IP and port) that takes OTLP over gRPC
	// Sample is the share, in percent, of requests without a trace that begin one.
	Sample float64 `json:"sample" yaml:"sample"`
	// Propagation is how a context is written: w3c, which is the default, or b3.
	Propagation string `json:"propagation" yaml:"propagation"`
	Service     string `json:"service" yaml:"service"` // name in spans; by default tare
}

// What Propagation may be.
const (
	W3C = "w3c"
	B3  = "b3"
)

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Sample: 100, Propagation: W3C, Service: "tare"}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	_, err := netip.ParseAddrPort(s.Collector)
	switch {
	case err != nil:
		return nil, fmt.Errorf("trace: collector %q: want an IP address and a port, such as 127.0.0.1:4317", s.Collector)
	case s.Sample < 0 || s.Sample > 100:
		return nil, fmt.Errorf("trace: sample %v: want 0 to 100 percent", s.Sample)
	case s.Propagation != W3C && s.Propagation != B3:
		return nil, fmt.Errorf("trace: propagation %q: want %s or %s", s.Propagation, W3C, B3)
	case s.Service == "":
		return nil, fmt.Errorf("trace: service: empty: spans must have a name to stand under")
	}
	return s, nil
}
