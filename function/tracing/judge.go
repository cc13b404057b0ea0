package tracing

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/collect"
)

// told is what headers say of a trace.
type told struct {
	trace, span string
	sampled     bool
}

// toldBy is the model's reading of headers; not ok: nothing, or nothing that
// can be read.
func toldBy(propagation string, h http.Header) (t told, ok bool) {
	if propagation == B3 {
		t = told{h.Get("X-B3-Traceid"), h.Get("X-B3-Spanid"), h.Get("X-B3-Sampled") == "1"}
		if parts := strings.Split(h.Get("B3"), "-"); len(parts) >= 3 {
			t = told{parts[0], parts[1], parts[2] == "1"}
		}
		return t, len(t.trace) == 32 && len(t.span) == 16
	}
	parts := strings.Split(h.Get("Traceparent"), "-")
	if len(parts) != 4 || len(parts[1]) != 32 || len(parts[2]) != 16 || strings.Trim(parts[1], "0") == "" {
		return t, false
	}
	return told{parts[1], parts[2], parts[3] == "01"}, true
}

// judge: each sampled request has exactly one server span, in the trace that it
// came with, with its caller's span as parent, and the service behind was told
// of this span; the others have none. Under load nobody looks at spans.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	if e.Collected == nil {
		return nil
	}
	spans, servers := map[string][]collect.Span{}, 0
	for _, sp := range e.Collected.Spans {
		if sp.Kind == collect.Server {
			spans[sp.ID] = append(spans[sp.ID], sp)
			servers++
		}
	}
	want := 0
	for i, o := range e.Observations {
		reached := e.Reached(i)
		if o.Response == nil || len(reached) != 1 {
			return fmt.Errorf("trace: request %d: reached the service behind %d times: tracing stops none", i, len(reached))
		}
		sampled, err := s.one(o.Request.Header, reached[0].Message.Header, spans)
		if err != nil {
			return fmt.Errorf("trace: request %d: %w", i, err)
		}
		if sampled {
			want++
		}
	}
	if servers != want {
		return fmt.Errorf("trace: %d server spans for %d sampled requests", servers, want)
	}
	return nil
}

// one holds a request's headers, as sent and as they reached the service
// behind, against the spans by id.
func (s Spec) one(sent, got http.Header, spans map[string][]collect.Span) (sampled bool, err error) {
	from, joined := toldBy(s.Propagation, sent)
	to, ok := toldBy(s.Propagation, got)
	sampled = joined && from.sampled || !joined && s.Sample == 100
	switch {
	case sent.Get("Tracestate") != got.Get("Tracestate"):
		return sampled, fmt.Errorf("tracestate %q became %q", sent.Get("Tracestate"), got.Get("Tracestate"))
	case !joined && sent.Get("Traceparent") != "":
		if got.Get("Traceparent") != sent.Get("Traceparent") {
			return false, fmt.Errorf("what is no context became %q", got.Get("Traceparent"))
		}
		return false, nil
	case !sampled && !joined:
		return false, nil
	case !ok:
		return sampled, fmt.Errorf("the service behind was told of no trace")
	case joined && to.trace != from.trace:
		return sampled, fmt.Errorf("came in trace %s and went on in %s", from.trace, to.trace)
	case joined && to.span == from.span:
		return sampled, fmt.Errorf("the service behind was told of the caller's span")
	case to.sampled != sampled:
		return sampled, fmt.Errorf("is sampled %t, and the service behind was told %t", sampled, to.sampled)
	}
	mine := spans[to.span]
	if !sampled {
		if len(mine) > 0 {
			return false, fmt.Errorf("is not sampled, and has a span")
		}
		return false, nil
	}
	if len(mine) != 1 {
		return true, fmt.Errorf("has %d server spans of the id %s that the service behind was told of", len(mine), to.span)
	}
	if sp := mine[0]; sp.Trace != to.trace || sp.Parent != from.span || sp.End.Before(sp.Start) || sp.Service != s.Service {
		return true, fmt.Errorf("span %+v: want trace %s, parent %q, service %s", sp, to.trace, from.span, s.Service)
	}
	return true, nil
}
