package openloop

import (
	"time"

	"github.com/taremesh/tare/load"
)

// turns are a thread's part of a schedule: with N threads arrival i is thread
// i mod N's. They are computed one ahead, when the one before has been taken up.
type turns struct {
	schedule *load.Schedule
	began    time.Duration
	coming   load.Sample // its Intended is noArrival after the last
}

// deal gives the threads what they are to do.
func (e *engine) deal(l load.Load) error {
	if err := e.requests.begin(l); err != nil {
		return err
	}
	for k, w := range e.workers {
		w.turn = shareOf(l.Share, len(e.workers), k)
	}
	if l.Closed {
		return e.dealClosed(l)
	}
	for _, w := range e.workers {
		part := l
		part.Share = w.turn
		schedule, err := load.NewSchedule(part, len(e.targets), e.population)
		if err != nil {
			return err
		}
		w.closed, w.turns = nil, turns{schedule: schedule}
		w.turns.advance()
	}
	return nil
}

// shareOf is thread k's part of a share.
func shareOf(s load.Share, threads, k int) load.Share {
	whole := max(s.N, 1)
	return load.Share{K: s.K + whole*k, N: whole * threads}
}

// advance computes the next arrival.
func (t *turns) advance() {
	a, ok := t.schedule.Next()
	if !ok {
		t.coming.Intended = noArrival
		return
	}
	t.coming = load.Sample{
		Intended: t.began + a.At, Written: never, FirstByte: never, LastByte: never,
		User: uint32(a.User), Target: uint16(a.Target), Request: uint16(a.Request), Class: pending,
	}
}

// begin counts the schedule's times from began.
func (t *turns) begin(began time.Duration) {
	t.began = began
	if t.coming.Intended != noArrival {
		t.coming.Intended += began
	}
}

// lead is how many chunks a thread has beyond those that are held back: one that
// is filled, and those that are on their way while the first of the others leave.
const lead = 4

// expected is how many samples of a load a thread is to have memory for before
// it begins: all, or as many as there are when the first leave.
func (e *engine) expected(l load.Load) int {
	n := l.MeanRate() * l.Length().Seconds()
	switch {
	case l.Each > 0 && len(l.Targets) > 0:
		n = float64(l.Each) * float64(len(l.Targets))
	case l.Each > 0:
		n = float64(l.Each) * float64(len(e.targets))
	}
	return int(min(1.1*n/float64(len(e.workers)), float64(e.holdBack/len(e.workers)+lead*chunkSamples)))
}
