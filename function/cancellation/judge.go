package cancellation

import (
	"fmt"
	"time"

	"github.com/taremesh/tare/function"
)

// soon is when the service knows at the latest that its caller has gone.
const soon = 1500 * time.Millisecond

// judge: the service saw each request end whose caller had gone, soon, and no
// other; who stayed got the service's answer.
func judge(spec function.Spec, e function.Evidence) error {
	if _, ok := spec.(Spec); !ok {
		return fmt.Errorf("cancellation: parameters of type %T: want cancellation.Spec", spec)
	}
	gone, stopped := 0, 0
	for i, o := range e.Observations {
		switch {
		case o.Request == nil && o.Outcome == function.Refused:
			return fmt.Errorf("cancellation: request %d for %s was refused: nobody is", i, o.Path)
		case o.Request == nil: // under load nobody goes
		case o.Path == quick:
			if err := stayed(o, e.Reached(i)); err != nil {
				return fmt.Errorf("cancellation: request %d, whose caller stayed: %w", i, err)
			}
		default:
			reached, err := left(o, e.Reached(i))
			if err != nil {
				return fmt.Errorf("cancellation: request %d for %s, whose caller went at %v: %w", i, o.Path, o.Latest, err)
			}
			gone++
			stopped += reached
		}
	}
	if gone > 0 && 2*stopped < gone {
		return fmt.Errorf("cancellation: %d callers went, and the service knew of %d of them at all", gone, stopped)
	}
	return nil
}

func stayed(o function.Observation, got []function.Delivery) error {
	switch {
	case len(got) != 1 || got[0].Cancelled != 0:
		return fmt.Errorf("reached the service %d times, or ended there", len(got))
	case o.Response == nil || o.Response.Status != got[0].Answered || string(o.Response.Body) != "quick":
		return fmt.Errorf("the client has %v, which is not its answer", o.Response)
	}
	return nil
}

// left returns how often the request reached the service, which may be never if
// its caller was quick to go.
func left(o function.Observation, got []function.Delivery) (int, error) {
	switch {
	case o.Response != nil:
		return 0, fmt.Errorf("the client has an answer all the same")
	case len(got) > 1:
		return 0, fmt.Errorf("reached the service %d times", len(got))
	case len(got) == 1 && got[0].Cancelled == 0:
		return 0, fmt.Errorf("the service worked to the end")
	case len(got) == 1 && got[0].Cancelled-o.Latest > soon:
		return 0, fmt.Errorf("the service knew %v later", got[0].Cancelled-o.Latest)
	}
	return len(got), nil
}
