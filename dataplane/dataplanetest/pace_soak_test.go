//go:build soak

package dataplanetest_test

import (
	"testing"
	"time"
)

// TestSoakChanges is the bar: routes changed, endpoints added and removed under
// 2,000 requests/s, and no failed request; new
// connections obey at once; on both planes.
func TestSoakChanges(t *testing.T) {
	for _, plane := range planes(t) {
		t.Run(plane.Name(), func(t *testing.T) {
			if n := underPace(t, plane, 2000, 56, 250*time.Millisecond); n > 1 {
				t.Errorf("%d new connections were answered as before", n)
			}
		})
	}
}
