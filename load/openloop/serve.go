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
	s := &server{out: out, frames: make(chan frame)}
	// The reader ends with the input, which outlives Serve only on an error,
	// and then the process ends.
	go s.read(bufio.NewReader(in))
	defer s.closeEngine()
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
	out     io.Writer
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
	return writeMessage(s.out, frameFault, faultMessage{Error: err.Error()})
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
	return writeMessage(s.out, frameReady, readyMessage{Epoch: s.engine.epochNanos, Threads: len(s.engine.workers)})
}

func (s *server) generate(f frame) error {
	l, err := decodeMessage[load.Load](f)
	if err != nil {
		return err
	}
	if s.engine == nil {
		return s.fault(errors.New("no pools stand"))
	}
	type outcome struct {
		samples []load.Sample
		stats   load.Stats
		err     error
	}
	s.engine.canceled.Store(false)
	done := make(chan outcome, 1)
	go func() {
		samples, stats, err := s.engine.run(l)
		done <- outcome{samples, stats, err}
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
			if o.err != nil {
				return s.fault(o.err)
			}
			return s.report(o.samples, statsMessage{Stats: o.stats, Canceled: s.engine.canceled.Load()})
		}
	}
}

func (s *server) report(samples []load.Sample, m statsMessage) error {
	if err := writeMessage(s.out, frameStats, m); err != nil {
		return err
	}
	if err := load.EncodeSamples(sampleWriter{s.out}, samples); err != nil {
		return err
	}
	return writeFrame(s.out, frameEnd, nil)
}
