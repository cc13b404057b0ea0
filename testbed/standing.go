package testbed

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Child is a running process: a process.Process or a dataplane.Instance.
type Child interface {
	PID() int
	// Done is closed when the process has ended; Err then says why, nil when
	// it was told to.
	Done() <-chan struct{}
	Err() error
}

// Standing holds the processes of a setup: it watches, pauses and continues
// them. It stops none.
type Standing struct {
	names    []string // of the treatments
	children [][]standingChild

	died chan struct{} // closed when something ended by itself
	err  error         // set before died is closed
	down chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

type standingChild struct {
	role Role
	Child
}

// NewStanding makes one without processes for the topologies.
func NewStanding(ts []Topology) *Standing {
	s := &Standing{children: make([][]standingChild, len(ts)), died: make(chan struct{}), down: make(chan struct{})}
	for _, t := range ts {
		s.names = append(s.names, t.Name)
	}
	return s
}

// Add adds a process of treatment i. Different treatments' may be added at a time.
func (s *Standing) Add(i int, role Role, c Child) {
	s.children[i] = append(s.children[i], standingChild{role, c})
}

// Watch closes Died at the first process that ends by itself: those that were
// added, and others that serve all treatments. Call it once, after every Add.
func (s *Standing) Watch(others ...Child) {
	var first sync.Once
	report := func(err error) { first.Do(func() { s.err = err; close(s.died) }) }
	for i, cs := range s.children {
		for _, c := range cs {
			s.await(c, func(err error) { report(fmt.Errorf("treatment %s: %w", s.names[i], err)) })
		}
	}
	for _, c := range others {
		s.await(c, report)
	}
}

func (s *Standing) await(c Child, report func(error)) {
	s.wg.Go(func() {
		select {
		case <-c.Done():
			if err := c.Err(); err != nil {
				report(err)
			}
		case <-s.down:
		}
	})
}

// Release ends the watch, so that processes can be stopped; it may be called again.
func (s *Standing) Release() {
	s.once.Do(func() { close(s.down) })
	s.wg.Wait()
}

// Processes lists those of treatment i.
func (s *Standing) Processes(i int) []Process {
	ps := make([]Process, len(s.children[i]))
	for k, c := range s.children[i] {
		ps[k] = Process{Role: c.role, PID: c.PID()}
	}
	return ps
}

// Pause stops the processes of the treatments.
func (s *Standing) Pause(is ...int) error { return s.signal(syscall.SIGSTOP, is) }

// Resume continues them.
func (s *Standing) Resume(is ...int) error { return s.signal(syscall.SIGCONT, is) }

// signal reaches every process even if one of them fails. One that has ended
// is left out: its id may be another's by now, and Died tells of it.
func (s *Standing) signal(sig syscall.Signal, is []int) error {
	var errs []error
	for _, i := range is {
		for _, c := range s.children[i] {
			if ended(c) {
				continue
			}
			if err := syscall.Kill(c.PID(), sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				errs = append(errs, fmt.Errorf("send %v to the %s of treatment %s: %w", sig, c.role, s.names[i], err))
			}
		}
	}
	return errors.Join(errs...)
}

func ended(c Child) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// Died is closed when a process ended that nobody stopped.
func (s *Standing) Died() <-chan struct{} { return s.died }

// Err says which process ended; nil while all run.
func (s *Standing) Err() error {
	select {
	case <-s.died:
		return s.err
	default:
		return nil
	}
}

// probeEvery is the time between two tries of a probe.
const probeEvery = 5 * time.Millisecond

// Await tries until it succeeds, the context ends, or a process of treatment i
// does; then the error has that process's last words. What is tried is named
// by the words.
func (s *Standing) Await(ctx context.Context, i int, words string, try func(context.Context) error) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	alive, cancel := s.whileAlive(ctx, i)
	defer cancel()
	var answer error // the last that was not cut off
	for {
		err := try(alive)
		if err == nil {
			return nil
		}
		if alive.Err() == nil || answer == nil {
			answer = err
		}
		for _, c := range s.children[i] {
			if ended(c) {
				return fmt.Errorf("%s: %w", words, c.Err())
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s until %w: %w", words, ctx.Err(), answer)
		case <-tick.C:
		}
	}
}

// whileAlive is a context that ends with the first process of treatment i, so
// that no try waits for an answer that will not come.
func (s *Standing) whileAlive(ctx context.Context, i int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	for _, c := range s.children[i] {
		go func() {
			select {
			case <-c.Done():
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}
