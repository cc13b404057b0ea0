package mirror

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of copies.
const (
	MostBody   = 1 << 20          // bytes of a body that is copied
	MostCopies = 256              // under way
	Patience   = 15 * time.Second // with a copy's answer, as in Envoy
)

// copies draws which requests are copied, and bounds the copies under way.
type copies struct {
	percent int
	room    chan struct{}
	skipped atomic.Uint64
	wait    sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

func newCopies(s Spec) *copies {
	c := &copies{percent: s.Percent, room: make(chan struct{}, MostCopies)}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// Skipped is how many requests were not copied that should have been.
func (c *copies) Skipped() uint64 { return c.skipped.Load() }

// Close ends the copies under way and waits for them. No request may be sent
// afterwards.
func (c *copies) Close() error {
	c.end()
	c.wait.Wait()
	return nil
}

// wanted draws whether a request is to be copied.
func (c *copies) wanted() bool { return c.percent == 100 || rand.IntN(100) < c.percent }

// begin sends a copy of the request whose context it is, if there is room for it.
func (c *copies) begin(ctx context.Context, send func(context.Context)) {
	select {
	case c.room <- struct{}{}:
	default:
		c.skipped.Add(1)
		return
	}
	c.wait.Go(func() {
		defer func() { <-c.room }()
		// A copy outlives its request, whose caller may have its answer and be gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
		defer cancel()
		defer context.AfterFunc(c.life, cancel)()
		send(ctx)
	})
}
