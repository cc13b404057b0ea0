package headermutation

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// apply is the model: what becomes of headers.
func apply(ms []Mutation, h http.Header) http.Header {
	h = h.Clone()
	if h == nil {
		h = http.Header{}
	}
	for _, m := range ms {
		switch m.Op {
		case Set:
			h.Set(m.Name, m.Value)
		case Append:
			h.Add(m.Name, m.Value)
		case Remove:
			h.Del(m.Name)
		}
	}
	return h
}

// judge: every request reached the service once and was answered by it, the
// headers of both being what the model makes of what was sent.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for i, o := range e.Observations {
		if o.Outcome == function.Refused && o.Request == nil {
			return fmt.Errorf("header-mutation: request %d for %s was refused: none is", i, o.Path)
		}
		if o.Request == nil {
			continue // under load nobody looks at headers
		}
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("header-mutation: request %d reached the service %d times, not once", i, len(got))
		}
		if err := differ(s.Request, o.Request.Header, got[0].Message.Header); err != nil {
			return fmt.Errorf("header-mutation: request %d: at the service: %w", i, err)
		}
		if err := s.response(e, o, got[0]); err != nil {
			return fmt.Errorf("header-mutation: response %d: %w", i, err)
		}
	}
	return nil
}

func (s Spec) response(e function.Evidence, o function.Observation, d function.Delivery) error {
	sent := e.Trial.Replicas[d.Replica].Answers[0]
	if o.Response == nil || o.Response.Status != d.Answered || string(o.Response.Body) != sent.Body {
		return fmt.Errorf("it is not the service's answer")
	}
	return differ(s.Response, sent.Header, o.Response.Header)
}

// differ compares what arrived with what the model makes of what was sent: for
// the names that were sent or are changed.
func differ(ms []Mutation, sent, arrived http.Header) error {
	want := apply(ms, sent)
	names := map[string]bool{}
	for name := range sent {
		names[name] = true
	}
	for _, m := range ms {
		names[http.CanonicalHeaderKey(m.Name)] = true
	}
	for name := range names {
		if w, g := list(want.Values(name)), list(arrived.Values(name)); !slices.Equal(w, g) {
			return fmt.Errorf("%s is %q, not %q", strings.ToLower(name), g, w)
		}
	}
	return nil
}

// list takes copies apart at their commas, since a list may be sent either way.
func list(values []string) (all []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			all = append(all, strings.Trim(part, " \t"))
		}
	}
	return all
}
