package testbed_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/taremesh/tare/testbed"
)

// child is a process that ends when the test says so.
type child struct {
	done chan struct{}
	err  error
}

func newChild() *child                 { return &child{done: make(chan struct{})} }
func (*child) PID() int                { return os.Getpid() }
func (c *child) Done() <-chan struct{} { return c.done }
func (c *child) Err() error            { return c.err }
func (c *child) end(words string)      { c.err = errors.New(words); close(c.done) }

func standing(cs ...*child) *testbed.Standing {
	s := testbed.NewStanding([]testbed.Topology{{Name: "a"}, {Name: "b"}})
	for i, c := range cs {
		s.Add(i, testbed.ServiceRole, c)
	}
	return s
}

// A try that would wait for ever is given up when a process of its treatment
// ends, and the error is that process's last words.
func TestAwaitEndsWithTheProcess(t *testing.T) {
	a, b := newChild(), newChild()
	s := standing(a, b)
	err := s.Await(t.Context(), 0, "probe a", func(ctx context.Context) error {
		a.end("out of cheese")
		<-ctx.Done()
		return ctx.Err()
	})
	if err == nil || err.Error() != "probe a: out of cheese" {
		t.Errorf("%v", err)
	}
	tries := 0
	if err := s.Await(t.Context(), 1, "probe b", func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || tries != 3 {
		t.Errorf("b, which runs: %d tries, %v", tries, err)
	}
}

// When the time is up, the error is the last answer and not the cut-off try.
func TestAwaitSaysTheLastAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := standing(newChild()).Await(ctx, 0, "probe a", func(ctx context.Context) error {
		if tries++; tries == 1 {
			return errors.New("503")
		}
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), "503") {
		t.Errorf("%v", err)
	}
}

func TestWatchTellsOfTheFirstDeath(t *testing.T) {
	a, b, shared := newChild(), newChild(), newChild()
	s := standing(a, b)
	s.Watch(shared)
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	b.end("out of cheese")
	<-s.Died()
	if err := s.Err(); err == nil || err.Error() != "treatment b: out of cheese" {
		t.Errorf("%v", err)
	}
	a.end("later")
	s.Release()
	s.Release()
	if err := s.Err(); err == nil || err.Error() != "treatment b: out of cheese" {
		t.Errorf("%v", err)
	}

	alone := newChild()
	s = standing()
	s.Watch(alone)
	alone.end("the mesh is gone")
	<-s.Died()
	if err := s.Err(); err == nil || err.Error() != "the mesh is gone" {
		t.Errorf("%v", err)
	}
}

// What ends after the watch was released was told to.
func TestReleasedDeathsAreNoFaults(t *testing.T) {
	a := newChild()
	s := standing(a)
	s.Watch()
	s.Release()
	a.end("stopped")
	if err := s.Err(); err != nil {
		t.Errorf("%v", err)
	}
}
