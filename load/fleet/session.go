package fleet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/taremesh/tare/load"
)

// cancelGrace is how long the workers may take to hand over what was done.
const cancelGrace = 15 * time.Second

// Session is workers whose pools stand. It implements load.Session.
type Session struct {
	members    []*member
	rule       Rule
	epoch      time.Duration // of the coordinator's times, CLOCK_MONOTONIC
	targets    int
	population load.Population

	mu     sync.Mutex // one load at a time
	broken error
}

// open lets all pools stand at once.
func (s *Session) open(ctx context.Context, targets []load.Target, p load.Population) error {
	return s.onAll(func(k int, m *member) error {
		return m.open(ctx, split(targets, load.Share{K: k, N: len(s.members)}), p)
	})
}

// onAll does something for every worker at once and joins the errors.
func (s *Session) onAll(do func(k int, m *member) error) error {
	errs := make([]error, len(s.members))
	var done sync.WaitGroup
	for k, m := range s.members {
		done.Go(func() { errs[k] = do(k, m) })
	}
	done.Wait()
	return errors.Join(errs...)
}

// PID is 0: what offers the load runs on other machines.
func (*Session) PID() int { return 0 }

// Epoch is the moment that merged times count from, on the coordinator's
// CLOCK_MONOTONIC.
func (s *Session) Epoch() time.Duration { return s.epoch }

// Close dismisses the workers. It may be called again.
func (s *Session) Close() error {
	for _, m := range s.members {
		m.leave()
	}
	return nil
}

// Generate offers one load by all workers; see load.Session.
func (s *Session) Generate(ctx context.Context, l load.Load, sink load.Sink) (load.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return load.Stats{}, err
	}
	if s.broken != nil {
		return load.Stats{}, s.broken
	}
	if l.Share != (load.Share{}) || l.Begin != 0 {
		return load.Stats{}, errors.New("generate load by a fleet: the load has a share and a beginning already; the fleet gives them")
	}
	if err := l.Check(s.targets, s.population); err != nil {
		return load.Stats{}, err
	}
	r := &round{load: l, rule: s.rule, sink: sink, members: s.present(), targets: s.targets, population: s.population}
	stats, err := r.run(ctx, s.epoch)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("generate load by a fleet: %w", err)
	}
	if r.outOfStep {
		s.broken = fmt.Errorf("an earlier load of this session failed: %w", err)
	}
	return stats, err
}

// present are the workers that were not lost in an earlier load.
func (s *Session) present() []*member {
	var there []*member
	for _, m := range s.members {
		if m.Lost == "" {
			there = append(there, m)
		}
	}
	return there
}

// round is one load.
type round struct {
	load       load.Load
	rule       Rule
	sink       load.Sink
	members    []*member
	targets    int
	population load.Population
	outOfStep  bool // messages of this load may still come

	mu       sync.Mutex // of what follows, and of calls to the sink
	progress []load.Progress
	errs     []error
}

// run orders the shares and merges what comes.
func (r *round) run(ctx context.Context, epoch time.Duration) (load.Stats, error) {
	if len(r.members) == 0 {
		return load.Stats{}, errors.New("every worker was lost")
	}
	r.progress = make([]load.Progress, len(r.members))
	for _, m := range r.members {
		m.Stats, m.Missing = load.Stats{}, 0
		if err := m.compareClocks(ctx); err != nil {
			r.outOfStep = true
			return load.Stats{}, err
		}
	}
	begin := monotonic() + least
	hearing, stopHearing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHearing()
	streams := make([]stream, len(r.members))
	var heard sync.WaitGroup
	for k, m := range r.members {
		order := r.share(k)
		order.Begin = begin + m.Offset - m.epoch
		if err := m.wire.tell(kindGenerate, order); err != nil {
			r.outOfStep = true
			return load.Stats{}, errors.Join(&LostError{m.Name, err}, r.cancelAll())
		}
		parts := make(chan []load.Sample, 1)
		streams[k].parts = parts
		heard.Go(func() { r.settle(m, m.hear(hearing, begin-epoch-order.Begin, parts, r.teller(k)), stopHearing) })
	}
	stop := context.AfterFunc(ctx, func() {
		_ = r.cancelAll() // who cannot be told is lost, and that shows
		time.AfterFunc(cancelGrace, stopHearing)
	})
	defer stop()
	if err := merge(streams, r.take); err != nil {
		r.fail(fmt.Errorf("take the samples: %w", err), stopHearing)
	}
	heard.Wait()
	r.count(streams)
	err := errors.Join(r.errs...)
	r.outOfStep = err != nil
	if err == nil {
		err = ctx.Err()
	}
	return r.stats(begin - epoch), err
}

// share is what the k-th worker is ordered to do.
func (r *round) share(k int) load.Load {
	l := r.load
	l.Share = load.Share{K: k, N: len(r.members)}
	if l.Closed && l.Each > 0 {
		l.Each = l.Share.Of(l.Each)
	}
	return l
}

func (r *round) cancelAll() error {
	var errs []error
	for _, m := range r.members {
		errs = append(errs, m.wire.send(kindCancel, nil))
	}
	return errors.Join(errs...)
}

// settle notes how a worker's part ended.
func (r *round) settle(m *member, err error, stopHearing context.CancelFunc) {
	var lost *LostError
	switch {
	case err == nil:
	case errors.As(err, &lost) && r.rule == GoOn:
		m.Lost = lost.Error()
	default:
		if errors.As(err, &lost) {
			m.Lost = lost.Error()
		}
		r.fail(err, stopHearing)
	}
}

// fail ends the round for all: the first reason counts, what follows from it not.
func (r *round) fail(err error, stopHearing context.CancelFunc) {
	r.mu.Lock()
	if len(r.errs) == 0 {
		r.errs = append(r.errs, err)
	}
	r.mu.Unlock()
	_ = r.cancelAll() // who cannot be told is lost
	stopHearing()
}

// take hands merged samples over.
func (r *round) take(part []load.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sink.Samples(part)
}

// teller adds a worker's progress to that of the others.
func (r *round) teller(k int) func(load.Progress) {
	return func(p load.Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.progress[k] = p
		if r.sink.Progress == nil || k != 0 {
			return // one of them sets the pace
		}
		sum := load.Progress{Elapsed: p.Elapsed}
		for _, each := range r.progress {
			sum.Sent, sum.Done, sum.Failed = sum.Sent+each.Sent, sum.Done+each.Done, sum.Failed+each.Failed
			sum.P50, sum.P99 = max(sum.P50, each.P50), max(sum.P99, each.P99)
		}
		r.sink.Progress(sum)
	}
}

// count says how many arrivals of a lost worker's share are missing.
func (r *round) count(streams []stream) {
	for k, m := range r.members {
		if m.Lost == "" || r.load.Closed {
			continue
		}
		m.Missing = -streams[k].taken
		schedule, err := load.NewSchedule(r.share(k), r.targets, r.population)
		if err != nil {
			continue // it was checked before
		}
		for _, ok := schedule.Next(); ok; _, ok = schedule.Next() {
			m.Missing++
		}
	}
}

// stats joins what the workers say of themselves.
func (r *round) stats(began time.Duration) load.Stats {
	sum := load.Stats{Began: began}
	for _, m := range r.members {
		s := m.Stats
		sum.Scheduled += s.Scheduled + m.Missing
		sum.Sent += s.Sent
		sum.Wall = max(sum.Wall, s.Began+s.Wall-began)
		sum.CPU += s.CPU
		sum.Spin += s.Spin
		sum.Margin = max(sum.Margin, s.Margin)
		sum.Opened += s.Opened
		sum.Saturated = sum.Saturated || s.Saturated
		sum.BytesSent += s.BytesSent
		sum.BytesReceived += s.BytesReceived
		sum.Threads += s.Threads
		sum.Throughput += s.Throughput
		sum.Parts = append(sum.Parts, m.Part)
	}
	return sum
}
