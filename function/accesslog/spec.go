package accesslog

import (
	"fmt"
	"path/filepath"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is where lines go.
type Spec struct {
	Path string `json:"path" yaml:"path"` // of the file, absolute; it is made, or added to
}

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	var s Spec
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(s.Path) {
		return nil, fmt.Errorf("access-log: path %q: want an absolute path of a file", s.Path)
	}
	return s, nil
}
