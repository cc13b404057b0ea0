package crate_test

import (
	"testing"

	"github.com/taremesh/tare/internal/crate"
)

// In a test behind the build tag rebuild, of a function whose source is in the
// folder filter beside it.
func Example() {
	_ = func(t *testing.T) {
		crate.Open(t, "filter", "noop").Check(t)
	}
	// Output:
}
