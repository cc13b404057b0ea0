package fault

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/taremesh/tare/function"
)

// slack is how much sooner than its delay a request may be seen to go on: the
// planes count in milliseconds.
const slack = 5 * time.Millisecond

// doubt is how many standard deviations a count may be from what is expected:
// by chance it is further off less than once in 10^9 times.
const doubt = 6.2

// chance is the model: what befalls a request, and how often.
type chance struct {
	value   int64 // milliseconds, or a status
	percent float64
}

func (s Spec) delayOf(h http.Header) chance {
	switch d := s.Delay; {
	case d == nil:
		return chance{}
	case d.ByHeader:
		return wished(h, DelayHeader, DelayPercentHeader, 0, 1<<31)
	default:
		return chance{d.Time.Std().Milliseconds(), *d.Percent}
	}
}

func (s Spec) abortOf(h http.Header) chance {
	switch a := s.Abort; {
	case a == nil:
		return chance{}
	case a.ByHeader:
		return wished(h, AbortHeader, AbortPercentHeader, 200, 599)
	default:
		return chance{int64(a.Status), *a.Percent}
	}
}

func wished(h http.Header, name, percentName string, least, most int) chance {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil || n < least || n > most {
		return chance{}
	}
	percent, err := strconv.Atoi(h.Get(percentName))
	if err != nil || percent < 0 || percent > 100 {
		percent = 100
	}
	return chance{int64(n), float64(percent)}
}

// counts is how often something befell those that it could befall.
type counts map[chance]*[2]int

func (c counts) add(of chance, befell bool) {
	if c[of] == nil {
		c[of] = new([2]int)
	}
	c[of][0]++
	if befell {
		c[of][1]++
	}
}

func (c counts) hold(what string) error {
	for of, n := range c {
		p := of.percent / 100
		mean, sd := p*float64(n[0]), math.Sqrt(p*(1-p)*float64(n[0]))
		if math.Abs(float64(n[1])-mean) > doubt*sd {
			return fmt.Errorf("fault: %d of %d requests had a %s of %d: want %v %% of them", n[1], n[0], what, of.value, of.percent)
		}
	}
	return nil
}

// judge: faults befall the requests that they should, as often as they should;
// what is aborted never reaches the service, and what is not reaches it once,
// after its delay.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	delays, aborts := counts{}, counts{}
	for i, o := range e.Observations {
		if o.Request == nil {
			s.load(o, aborts)
			continue
		}
		if err := s.hold(e, i, delays, aborts); err != nil {
			return fmt.Errorf("fault: request %d for %s with %v: %w", i, o.Path, o.Request.Header, err)
		}
	}
	if err := delays.hold("delay"); err != nil {
		return err
	}
	return aborts.hold("abort")
}

// load counts what is known under load: who was refused. What callers asked
// for there is nothing.
func (s Spec) load(o function.Observation, aborts counts) {
	if c := s.abortOf(nil); (c == chance{} || c.value >= http.StatusBadRequest) && o.Outcome != function.Unknown {
		aborts.add(c, o.Outcome == function.Refused)
	}
}

func (s Spec) hold(e function.Evidence, i int, delays, aborts counts) error {
	o, got := e.Observations[i], e.Reached(i)
	if o.Response == nil {
		return fmt.Errorf("got no answer")
	}
	abort, delay := s.abortOf(o.Request.Header), s.delayOf(o.Request.Header)
	aborted := len(got) == 0
	aborts.add(abort, aborted)
	switch {
	case aborted && int64(o.Response.Status) != abort.value:
		return fmt.Errorf("did not reach the service, and the client has %d: want %d", o.Response.Status, abort.value)
	case !aborted && (len(got) != 1 || o.Response.Status != got[0].Answered):
		return fmt.Errorf("reached the service %d times, and the client has %d: want the service's answer", len(got), o.Response.Status)
	}
	full := time.Duration(delay.value) * time.Millisecond
	took := o.Latest - o.Earliest
	if !aborted {
		took = got[0].At - o.Earliest
	}
	delays.add(delay, full > 0 && took >= full-slack)
	switch most := max(10*full, time.Second); {
	case took >= most:
		return fmt.Errorf("was held up for %v: want no more than about %v", took, full)
	case took < full-slack && delay.percent == 100:
		return fmt.Errorf("was held up for %v: want %v", took, full)
	}
	return nil
}
