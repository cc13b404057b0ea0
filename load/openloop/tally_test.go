package openloop

import (
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// A time is found again to a sixteenth, whatever its length.
func TestSteps(t *testing.T) {
	before := -1
	for d := time.Duration(8); d < 1<<62; d += d/7 + 1 {
		i := stepOf(d)
		if i < before {
			t.Fatalf("%v is in step %d, and less is in %d", d, i, before)
		}
		before = i
		var all times
		all[i] = 200
		if got := all.quantile(0.5); got < d-d/16-1 || got > d+d/16+1 {
			t.Errorf("%v is shown as %v", d, got)
		}
	}
	for _, d := range []time.Duration{-1, 0, 7} {
		if stepOf(d) != 0 {
			t.Errorf("%v is in step %d", d, stepOf(d))
		}
	}
	var none times
	none[3] = 199
	if got := none.quantile(0.5); got != 0 {
		t.Errorf("a median of 199 times: %v", got)
	}
}

// Progress is told while the thread counts; what has no answer is in no time.
func TestProgressTimes(t *testing.T) {
	e := &engine{workers: []*worker{{}}}
	tally := &e.workers[0].tally
	var counting sync.WaitGroup
	counting.Go(func() {
		for i := range 20_000 {
			s := load.Sample{LastByte: time.Millisecond}
			switch {
			case i%100 == 0:
				s = load.Sample{LastByte: never, Class: load.Timeout}
			case i%50 == 1:
				s.LastByte = time.Second
			}
			tally.count(&s)
			tally.tell(time.Duration(i+1)*tellEvery, 0)
		}
	})
	for range 100 {
		e.progress(0)
	}
	counting.Wait()
	tally.tell(30_000*tellEvery, 0)
	p := e.progress(time.Second)
	if p.Done != 20_000 || p.Failed != 200 || p.P50.Round(100*time.Microsecond) != time.Millisecond || p.P99 < 900*time.Millisecond || p.P99 > 1100*time.Millisecond {
		t.Errorf("%+v", p)
	}
	tally.clear()
	if p := e.progress(0); p != (load.Progress{}) {
		t.Errorf("after the beginning of another load: %+v", p)
	}
}
