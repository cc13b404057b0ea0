package mirror

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/stat"
)

// level is that of the interval of the share of requests that are copied: what
// is right is called wrong by chance once in ten million times.
const level = 1 - 1e-7

// judge: every request reached the first service once, as it was sent, and got
// its answer without waiting for the second; of those whose copy could arrive,
// the right share was copied, whole and once.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	requests, copies := 0, 0
	for i, o := range e.Observations {
		if o.Request == nil { // under load nobody looks where it went
			if o.Outcome == function.Refused {
				return fmt.Errorf("mirror: request %d for %s was refused: none is", i, o.Path)
			}
			continue
		}
		n, err := s.one(e, i)
		if err != nil {
			return fmt.Errorf("mirror: request %d: %w", i, err)
		}
		requests, copies = requests+1, copies+n
	}
	if requests == 0 || e.Trial.Replicas[1].Down {
		return nil
	}
	if s.Percent == 100 && copies != requests {
		return fmt.Errorf("mirror: %d of %d requests were copied", copies, requests)
	}
	share, err := stat.Count(copies, requests, level)
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	if want := float64(s.Percent) / 100; !share.Holds(want) {
		return fmt.Errorf("mirror: %d of %d requests were copied: the share lies within %.4f and %.4f, not at %.2f", copies, requests, share.Low, share.High, want)
	}
	return nil
}

// one judges a request and returns how often it was copied: never or once.
func (s Spec) one(e function.Evidence, i int) (copies int, err error) {
	o := e.Observations[i]
	var own []function.Delivery
	for _, d := range e.Reached(i) {
		if err := same(o.Request, d.Message); err != nil {
			return 0, fmt.Errorf("at service %d: %w", d.Replica, err)
		}
		if d.Replica == 0 {
			own = append(own, d)
		} else {
			copies++
		}
	}
	switch {
	case len(own) != 1:
		return 0, fmt.Errorf("it reached its service %d times, not once", len(own))
	case copies > 1:
		return 0, fmt.Errorf("it was copied %d times", copies)
	case o.Response == nil || o.Response.Status != own[0].Answered || o.Response.Header.Get(whoseHeader) != "":
		return 0, fmt.Errorf("it did not get the answer of its service")
	}
	if slow := e.Trial.Replicas[1].Answers; len(slow) > 0 && slow[0].Delay > 0 && o.Latest-o.Earliest >= slow[0].Delay {
		return 0, fmt.Errorf("it took %v: it waited for its copy, which takes %v", o.Latest-o.Earliest, slow[0].Delay)
	}
	return copies, nil
}

// whoseHeader is set in the answers of the second service, in trials.
const whoseHeader = "X-Copy"

func same(sent *function.Message, m function.Message) error {
	switch {
	case m.Method != sent.Method || m.Target != sent.Target || m.Host != sent.Host:
		return fmt.Errorf("%s %s%s is not %s %s%s", m.Method, m.Host, m.Target, sent.Method, sent.Host, sent.Target)
	case !bytes.Equal(m.Body, sent.Body):
		return fmt.Errorf("its body has %d bytes that are not the %d that were sent", len(m.Body), len(sent.Body))
	}
	for name, values := range sent.Header {
		if !slices.Equal(m.Header.Values(name), values) {
			return fmt.Errorf("%s is %q, not %q", name, m.Header.Values(name), values)
		}
	}
	return nil
}
