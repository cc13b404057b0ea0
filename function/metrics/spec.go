package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Spec is what is counted, and where the figures are.
type Spec struct {
	Path string `json:"path" yaml:"path"` // answers with the figures; by default /metrics
	// Paths have a label of their own, each the whole path without query.
	Paths []string `json:"paths" yaml:"paths"`
	// Buckets are the upper bounds of the histogram, in seconds; by default
	// from 1 ms to 10 s.
	Buckets []float64 `json:"buckets" yaml:"buckets"`
}

// mostBuckets keeps a scrape short.
const mostBuckets = 64

// Decode reads and validates the parameters.
func Decode(p study.Params) (function.Spec, error) {
	s := Spec{Path: "/metrics", Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}
	if err := p.Decode(&s); err != nil {
		return nil, err
	}
	for i, path := range append([]string{s.Path}, s.Paths...) {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") {
			return nil, fmt.Errorf("metrics: path %q: a path begins with / and has no query", path)
		}
		if i > 0 && (path == s.Path || slices.Contains(s.Paths[:i-1], path)) {
			return nil, fmt.Errorf("metrics: paths: %q is given twice, or is where the figures are", path)
		}
	}
	if len(s.Buckets) == 0 || len(s.Buckets) > mostBuckets {
		return nil, fmt.Errorf("metrics: %d buckets: want 1 to %d", len(s.Buckets), mostBuckets)
	}
	for i, b := range s.Buckets {
		if b <= 0 || i > 0 && b <= s.Buckets[i-1] {
			return nil, fmt.Errorf("metrics: bucket %v: bounds are above zero, each greater than the last", b)
		}
	}
	return s, nil
}
