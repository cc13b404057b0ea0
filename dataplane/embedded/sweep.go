package embedded

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// limits are how long a connection may stay in one state. Deadlines would cost
// a timer for every read; instead all connections are looked at once in every
// Sweep, so that a limit is kept to within one of it. Nothing ticks while no
// client is connected.
type limits struct {
	sweep   time.Duration
	resting time.Duration // between requests
	reading time.Duration // of a head, or of a body to be dropped
	waiting time.Duration // for the head of the upstream's response
	stalled time.Duration // of a body without progress
}

// Envoy's defaults, but for the head, which Envoy does not bound.
var envoyLimits = limits{
	sweep:   time.Second,
	resting: time.Hour,
	reading: 30 * time.Second,
	waiting: 15 * time.Second,
	stalled: 5 * time.Minute,
}

func (l limits) of(p phase) time.Duration {
	return [...]time.Duration{resting: l.resting, reading: l.reading, waiting: l.waiting, streaming: l.stalled, patient: l.stalled}[p]
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// sweeping runs while there are connections.
func (p *proxy) sweeping() {
	t := time.NewTicker(p.limits.sweep)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-p.done:
			return
		}
		if !p.sweep() {
			return
		}
	}
}

// sweep looks at every connection once and reports whether there is any.
func (p *proxy) sweep() bool {
	p.sweeps.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.look(p.limits)
	}
	any := len(p.conns) > 0
	for _, e := range p.endpoints {
		// Without clients nothing rests, so that nothing has to be watched.
		e.drop(func(u *upstream) bool { return !any || !u.probe.quiet() })
	}
	p.swept = any
	return any
}

// look ends what has hung for too long, and gives up on an upstream whose
// client has gone.
func (c *conn) look(l limits) {
	beat := c.beat.Load()
	if beat != c.seen {
		c.seen, c.still = beat, 0
		return
	}
	c.still++
	ph := phase(beat & (1<<phaseBits - 1))
	over := time.Duration(c.still)*l.sweep >= l.of(ph)
	switch {
	case ph == waiting && over:
		c.cancel(timedOut)
	case (ph == waiting || ph == patient) && !c.probe.open():
		c.cancel(clientGone)
	case over && (ph == streaming || ph == patient):
		// What fails here is closed already.
		_ = c.in.src.SetDeadline(past)
		c.cancel(timedOut)
	case over:
		_ = c.in.src.SetReadDeadline(past)
	}
}

// cancel wakes the connection out of its wait for the upstream.
func (c *conn) cancel(why cause) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if why == clientGone {
		c.gone = true
	} else if c.up == nil {
		return
	}
	c.cutNow(why)
}

// probe looks at a connection without waiting and without taking anything. It
// is made once for each connection, so that looking allocates nothing.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr)
	byte [1]byte
	n    int
	err  error
}

func newProbe(c *net.TCPConn) *probe {
	p := &probe{}
	// It fails only for a connection that is not one.
	p.raw, p.err = c.SyscallConn()
	p.look = func(fd uintptr) { p.n, p.err = p.recv(fd) }
	return p
}

// recv never waits, so the scheduler is not told of it: to tell it wakes a thread
// that sleeps, which costs more than all else of a request.
func (p *probe) recv(fd uintptr) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p.byte)), uintptr(len(p.byte)),
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (p *probe) peek() (n int, err error) {
	if p.raw == nil {
		return 0, p.err
	}
	if err := p.raw.Control(p.look); err != nil {
		return 0, err
	}
	return p.n, p.err
}

// quiet reports whether a resting connection is open and has nothing to say:
// an end, or an answer that nobody asked for, must not meet the next request.
func (p *probe) quiet() bool {
	_, err := p.peek()
	return err == syscall.EAGAIN
}

// open reports whether the other side has not ended the connection.
func (p *probe) open() bool {
	n, err := p.peek()
	return n > 0 || err == syscall.EAGAIN
}
