package deadline

import (
	"fmt"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of deadlines.
type Spec struct {
	// Header is what says how long the caller waits; grpc-timeout if not given.
	Header string `json:"header" yaml:"header"`
	// Most is how long a request may take, whatever its caller says.
	Most function.Duration `json:"most" yaml:"most"`
}

// GRPCHeader is gRPC's.
const GRPCHeader = "grpc-timeout"

const longest = 24 * time.Hour

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Header: GRPCHeader}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if s.Header == "" || strings.ToLower(s.Header) != s.Header || strings.Trim(s.Header, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return nil, fmt.Errorf("deadline: header: %q is no name of a header in lower case", s.Header)
	}
	switch d := s.Most.Std(); {
	case d == 0:
		return nil, fmt.Errorf("deadline: most: is needed, as in 10s")
	case d < time.Millisecond || d > longest || d%time.Millisecond != 0:
		return nil, fmt.Errorf("deadline: most: %v is not between 1ms and %v in whole milliseconds", d, longest)
	}
	return s, nil
}
