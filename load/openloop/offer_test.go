package openloop

import (
	"sync"
	"testing"

	"github.com/taremesh/tare/load"
)

// kept is a receiver that keeps everything.
type kept struct {
	mu    sync.Mutex
	all   []load.Sample
	parts int
	full  bool // it has no room
	told  []load.Progress
	err   error // of samples
}

func (k *kept) samples(part []load.Sample) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.all = append(k.all, part...)
	k.parts++
	return nil
}

func (k *kept) room() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.full
}

func (*kept) wait() {}

func (k *kept) progress(p load.Progress) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = append(k.told, p)
}

// run offers a load and keeps all that comes of it.
func (e *engine) run(l load.Load) ([]load.Sample, load.Stats, error) {
	var k kept
	stats, err := e.offer(l, &k)
	return k.all, stats, err
}

// dealAndOffer carries out a load without what surrounds it, on the first
// thread, and returns the samples.
func dealAndOffer(t *testing.T, e *engine, l load.Load, around func(offer func() error) error) []load.Sample {
	t.Helper()
	if err := e.prepare(l); err != nil {
		t.Fatal(err)
	}
	var k kept
	c := e.newCollector(l, 0, &k)
	err := e.onAll(func(_ int, w *worker) error {
		return around(func() error { return w.offer(w.now(), l.Duration, func() bool { return false }) })
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	return k.all
}
