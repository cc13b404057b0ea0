package openloop

import (
	"sync"
	"sync/atomic"
	"time"
)

// cancelGrace is how long a child that was told to stop may say nothing.
const cancelGrace = 10 * time.Second

// canceler tells the child to end its load, and ends a child that goes silent.
type canceler struct {
	session *Session
	killed  atomic.Bool
	once    sync.Once

	mu    sync.Mutex
	timer *time.Timer // nil before the order
	deaf  bool        // the sink is at work
}

func (s *Session) canceler() *canceler { return &canceler{session: s} }

// order tells the child, once.
func (c *canceler) order() {
	c.once.Do(func() {
		c.mu.Lock()
		c.timer = time.AfterFunc(cancelGrace, func() {
			c.killed.Store(true)
			c.session.child.Stop(0)
		})
		if c.deaf {
			c.timer.Stop()
		}
		c.mu.Unlock()
		_ = send(c.session, frameCancel, struct{}{}) // a dead child shows in the read
	})
}

// pause lets the child off while nobody listens to it.
func (c *canceler) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.deaf = true
}

// heard says that the child has spoken, or is listened to again.
func (c *canceler) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaf = false
	if c.timer != nil {
		c.timer.Reset(cancelGrace)
	}
}

// over says that the load has ended.
func (c *canceler) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}
