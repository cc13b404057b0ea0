package noop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// judge: whoever was refused was refused wrongly, and the service got every
// request that was allowed. In a trial, where both ends look, every message
// arrived as it was sent.
func judge(_ function.Spec, e function.Evidence) error {
	if e.Trial != nil {
		return judgeTrial(e)
	}
	var count [function.Refused + 1]int
	for i, o := range e.Observations {
		if o.Outcome > function.Refused {
			return fmt.Errorf("noop: observation %d has no outcome: %d", i, o.Outcome)
		}
		if o.Outcome == function.Refused {
			return fmt.Errorf("noop: a request for %s at %v was refused: nothing is limited", o.Path, o.Earliest)
		}
		count[o.Outcome]++
	}
	if least, most := count[function.Allowed], len(e.Observations); e.Served >= 0 && (e.Served < least || e.Served > most) {
		return fmt.Errorf("noop: the service served %d requests, but %d were answered as allowed and %d not at all",
			e.Served, least, count[function.Unknown])
	}
	return nil
}

func judgeTrial(e function.Evidence) error {
	for i, o := range e.Observations {
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("noop: request %d reached the service %d times, not once", i, len(got))
		}
		sent, arrived := o.Request, got[0].Message
		switch {
		case arrived.Method != sent.Method || arrived.Target != sent.Target:
			return fmt.Errorf("noop: request %d for %s %s arrived as %s %s", i, sent.Method, sent.Target, arrived.Method, arrived.Target)
		case string(arrived.Body) != string(sent.Body):
			return fmt.Errorf("noop: request %d arrived with another body", i)
		}
		if err := same(sent.Header, arrived.Header); err != nil {
			return fmt.Errorf("noop: request %d: %w", i, err)
		}
		replica := e.Trial.Replicas[got[0].Replica]
		answer := replica.Answers[min(i, len(replica.Answers)-1)]
		if o.Response == nil || o.Response.Status != answer.Status || string(o.Response.Body) != answer.Body {
			return fmt.Errorf("noop: response %d is not the one that the service gave", i)
		}
		if err := same(answer.Header, o.Response.Header); err != nil {
			return fmt.Errorf("noop: response %d: %w", i, err)
		}
	}
	return nil
}

// same: what was sent arrived; a list may arrive in one field or in several.
func same(sent, arrived http.Header) error {
	for name, values := range sent {
		if got := arrived.Values(name); len(got) == 0 || !slices.Equal(list(got), list(values)) {
			return fmt.Errorf("%s arrived as %q, not %q", strings.ToLower(name), got, values)
		}
	}
	return nil
}

func list(values []string) []string {
	return strings.Split(strings.ReplaceAll(strings.Join(values, ","), ", ", ","), ",")
}
