package timeout

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/taremesh/tare/function"
)

// fate is what becomes of a request.
type fate string

const (
	whole  fate = "the whole response"
	late   fate = "504"
	broken fate = "a response that is cut off"
)

// fate is the model: what the timeout makes of an answer.
func (s Spec) fate(a function.Answer) fate {
	limit := s.Timeout.Std()
	switch {
	case a.Delay > limit:
		return late
	case a.Delay+a.Pause*time.Duration(len(a.Body)) > limit:
		return broken
	}
	return whole
}

// slack is how much sooner than its timeout a request may be seen to end: the
// planes count in milliseconds, and begin before or after the client does.
const slack = 5 * time.Millisecond

// judge: who waits longer than the timeout gets 504, or is cut off in the
// middle of the response, in time; the service is told. All others get what
// the service sent.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		took := o.Latest - o.Earliest
		if o.Request == nil { // under load, where answers are not known
			if o.Outcome == function.Refused && took < s.Timeout.Std()-slack {
				return fmt.Errorf("timeout: request %d for %s was refused after %v, before its %v were over", i, o.Path, took, s.Timeout)
			}
			continue
		}
		if err := s.hold(e, i, e.Trial.Replicas[0].Paths[o.Path][0]); err != nil {
			return fmt.Errorf("timeout: request %d for %s: %w", i, o.Path, err)
		}
	}
	return nil
}

func (s Spec) hold(e function.Evidence, i int, a function.Answer) error {
	o, got := e.Observations[i], e.Reached(i)
	if len(got) != 1 {
		return fmt.Errorf("reached the service %d times, not once", len(got))
	}
	want := s.fate(a)
	if want == whole {
		switch {
		case o.Response == nil || o.Response.Status != a.Code() || !bytes.Equal(o.Response.Body, []byte(a.Body)):
			return fmt.Errorf("the answer %d came in time, and the client has %s", a.Code(), show(o.Response))
		case got[0].Cancelled != 0:
			return fmt.Errorf("the answer came in time, and the service was told to stop")
		}
		return nil
	}
	took, all := o.Latest-o.Earliest, a.Delay+a.Pause*time.Duration(len(a.Body))
	switch {
	case want == late && (o.Response == nil || o.Response.Status != http.StatusGatewayTimeout):
		return fmt.Errorf("want 504, the client has %s", show(o.Response))
	case want == broken && o.Response != nil:
		return fmt.Errorf("want the response cut off, the client has %s", show(o.Response))
	case took < s.Timeout.Std()-slack || took >= all:
		return fmt.Errorf("ended after %v: want it at %v, and before the service has done, at %v", took, s.Timeout, all)
	case got[0].Cancelled == 0 || got[0].Cancelled-got[0].At >= all:
		return fmt.Errorf("the service was not told to stop")
	}
	return nil
}

func show(m *function.Message) string {
	if m == nil {
		return "no whole response"
	}
	return fmt.Sprintf("%d with %d bytes", m.Status, len(m.Body))
}
