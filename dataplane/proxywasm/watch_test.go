package proxywasm

import (
	"errors"
	"testing"
	"time"
)

// TestWorkOfTheHostCounts ends a guest that lets the host do all the work, and
// one that only calls it.
func TestWorkOfTheHostCounts(t *testing.T) {
	for name, c := range map[string]struct{ bytes, calls int }{
		"large": {work, 4},
		"empty": {0, 4 * (work/callWork + 1)},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch{limit: -time.Second}
			calls := 0
			var err any
			func() {
				defer func() { err = recover() }()
				for ; calls < c.calls; calls++ {
					w.charge(c.bytes)
				}
			}()
			if e, ok := err.(error); !ok || !errors.Is(e, ErrDeadline) {
				t.Errorf("after %d calls: %v", calls, err)
			}
		})
	}
}
