package retry

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
)

// course is the model: how many attempts the answers of a service lead to, and
// what the client gets.
func (s Spec) model(answers []function.Answer) (attempts, status int) {
	for {
		a := answers[min(attempts, len(answers)-1)]
		attempts++
		ended, shown := a.Code(), a.Code()
		switch {
		case s.PerTry > 0 && a.Delay > s.PerTry.Std():
			ended, shown = 0, http.StatusGatewayTimeout
		case a.Reset:
			ended, shown = 0, http.StatusServiceUnavailable
		}
		if attempts > s.Retries || !s.again(ended) {
			return attempts, shown
		}
	}
}

// again is the model's: after an attempt that reached the service.
func (s Spec) again(status int) bool {
	none, server, gateway := status == 0, status >= 500, status == 502 || status == 503 || status == 504
	has := func(c string) bool { return slices.Contains(s.On, c) }
	return has("5xx") && (none || server) || has("gateway-error") && (none || gateway) || has("reset") && none || slices.Contains(s.Statuses, status)
}

// judge holds attempts and answers against the model, where requests come one
// at a time; the times between attempts against the backoff; and what is under
// way at once against the budget.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	used := map[string]int{}
	var pauses []pause
	for i, o := range e.Observations {
		if o.Request == nil {
			continue // under load nobody knows what the service answered
		}
		got := e.Reached(i)
		if err := s.hold(e.Trial, o, got, used); err != nil {
			return fmt.Errorf("retry: request %d for %s: %w", i, o.Path, err)
		}
		pauses = append(pauses, s.pauses(e.Trial, got)...)
	}
	if err := s.judgePauses(pauses); err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	if s.Budget != nil && e.Trial != nil {
		return s.crowd(e)
	}
	return nil
}

func (s Spec) hold(trial *function.Trial, o function.Observation, got []function.Delivery, used map[string]int) error {
	for _, d := range got {
		if d.Message.Method != o.Request.Method || d.Message.Target != o.Request.Target || !bytes.Equal(d.Message.Body, o.Request.Body) {
			return fmt.Errorf("reached the service as %s %s with %d bytes", d.Message.Method, d.Message.Target, len(d.Message.Body))
		}
	}
	if o.Response == nil {
		return fmt.Errorf("got no answer")
	}
	script := answersOf(trial, o.Path)
	if s.Budget != nil { // who has a place in it is not known
		if last := script[len(script)-1].Code(); o.Response.Status != last || len(got) < 1 || len(got) > s.Retries+1 {
			return fmt.Errorf("%d attempts, and the client has %d: want 1 to %d, and the service's %d", len(got), o.Response.Status, s.Retries+1, last)
		}
		return nil
	}
	attempts, status := s.model(script[min(used[o.Path], len(script)-1):])
	used[o.Path] += len(got)
	if len(got) != attempts || o.Response.Status != status {
		return fmt.Errorf("%d attempts, and the client has %d: want %d, and %d", len(got), o.Response.Status, attempts, status)
	}
	for k, d := range got {
		if late := s.late(script[min(k, len(script)-1)]); late != (d.Cancelled != 0) {
			return fmt.Errorf("attempt %d was cancelled at %v: it took longer than it may: %t", k+1, d.Cancelled, late)
		}
	}
	if n := len(got); n > 0 && got[n-1].Answered != 0 && !bytes.Equal(o.Response.Body, []byte(script[min(n-1, len(script)-1)].Body)) && used[o.Path] == n {
		return fmt.Errorf("the client has the body %q: want that of the last attempt", o.Response.Body)
	}
	return nil
}

func (s Spec) late(a function.Answer) bool { return s.PerTry > 0 && a.Delay > s.PerTry.Std() }

// answersOf is what the service that is there answers for a path.
func answersOf(trial *function.Trial, path string) []function.Answer {
	for _, r := range trial.Replicas {
		if answers := r.Paths[path]; !r.Down && answers != nil {
			return answers
		}
	}
	return []function.Answer{{}}
}

// pause is the time between two attempts, and the most that the backoff gives.
type pause struct{ took, most time.Duration }

func (s Spec) pauses(trial *function.Trial, got []function.Delivery) (all []pause) {
	for k := 1; k < len(got); k++ {
		script := answersOf(trial, got[k].Message.Target)
		before := script[min(k-1, len(script)-1)]
		work := before.Delay
		if s.late(before) {
			work = s.PerTry.Std()
		}
		most := s.Base.Std()
		for range k - 1 {
			most = min(2*most, s.Longest.Std())
		}
		all = append(all, pause{got[k].At - got[k-1].At - work, most})
	}
	return all
}

// manyPauses are enough to say that there is a backoff: that all of so many are
// shorter than a twentieth of what they may be happens once in 10^10 times.
const manyPauses = 8

func (s Spec) judgePauses(all []pause) error {
	greatest := 0.0
	for _, p := range all {
		if p.took > 10*p.most+time.Second {
			return fmt.Errorf("%v passed between two attempts: want no more than about %v", p.took, p.most)
		}
		greatest = max(greatest, float64(p.took)/float64(p.most))
	}
	if len(all) >= manyPauses && greatest < 0.05 {
		return fmt.Errorf("the longest of %d pauses was %.3f of what it may be: want a backoff", len(all), greatest)
	}
	return nil
}

// crowd counts the retries at the service at a time.
func (s Spec) crowd(e function.Evidence) error {
	type step struct {
		at   time.Duration
		more int
	}
	var steps []step
	retries := 0
	for i, o := range e.Observations {
		for k, d := range e.Reached(i) {
			if k > 0 {
				retries++
				script := answersOf(e.Trial, o.Path)
				steps = append(steps, step{d.At, 1}, step{d.At + script[len(script)-1].Delay, -1})
			}
		}
	}
	slices.SortFunc(steps, func(a, b step) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.more - b.more
	})
	most, under := max(s.Budget.Least, int(s.Budget.Percent*float64(len(e.Observations))/100)), 0
	for _, x := range steps {
		if under += x.more; under > most {
			return fmt.Errorf("retry: %d retries at the service at %v: the budget has %d", under, x.at, most)
		}
	}
	if retries == 0 && most > 0 {
		return fmt.Errorf("retry: no retries, and the budget has %d", most)
	}
	return nil
}
