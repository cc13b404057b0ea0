package deadline

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

// deadline is the model: how long a request may take; false: as long as it likes.
func (s Spec) deadline(h http.Header) (time.Duration, bool) {
	if s.Header == "grpc-timeout" && !strings.HasPrefix(h.Get("Content-Type"), "application/grpc") {
		return 0, false
	}
	if d, ok := read(h.Get(s.Header)); ok && d > 0 {
		return min(d, s.Most.Std()), true
	}
	return s.Most.Std(), true
}

// read is the model's reading of a time.
func read(text string) (time.Duration, bool) {
	unit := map[string]time.Duration{"H": time.Hour, "M": time.Minute, "S": time.Second, "m": time.Millisecond, "u": time.Microsecond, "n": 1}
	for name, d := range unit {
		digits, ok := strings.CutSuffix(text, name)
		if !ok || digits == "" || len(digits) > 8 || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		n := 0
		for _, c := range digits {
			n = n*10 + int(c-'0')
		}
		if float64(n)*d.Hours() > 1e6 { // a century: Go has no room for ten times as much
			return 1e6 * time.Hour, true
		}
		return time.Duration(n) * d, true
	}
	return 0, false
}

// slack is how much sooner than its deadline a request may be seen to end: the
// planes count in milliseconds.
const slack = 5 * time.Millisecond

// judge: the service is told no more than what is left; who waits longer than
// the deadline is answered in time and the service is told to stop; all others
// get the service's answer.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody says a deadline
			if o.Outcome == function.Refused && o.Latest-o.Earliest < s.Most.Std()-slack {
				return fmt.Errorf("deadline: request %d for %s was refused after %v, before its %v were over", i, o.Path, o.Latest-o.Earliest, s.Most)
			}
			continue
		}
		if err := s.hold(o, e.Reached(i), e.Trial.Replicas[0].Paths[o.Path][0]); err != nil {
			return fmt.Errorf("deadline: request %d for %s, %s %q: %w", i, o.Path, s.Header, o.Request.Header.Get(s.Header), err)
		}
	}
	return nil
}

func (s Spec) hold(o function.Observation, got []function.Delivery, a function.Answer) error {
	if len(got) != 1 {
		return fmt.Errorf("reached the service %d times, not once", len(got))
	}
	limit, limited := s.deadline(o.Request.Header)
	handed := got[0].Message.Header.Values(s.Header)
	if !limited {
		if given := o.Request.Header.Values(s.Header); strings.Join(handed, ",") != strings.Join(given, ",") {
			return fmt.Errorf("the service was told %q: want what the caller said", handed)
		}
		return answered(o, got[0], a)
	}
	if err := s.handed(handed, limit, got[0].At-o.Earliest); err != nil {
		return err
	}
	if a.Delay <= limit {
		return answered(o, got[0], a)
	}
	switch took := o.Latest - o.Earliest; {
	case !ended(o):
		return fmt.Errorf("its %v were over, and the client has %v: want 504, or gRPC's status", limit, o.Response)
	case took < limit-slack || took >= a.Delay:
		return fmt.Errorf("ended after %v: want it at %v, and before the service has done, at %v", took, limit, a.Delay)
	case got[0].Cancelled == 0:
		return fmt.Errorf("the service was not told to stop")
	}
	return nil
}

// handed holds what the service was told against what was left: no more, and
// no less than what the way there took.
func (s Spec) handed(told []string, limit, way time.Duration) error {
	if len(told) != 1 {
		return fmt.Errorf("the service was told %q: want one time", told)
	}
	left, ok := read(told[0])
	switch {
	case !ok || left > limit || left == 0:
		return fmt.Errorf("the service was told %s: want no more than %v", told[0], limit)
	case left < limit-way-slack:
		return fmt.Errorf("the service was told %s: want no less than was left of %v when %v had passed", told[0], limit, way)
	}
	return nil
}

func answered(o function.Observation, got function.Delivery, a function.Answer) error {
	switch {
	case o.Response == nil || o.Response.Status != a.Code() || string(o.Response.Body) != a.Body:
		return fmt.Errorf("the answer %d came in time, and the client has %v", a.Code(), o.Response)
	case got.Cancelled != 0:
		return fmt.Errorf("the answer came in time, and the service was told to stop")
	}
	return nil
}

// ended reports whether the client was told that the time is over: by a
// status, or by gRPC's 4 (deadline exceeded) or 14 (unavailable).
func ended(o function.Observation) bool {
	if o.Response == nil {
		return false
	}
	status := o.Response.Header.Get("Grpc-Status")
	return o.Response.Status == http.StatusGatewayTimeout || o.Response.Status == http.StatusOK && (status == "4" || status == "14")
}
