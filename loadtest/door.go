package loadtest

import (
	"net"
	"sync"
	"testing"
)

// door is where a server takes connections: each is handed to a function, on a
// goroutine of its own, and closed when that returns. It is a part of the server,
// so that all of both is there before the first connection.
type door struct {
	addr     string
	listener net.Listener
	through  func(net.Conn)
	handlers sync.WaitGroup

	mu       sync.Mutex // also of what a server counts itself
	open     map[net.Conn]bool
	accepted int
	most     int // connections open at the same time
}

// attend opens a door on loopback; it closes with the test.
func (d *door) attend(t *testing.T, through func(net.Conn)) {
	t.Helper()
	d.through, d.open = through, map[net.Conn]bool{}
	d.listen(t, "127.0.0.1:0")
	t.Cleanup(d.stop)
}

// listen opens a door that was stopped, or never was open.
func (d *door) listen(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d.addr, d.listener = l.Addr().String(), l
	d.handlers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.open[c] = true
			d.accepted++
			d.most = max(d.most, len(d.open))
			d.mu.Unlock()
			d.handlers.Go(func() { d.handle(c) })
		}
	})
}

func (d *door) handle(c net.Conn) {
	defer func() {
		d.mu.Lock()
		delete(d.open, c)
		d.mu.Unlock()
		_ = c.Close()
	}()
	d.through(c)
}

// stop closes the listener and every connection, and waits for them.
func (d *door) stop() {
	_ = d.listener.Close()
	d.hangUp()
	d.handlers.Wait()
}

func (d *door) hangUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		_ = c.Close()
	}
}

func (d *door) counts() (accepted, most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accepted, d.most
}
