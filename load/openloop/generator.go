package openloop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Config says how the child is started. Only Launcher must be set.
type Config struct {
	Launcher *process.Launcher
	Args     []string // of the child; nil: "generate"
	Env      []string // added to the child's environment
	// Threads of the engine; 0: one, or two from 8 cores up. Never more than
	// the smallest pool has connections.
	Threads int
	// SpinCap is the share of one core that may be spent on spinning; 0: 0.15
	// with fewer than 3 cores, else 1.
	SpinCap float64
	// HoldBack is how many samples the child keeps while a load runs before it
	// hands them over; 0: 1,048,576. The fewer, the more a load of that length
	// is disturbed.
	HoldBack int
}

// Generator is the open-loop generator. It implements load.Generator.
type Generator struct{ config Config }

// New makes a generator; it starts nothing.
func New(c Config) *Generator {
	if c.Args == nil {
		c.Args = []string{"generate"}
	}
	return &Generator{c}
}

// Name is "openloop".
func (*Generator) Name() string { return "openloop" }

// Open starts the child and returns when all pools stand.
func (g *Generator) Open(ctx context.Context, targets []load.Target, p load.Population) (load.Session, error) {
	child, err := g.config.Launcher.Start(process.Command{Name: "generator", Args: g.config.Args, Env: g.config.Env})
	if err != nil {
		return nil, err
	}
	s := &Session{child: child}
	message := openMessage{Targets: targets, Population: p, Threads: g.config.Threads, SpinCap: g.config.SpinCap, HoldBack: g.config.HoldBack}
	if err := s.open(ctx, message); err != nil {
		child.Stop(0)
		return nil, fmt.Errorf("open the generator: %w", err)
	}
	return s, nil
}

// Session is a child with standing pools. It implements load.Session.
type Session struct {
	child *process.Process
	ready readyMessage

	mu     sync.Mutex // one load at a time
	broken error      // the protocol is out of step: no more loads

	write sync.Mutex // of frames to the child
}

func (s *Session) open(ctx context.Context, m openMessage) error {
	hello, err := s.child.Ready(ctx)
	if err != nil {
		return err
	}
	if hello != Protocol {
		return fmt.Errorf("the child speaks %q, this program %q", hello, Protocol)
	}
	// Nobody waits for a child that was told to go: its end ends the read.
	stop := context.AfterFunc(ctx, func() { s.child.Stop(0) })
	defer stop()
	if err := writeMessage(s.child.Stdin, frameOpen, m); err != nil {
		return s.failure(ctx, err)
	}
	f, err := s.readFrame()
	if err != nil {
		return s.failure(ctx, err)
	}
	if f.kind != frameReady {
		return fmt.Errorf("the child sent frame %q, not %q", f.kind, frameReady)
	}
	s.ready, err = decodeMessage[readyMessage](f)
	return err
}

// readFrame reads a frame that is not a fault.
func (s *Session) readFrame() (frame, error) {
	kind, n, err := readHead(s.child.Stdout)
	if err != nil {
		return frame{}, err
	}
	return s.readRest(kind, n)
}

func (s *Session) readRest(kind byte, n int) (frame, error) {
	f, err := readPayload(s.child.Stdout, kind, n)
	if err != nil || f.kind != frameFault {
		return f, err
	}
	m, err := decodeMessage[faultMessage](f)
	if err != nil {
		return frame{}, err
	}
	return frame{}, &fault{m.Error}
}

// fault is what the child could not do, in its words.
type fault struct{ words string }

func (f *fault) Error() string { return f.words }

// failure finds the true reason of an error in talking with the child: its
// own words, the caller's cancellation, its death.
func (s *Session) failure(ctx context.Context, err error) error {
	var f *fault
	if errors.As(err, &f) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	select {
	case <-s.child.Done():
	case <-time.After(time.Second): // it lives and talks nonsense
		return err
	}
	if dead := s.child.Err(); dead != nil {
		return dead
	}
	return err
}

// Generate offers one load; see load.Session.
func (s *Session) Generate(ctx context.Context, l load.Load, sink load.Sink) (load.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return load.Stats{}, err
	}
	if s.broken != nil {
		return load.Stats{}, s.broken
	}
	m, refused, err := s.generate(ctx, l, sink)
	if err != nil {
		err = fmt.Errorf("generate load: %w", s.failure(context.WithoutCancel(ctx), err))
		var f *fault
		if !errors.As(err, &f) {
			s.broken = err
		}
		return load.Stats{}, err
	}
	switch {
	case refused != nil:
		return m.Stats, fmt.Errorf("generate load: take the samples: %w", refused)
	case m.Error != "":
		return m.Stats, fmt.Errorf("generate load: %w", &fault{m.Error})
	case m.Canceled:
		return m.Stats, ctx.Err()
	}
	return m.Stats, nil
}

// generate orders a load and takes what comes of it up to its stats. Refused is
// why the sink took no more samples.
func (s *Session) generate(ctx context.Context, l load.Load, sink load.Sink) (m statsMessage, refused, err error) {
	if err := send(s, frameGenerate, generateMessage{Load: l, Progress: sink.Progress != nil}); err != nil {
		return statsMessage{}, nil, err
	}
	cancel := s.canceler()
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		cancel.order()
	})
	defer func() {
		if !stop() {
			<-told
		}
		cancel.over()
	}()
	samples := load.NewSampleReader(s.child.Stdout)
	if l.MeanRate()*l.Length().Seconds() > holdBack {
		samples.Reserve(chunkSamples)
	}
	for {
		kind, n, err := readHead(s.child.Stdout)
		cancel.heard()
		switch {
		case cancel.killed.Load():
			return statsMessage{}, nil, fmt.Errorf("the generator said nothing for %v after it was told to stop and was killed", cancelGrace)
		case err != nil:
			return statsMessage{}, nil, err
		case kind == frameSamples:
			part, err := samples.Next()
			if err != nil {
				return statsMessage{}, nil, err
			}
			if refused == nil {
				cancel.pause()
				if refused = sink.Samples(part); refused != nil {
					cancel.order()
				}
				cancel.heard()
			}
			continue
		}
		f, err := s.readRest(kind, n)
		if err != nil {
			return statsMessage{}, nil, err
		}
		switch kind {
		case frameProgress:
			p, err := decodeMessage[load.Progress](f)
			if err != nil {
				return statsMessage{}, nil, err
			}
			sink.Progress(p)
		case frameStats:
			m, err := decodeMessage[statsMessage](f)
			return m, refused, err
		default:
			return statsMessage{}, nil, fmt.Errorf("the child sent frame %q while a load runs", kind)
		}
	}
}

func send[T any](s *Session, kind byte, message T) error {
	s.write.Lock()
	defer s.write.Unlock()
	w := bufio.NewWriter(s.child.Stdin)
	if err := writeMessage(w, kind, message); err != nil {
		return err
	}
	return w.Flush()
}

// PID is the child's process id.
func (s *Session) PID() int { return s.child.PID() }

// Threads is how many threads the engine runs.
func (s *Session) Threads() int { return s.ready.Threads }

// Epoch is the moment that samples count from, on CLOCK_MONOTONIC.
func (s *Session) Epoch() time.Duration { return time.Duration(s.ready.Epoch) }

// Close ends the child. It may be called again.
func (s *Session) Close() error {
	_ = s.child.Stdin.Close() // closed twice, or of a dead child: nothing is left to do
	select {
	case <-s.child.Done():
	case <-time.After(2 * time.Second):
	}
	s.child.Stop(time.Second)
	return nil
}
