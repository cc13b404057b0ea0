//go:build soak

package dataplanetest_test

import (
	"testing"
	"time"
)

// TestSoakRotation is the bar: certificates rotated every 10 s under load, and
// no failed request, on both planes.
func TestSoakRotation(t *testing.T) {
	t.Parallel()
	for _, plane := range planes(t) {
		for _, c := range []carrier{h1tls, h2tls} {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) { rotation(t, plane, c, 10*time.Second, time.Minute) })
		}
	}
}
