package compression

import (
	"fmt"
	"mime"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is the parameters of compression.
type Spec struct {
	// Types are the media types that are compressed, without parameters.
	Types []string `json:"types" yaml:"types"`
	// Least is the shortest body that is worth it, in bytes, as far as the
	// length is told; 256 if it is not given.
	Least int `json:"least" yaml:"least"`
}

// DefaultSpec returns text, JSON, JavaScript and the like.
func DefaultSpec() Spec {
	return Spec{
		Types: []string{"text/plain", "text/html", "text/css", "text/xml", "application/json", "application/javascript", "image/svg+xml"},
		Least: 256,
	}
}

// mostLeast is far above any length that would not be worth it.
const mostLeast = 1 << 30

// Decode reads a Spec strictly; what is not given is taken from DefaultSpec.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	d := DefaultSpec()
	if s.Types == nil {
		s.Types = d.Types
	}
	if s.Least == 0 {
		s.Least = d.Least
	}
	if len(s.Types) == 0 {
		return nil, fmt.Errorf("compression: types: none: list at least one, as in text/html")
	}
	for i, t := range s.Types {
		bare, params, err := mime.ParseMediaType(t)
		if err != nil || len(params) > 0 || bare != t || !strings.Contains(t, "/") {
			return nil, fmt.Errorf("compression: types[%d]: %q is no media type in lower case without parameters, as in text/html", i, t)
		}
	}
	if s.Least < 1 || s.Least > mostLeast {
		return nil, fmt.Errorf("compression: least: %d is not between 1 and %d", s.Least, mostLeast)
	}
	return s, nil
}
