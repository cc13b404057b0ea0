package loadtest

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// failAfter is how long a server takes that fails its requests late.
const failAfter = 50 * time.Millisecond

// failing names the servers that do, in the tables of outcomes.
const failing = "resets late"

// late does what another answer does, but not at once.
func late(a answer) answer {
	return func(c *net.TCPConn, request []string) bool {
		<-time.After(failAfter)
		return a(c, request)
	}
}

// lately is the same of a server that is told of nothing but its connection.
func lately(net.Conn) bool { <-time.After(failAfter); return false }

// checkFailures holds the times at which requests failed against the outcomes
// that were planted, one for each target: those of the server that fails late
// count from the writing, timeouts from the intended time.
func checkFailures(t *testing.T, samples []load.Sample, planted int, timeout time.Duration) {
	t.Helper()
	var reset, timedOut []time.Duration
	for _, s := range samples {
		switch {
		case int(s.Target) == planted:
			reset = append(reset, s.Failed-s.Written)
		case s.Class == load.Timeout && s.Status == 0: // not one of which the server spoke
			timedOut = append(timedOut, s.Failed-s.Intended)
		}
	}
	checkFailed(t, "reset", reset, failAfter)
	checkFailed(t, "timeout", timedOut, timeout)
}

// checkFailed holds how long requests took to fail against the time that was
// planted: none is shorter, and the middle one is not much longer, however busy
// the machine is.
func checkFailed(t *testing.T, name string, took []time.Duration, planted time.Duration) {
	t.Helper()
	if len(took) == 0 {
		t.Errorf("%s: no request failed so", name)
		return
	}
	slices.Sort(took)
	if middle := took[len(took)/2]; took[0] < planted || middle >= planted+10*failAfter {
		t.Errorf("%s: requests failed after %v at the least and %v in the middle, planted was %v", name, took[0], middle, planted)
	}
}
