// Package functiontest holds every form of a function against its judge.
//
// Run sends the same traffic through each form that is written in Go: callers
// in turn in simulated time (testing/synctest), where every decision has an
// exact time, and callers at once in real time, where it has an interval. What
// was seen goes to the function's own Judge. At makes forms of what runs in a
// proxy, to be tried live. The package's tests do the same to mutants, each of
// which the judge must catch.
//
// It does not know what a function means.
package functiontest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Traffic is what a function is tried with.
type Traffic struct {
	Params  string // the function's parameters, JSON
	Path    string // where the function works
	Free    string // where it does not
	Callers []function.Caller
	// Pressed are callers that send Burst requests without a pause.
	Pressed []function.Caller
	Burst   int
	Rounds  int           // of all callers in turn
	Pause   time.Duration // between rounds, at most
	Seed    uint64
}

// Run holds all Go forms of the function against its judge.
func Run(t *testing.T, fn function.Function, w Traffic) {
	t.Helper()
	forms := Forms(fn)
	if len(forms) == 0 {
		t.Fatalf("function %s has no form in Go", fn.Name)
	}
	for _, form := range forms {
		t.Run(form.Name, func(t *testing.T) {
			for _, err := range Faults(t, fn, form, w) {
				t.Error(err)
			}
		})
	}
}

// Faults runs one form and returns what the judge says, for each kind of
// traffic that it objects to.
func Faults(t *testing.T, fn function.Function, form Form, w Traffic) []error {
	t.Helper()
	tr := trial{t, fn, form, w, w.Spec(t, fn)}
	var faults []error
	synctest.Test(t, func(*testing.T) { faults = append(faults, tr.run("in turn", inTurn)...) })
	return append(faults, tr.run("at once", atOnce)...)
}

// FaultsLive is Faults for a form that runs in processes of its own, which
// know no simulated time: callers in turn and callers at once, both in real time.
func FaultsLive(t *testing.T, fn function.Function, form Form, w Traffic) []error {
	t.Helper()
	tr := trial{t, fn, form, w, w.Spec(t, fn)}
	return append(tr.run("in turn", inTurn), tr.run("at once", atOnce)...)
}

// Spec is the function's parameters, decoded.
func (w Traffic) Spec(t *testing.T, fn function.Function) function.Spec {
	t.Helper()
	params, err := study.JSONParams(fn.Name, []byte(w.Params))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := fn.Decode(params)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// trial is one form before its judge.
type trial struct {
	t    *testing.T
	fn   function.Function
	form Form
	w    Traffic
	spec function.Spec
}

// run sends one kind of traffic through a fresh instance.
func (tr trial) run(kind string, send func(*Instance, Traffic) []function.Observation) []error {
	tr.t.Helper()
	i, err := tr.form.Make(tr.fn, tr.spec)
	if err != nil {
		tr.t.Fatal(err)
	}
	seen := send(i, tr.w)
	if err := both(seen); err != nil {
		tr.t.Logf("%s: %v", kind, err)
	}
	if err := tr.fn.Judge(tr.spec, function.Evidence{Observations: seen, Served: i.Served()}); err != nil {
		return []error{fmt.Errorf("%s, %s: %w", tr.form.Name, kind, err)}
	}
	return nil
}

// both says so when the traffic tried only one outcome.
func both(seen []function.Observation) error {
	var count [function.Refused + 1]int
	for _, o := range seen {
		count[o.Outcome]++
	}
	if count[function.Allowed] == 0 || count[function.Refused] == 0 {
		return fmt.Errorf("of %d requests %d were allowed and %d refused", len(seen), count[function.Allowed], count[function.Refused])
	}
	return nil
}

// inTurn sends one request after the other. In the bubble time stands still
// between pauses, so every decision has an exact time.
func inTurn(i *Instance, w Traffic) (seen []function.Observation) {
	start := time.Now()
	send := func(path string, c function.Caller) {
		o := function.Observation{Path: path, Caller: c, Earliest: time.Since(start)}
		o.Outcome = i.Do(path, c)
		o.Latest = time.Since(start)
		seen = append(seen, o)
	}
	r := rand.New(rand.NewPCG(w.Seed, 1))
	for range w.Rounds {
		for _, c := range w.Callers {
			send(w.Path, c)
		}
		send(w.Free, w.Callers[0])
		<-time.After(time.Duration(r.Int64N(int64(w.Pause)))) // of simulated time, or short
	}
	for _, c := range w.Pressed {
		for range w.Burst {
			send(w.Path, c)
		}
	}
	return seen
}

// workers is how many requests are under way at once.
const workers = 8

// atOnce sends the bursts of the pressed callers from several goroutines, all
// to the same buckets.
func atOnce(i *Instance, w Traffic) []function.Observation {
	start := time.Now()
	seen := make([][]function.Observation, workers)
	var wait sync.WaitGroup
	for n := range workers {
		wait.Go(func() {
			for range w.Burst / workers {
				for _, c := range w.Pressed {
					o := function.Observation{Path: w.Path, Caller: c, Earliest: time.Since(start)}
					o.Outcome = i.Do(w.Path, c)
					o.Latest = time.Since(start)
					seen[n] = append(seen[n], o)
				}
			}
		})
	}
	wait.Wait()
	all := slices.Concat(seen...)
	slices.SortStableFunc(all, func(a, b function.Observation) int { return cmp.Compare(a.Earliest, b.Earliest) })
	return all
}
