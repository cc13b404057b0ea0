package openloop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/taremesh/tare/load"
)

// Serve is the child: it speaks the protocol of the package's doc until its
// input ends. It turns off the collector's pacing for the whole process, so it
// is to be the process's only work.
func Serve(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(-1)
	if _, err := io.WriteString(out, Protocol+"\n"); err != nil {
		return fmt.Errorf("say that the generator is here: %w", err)
	}
	s := &server{out: newOutlet(out), frames: make(chan frame)}
	// The reader ends with the input, which outlives Serve only on an error,
	// and then the process ends.
	go s.read(bufio.NewReader(in))
	defer s.closeEngine()
	err := s.serve()
	return errors.Join(err, s.out.close())
}

// serve answers frames until there are no more.
func (s *server) serve() error {
	for f := range s.frames {
		if err := s.answer(f); err != nil {
			return err
		}
	}
	if s.readErr != nil {
		return fmt.Errorf("read the parent's orders: %w", s.readErr)
	}
	return nil
}

type server struct {
	out     *outlet
	frames  chan frame
	readErr error // set before frames is closed
	engine  *engine
}

func (s *server) read(in io.Reader) {
	defer close(s.frames)
	for {
		f, err := readFrame(in)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.readErr = err
			}
			return
		}
		s.frames <- f
	}
}

func (s *server) closeEngine() {
	if s.engine != nil {
		s.engine.close()
	}
}

func (s *server) answer(f frame) error {
	switch f.kind {
	case frameOpen:
		return s.open(f)
	case frameGenerate:
		return s.generate(f)
	case frameCancel:
		return nil // the load had ended before
	}
	return fmt.Errorf("frame %q is not of %s", f.kind, Protocol)
}

func (s *server) fault(err error) error {
	return message(s.out, frameFault, faultMessage{Error: err.Error()})
}

func (s *server) open(f frame) error {
	m, err := decodeMessage[openMessage](f)
	if err != nil {
		return err
	}
	if s.engine != nil {
		return s.fault(errors.New("the pools stand already"))
	}
	if s.engine, err = newEngine(m); err != nil {
		return s.fault(err)
	}
	return message(s.out, frameReady, readyMessage{Epoch: s.engine.epochNanos, Threads: len(s.engine.workers)})
}

func (s *server) generate(f frame) error {
	m, err := decodeMessage[generateMessage](f)
	if err != nil {
		return err
	}
	if s.engine == nil {
		return s.fault(errors.New("no pools stand"))
	}
	type outcome struct {
		stats load.Stats
		err   error
	}
	if s.engine.expected(m.Load)*len(s.engine.workers) > s.engine.holdBack-len(s.engine.workers) {
		s.out.reserve()
	}
	s.engine.canceled.Store(false)
	done := make(chan outcome, 1)
	go func() {
		stats, err := s.engine.offer(m.Load, toParent{s.out, m.Progress})
		done <- outcome{stats, err}
	}()
	frames := s.frames
	for {
		select {
		case f, open := <-frames:
			s.engine.cancel()
			if !open { // the parent is gone
				<-done
				return nil
			}
			if f.kind != frameCancel {
				<-done
				return fmt.Errorf("frame %q while a load runs", f.kind)
			}
		case o := <-done:
			switch {
			case o.err == nil:
				return message(s.out, frameStats, statsMessage{Stats: o.stats, Canceled: s.engine.canceled.Load()})
			case o.stats.Threads == 0: // it never began
				return s.fault(o.err)
			}
			return message(s.out, frameStats, statsMessage{Stats: o.stats, Error: o.err.Error()})
		}
	}
}

// toParent is the receiver of a load that sends to the parent.
type toParent struct {
	*outlet
	asked bool // for progress
}

// progress tells it when it does not stand in the way of samples.
func (p toParent) progress(now load.Progress) {
	if p.asked && p.room() {
		_ = message(p.outlet, frameProgress, now) // an error of the outlet shows with the samples
	}
}
