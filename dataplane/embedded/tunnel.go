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
	p.tunnels.Add(1)
	defer p.tunnels.Add(-1)
	t := p.table.Load()
	to := t.clusters[e.tcp]
	at, why := to.choose(choice{})
	if why != noRefusal {
		return
	}
	began := time.Now()
	up, err := at.connect(p.life)
	if err != nil {
		to.done(at, outcome{fault: connectFailed, took: time.Since(began)})
		return
	}
	defer up.Close()
	p.joined(client, up, nil)
	to.done(at, outcome{})
}

// joined carries bytes both ways. A side that has no more to say is told to the
// other one, which may go on. Moved, if set, is called when something has come.
func (p *proxy) joined(a, b net.Conn, moved func()) {
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
	both.Go(func() { flow(a, b, moved) })
	both.Go(func() { flow(b, a, moved) })
	both.Wait()
}

// flow copies until from has ended, and then ends to that way.
func flow(to, from net.Conn, moved func()) {
	var in io.Reader = from
	if moved != nil {
		in = &watched{from, moved}
	}
	_, err := io.Copy(to, in)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		// It is broken: neither way can be trusted any more.
		_ = to.SetDeadline(past)
		_ = from.SetDeadline(past)
	}
}

// watched tells of what is read.
type watched struct {
	from  io.Reader
	moved func()
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	w.moved()
	return n, err
}

// switched hands the response on that both sides now speak something else, and
// carries what they say until they end.
func (c *conn) switched(u *upstream) bool {
	c.mark(streaming)
	defer c.settle(u, nil, false)
	c.gave(c.res.Status)
	c.out = append(append(c.res.AppendStatus(c.out[:0]), "\r\n"...), u.unread()...)
	if c.write(c.out) != nil {
		return false
	}
	if early := c.in.unread(); len(early) > 0 {
		if _, err := u.conn.Write(early); err != nil {
			return false
		}
	}
	c.p.joined(c.in.src, u.conn, c.progress)
	return false
}
