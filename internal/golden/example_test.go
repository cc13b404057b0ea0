package golden_test

import (
	"testing"

	"github.com/taremesh/tare/internal/golden"
)

// In a test of a translation; the file is testdata/router.json beside it.
func ExampleCheck() {
	_ = func(t *testing.T) {
		golden.Check(t, "router.json", []byte("{}\n"))
	}
	// Output:
}
