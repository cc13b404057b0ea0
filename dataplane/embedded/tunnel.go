package embedded

import (
	"io"
	"net"
	"sync"
	"time"
)

// tunnel carries the bytes of a connection to an endpoint of the entrance's
// cluster and back, until both sides have ended or one has broken.
func (p *proxy) tunnel(e *entrance, client net.Conn) {
	defer client.Close()
	t := p.table.Load()
	to := t.clusters[e.tcp]
	at, why := to.choose(choice{})
	if why != noRefusal {
		return
	}
	began := time.Now()
	u, err := at.dial(func() { p.tunnels.Add(1) })
	if err != nil {
		to.done(at, outcome{fault: connectFailed, took: time.Since(began)})
		return
	}
	defer u.conn.Close()
	p.joined(client, u.conn)
	to.done(at, outcome{})
}

// joined carries bytes both ways. A side that has no more to say is told to the
// other one, which may go on.
func (p *proxy) joined(a, b net.Conn) {
	end := make(chan struct{})
	defer close(end)
	p.tasks.Go(func() {
		select {
		case <-p.cutting:
			_ = a.SetDeadline(past)
			_ = b.SetDeadline(past)
		case <-end:
		}
	})
	var both sync.WaitGroup
	both.Go(func() { flow(a, b) })
	both.Go(func() { flow(b, a) })
	both.Wait()
}

// flow copies until from has ended, and then ends to that way.
func flow(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		// It is broken: neither way can be trusted any more.
		_ = to.SetDeadline(past)
		_ = from.SetDeadline(past)
	}
}
