package bodylimit

import (
	"bytes"
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function"
)

// judge: a body that is longer than the limit gives 413 and does not reach the
// service; any other one reaches it once, byte for byte.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Request == nil {
			if o.Outcome == function.Refused { // a load sends no bodies that long
				return fmt.Errorf("body-limit: request %d for %s was refused: its body is within the limit", i, o.Path)
			}
			continue
		}
		if err := s.hold(o, e.Reached(i)); err != nil {
			return fmt.Errorf("body-limit: request %d with %d bytes: %w", i, len(o.Request.Body), err)
		}
	}
	return nil
}

func (s Spec) hold(o function.Observation, got []function.Delivery) error {
	tooLong := len(o.Request.Body) > s.Bytes
	switch {
	case tooLong && len(got) != 0:
		return fmt.Errorf("reached the service: the limit is %d", s.Bytes)
	case o.Response == nil:
		return fmt.Errorf("got no answer")
	case tooLong && o.Response.Status != http.StatusRequestEntityTooLarge:
		return fmt.Errorf("was answered with %d: want 413", o.Response.Status)
	case tooLong:
		return nil
	case len(got) != 1 || o.Response.Status != got[0].Answered:
		return fmt.Errorf("reached the service %d times, and the client has %d: want its answer", len(got), o.Response.Status)
	case !bytes.Equal(got[0].Message.Body, o.Request.Body):
		return fmt.Errorf("reached the service with %d bytes of body, or with others", len(got[0].Message.Body))
	}
	return nil
}
