package embedded

import "time"

// limit is one of the times that a route sets.
type limit uint8

const (
	wholeStream  limit = iota // of the exchange
	wholeRequest              // from the end of the request to that of the response
	oneTry                    // of one attempt, to its response
	idleStream                // without a byte; what is set is when it is looked at next
	limitCount
)

// causes are what the times that are over cut an exchange by.
var causes = [limitCount]cause{wholeStream: streamTimedOut, wholeRequest: timedOut, oneTry: tryTimedOut, idleStream: idleTimedOut}

// alarm cuts an exchange when one of its times is over. It is made when a route
// first sets one, and used again; routes without any never touch it.
type alarm struct {
	timer *time.Timer
	at    [limitCount]time.Time // zero: not set
	idle  time.Duration         // how long nothing may move
	beat  uint64                // of the connection when it was looked at last
	still int                   // how often nothing had moved
}

// looks is how often it is looked whether anything moves, in the time in which
// something must.
const looks = 4

// watchIdle starts to look whether anything moves.
func (c *conn) watchIdle(d time.Duration) {
	c.mu.Lock()
	c.alarm.idle, c.alarm.beat, c.alarm.still = d, c.beat.Load(), 0
	c.mu.Unlock()
	c.until(idleStream, time.Now().Add(d/looks))
}

// moved looks once, and says when to look again. mu is held.
func (c *conn) moved(now time.Time) bool {
	a := &c.alarm
	if beat := c.beat.Load(); beat != a.beat {
		a.beat, a.still = beat, 0
	} else {
		a.still++
	}
	a.at[idleStream] = now.Add(a.idle / looks)
	return a.still < looks
}

// until sets the end of a time; the zero time takes it back.
func (c *conn) until(l limit, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alarm.at[l].IsZero() && at.IsZero() {
		return
	}
	c.alarm.at[l] = at
	if at.IsZero() && c.cut == causes[l] {
		c.cut = notCut // it came too late, or what it cut has ended
		if c.up != nil {
			_ = c.up.conn.SetDeadline(time.Time{})
		}
	}
	c.setAlarm(time.Now())
}

// calm takes all times back.
func (c *conn) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm.at = [limitCount]time.Time{}
	if c.alarm.timer != nil {
		c.alarm.timer.Stop()
	}
}

// setAlarm has the timer ring at the first of the ends. mu is held.
func (c *conn) setAlarm(now time.Time) {
	var first time.Time
	for _, at := range c.alarm.at {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	switch {
	case first.IsZero():
		if c.alarm.timer != nil {
			c.alarm.timer.Stop()
		}
	case c.alarm.timer == nil:
		c.alarm.timer = time.AfterFunc(first.Sub(now), c.ring)
	default:
		c.alarm.timer.Reset(first.Sub(now))
	}
}

// ring cuts the exchange by the times that are over. One that was taken back
// while the timer rang is not there any more.
func (c *conn) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for l := range c.alarm.at {
		if at := c.alarm.at[l]; !at.IsZero() && !at.After(now) {
			c.alarm.at[l] = time.Time{}
			if limit(l) == idleStream && c.moved(now) {
				continue
			}
			c.cutNow(causes[l])
		}
	}
	c.setAlarm(now)
}

// cutNow wakes the connection out of what it waits for, and keeps it from
// waiting again. mu is held.
func (c *conn) cutNow(why cause) {
	if c.cut != notCut && !(c.cut == tryTimedOut && why != tryTimedOut) {
		return
	}
	c.cut = why
	if c.up != nil {
		_ = c.up.conn.SetDeadline(past)
	}
	if c.dialling != nil {
		c.dialling()
	}
	if c.wake != nil {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// cutBy is why the exchange was cut.
func (c *conn) cutBy() cause {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return clientGone
	}
	return c.cut
}

// pause waits between two attempts, and reports whether there is to be another.
func (c *conn) pause(d time.Duration) bool {
	c.mark(patient)
	c.mu.Lock()
	if c.cut == tryTimedOut {
		c.cut = notCut
	}
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
	select {
	case <-c.wake: // from an attempt that has ended
	default:
	}
	cut := c.cut != notCut || c.gone
	c.mu.Unlock()
	if cut || d <= 0 {
		return !cut
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.wake:
	}
	return c.cutBy() == notCut
}
