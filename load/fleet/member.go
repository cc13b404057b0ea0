package fleet

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/taremesh/tare/load"
)

// Pings is how often a worker's clock is read to learn how far it is from the
// coordinator's.
const Pings = 16

// member is a worker that has joined, as its coordinator sees it.
type member struct {
	load.Part
	wire      *wire
	epoch     time.Duration // of its session, on its clock
	inbox     chan message  // closed when the worker is gone
	lost      error         // why, set before inbox is closed
	dismissed chan struct{}
	dismiss   sync.Once
}

func newMember(name string, w *wire) *member {
	return &member{Part: load.Part{Name: name}, wire: w, inbox: make(chan message, 4), dismissed: make(chan struct{})}
}

// read moves messages from the stream into the inbox. Full, it reads no more,
// and the worker's sending waits: its generator keeps the samples meanwhile.
func (m *member) read() {
	defer close(m.inbox)
	for {
		got, err := m.wire.receive()
		if err != nil {
			m.lost = err
			return
		}
		select {
		case m.inbox <- got:
		case <-m.dismissed:
			return
		}
	}
}

// next is the worker's next message.
func (m *member) next(ctx context.Context) (message, error) {
	select {
	case got, ok := <-m.inbox:
		if !ok {
			return message{}, &LostError{Worker: m.Name, Cause: m.lost}
		}
		return got, nil
	case <-ctx.Done():
		return message{}, ctx.Err()
	}
}

// LostError says that a worker's connection ended while it was needed.
type LostError struct {
	Worker string
	Cause  error
}

func (e *LostError) Error() string { return fmt.Sprintf("worker %s was lost: %v", e.Worker, e.Cause) }

func (e *LostError) Unwrap() error { return e.Cause }

// open lets the worker's pools stand.
func (m *member) open(ctx context.Context, targets []load.Target, p load.Population) error {
	if err := m.wire.tell(kindOpen, openOrder{targets, p}); err != nil {
		return &LostError{m.Name, err}
	}
	got, err := m.next(ctx)
	if err != nil {
		return err
	}
	r, err := as[ready](got, kindReady)
	if err != nil {
		return fmt.Errorf("worker %s: %w", m.Name, err)
	}
	m.epoch = r.Epoch
	return nil
}

// compareClocks learns the offset of the worker's clock.
func (m *member) compareClocks(ctx context.Context) error {
	m.Bound = 1<<63 - 1
	for range Pings {
		asked := monotonic()
		if err := m.wire.tell(kindPing, ping{}); err != nil {
			return &LostError{m.Name, err}
		}
		got, err := m.next(ctx)
		if err != nil {
			return err
		}
		answered := monotonic()
		p, err := as[ping](got, kindPing)
		if err != nil {
			return fmt.Errorf("worker %s: %w", m.Name, err)
		}
		if bound := (answered - asked + 1) / 2; bound < m.Bound {
			m.Offset, m.Bound = p.Clock-(asked+answered)/2, bound
		}
	}
	return nil
}

// hear takes the worker's part of a load: samples go to out, which is closed at
// their end. Times are moved by so much.
func (m *member) hear(ctx context.Context, move time.Duration, out chan<- []load.Sample, told func(load.Progress)) error {
	defer close(out)
	for {
		got, err := m.next(ctx)
		if err != nil {
			return err
		}
		switch got.kind {
		case kindSamples:
			part, err := load.DecodeSamples(bytes.NewReader(got.payload))
			if err != nil {
				return fmt.Errorf("worker %s: %w", m.Name, err)
			}
			shift(part, move)
			select {
			case out <- part:
			case <-ctx.Done():
				return ctx.Err()
			}
		case kindProgress:
			p, err := as[load.Progress](got, kindProgress)
			if err != nil {
				return fmt.Errorf("worker %s: %w", m.Name, err)
			}
			told(p)
		default:
			e, err := as[ended](got, kindStats)
			if err != nil {
				return fmt.Errorf("worker %s: %w", m.Name, err)
			}
			m.Stats = e.Stats
			m.Stats.Began += move
			return nil
		}
	}
}

// shift moves all times that came.
func shift(part []load.Sample, by time.Duration) {
	for i := range part {
		s := &part[i]
		s.Intended += by
		for _, t := range []*time.Duration{&s.Written, &s.FirstByte, &s.LastByte} {
			if *t >= 0 {
				*t += by
			}
		}
		if s.Failed != 0 {
			s.Failed += by
		}
	}
}

// leave ends the worker's part in the fleet.
func (m *member) leave() {
	m.dismiss.Do(func() {
		_ = m.wire.send(kindClose, nil) // of one that is gone nothing is wanted
		close(m.dismissed)
	})
}
