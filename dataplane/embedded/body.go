package embedded

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/taremesh/tare/internal/http1"
)

// errClient says that the client went away while its body was read.
var errClient = errors.New("the client is gone")

// errUnwritten says that a response went wrong before any of it was written.
var errUnwritten = errors.New("nothing was written yet")

// carry sends the request's body on, as it comes in.
func (c *conn) carry(u *upstream, length int64) error {
	c.in.grow(bodyBuffer)
	if length == http1.Chunked {
		return c.carryChunks(u)
	}
	for length > 0 {
		if err := c.more(); err != nil {
			return err
		}
		b := c.in.unread()
		b = b[:min(int64(len(b)), length)]
		if _, err := u.conn.Write(b); err != nil {
			return err
		}
		c.in.r += len(b)
		length -= int64(len(b))
		c.progress()
	}
	return nil
}

// more makes sure that something of the body is there.
func (c *conn) more() error {
	if c.in.r < c.in.w {
		return nil
	}
	if err := c.in.fill(); err != nil {
		return fmt.Errorf("%w: %w", errClient, err)
	}
	return nil
}

func (c *conn) carryChunks(u *upstream) error {
	chunks := c.chunks // what has been taken in already, if anything
	chunks.Keep = c.trails() && u.trails()
	var out []byte
	for {
		if err := c.more(); err != nil {
			return err
		}
		var err error
		if out, err = rechunk(&chunks, &c.in, out[:0]); err != nil {
			return err
		}
		if _, err := u.conn.Write(out); err != nil {
			return err
		}
		c.note.received.Store(chunks.Data())
		if chunks.Done() {
			return nil
		}
		c.progress()
	}
}

// rechunk reads what the buffer holds of a chunked body and appends it to out
// as chunks of our own, so that nothing of the sender's framing goes through.
func rechunk(chunks *http1.Chunks, in *reader, out []byte) ([]byte, error) {
	for in.r < in.w && !chunks.Done() {
		data, used, err := chunks.Next(in.unread())
		if err != nil {
			return out, err
		}
		in.r += used
		if len(data) > 0 {
			out = http1.AppendChunk(out, data)
		}
	}
	if chunks.Done() {
		out = http1.AppendEnd(out, chunks.Trailer())
	}
	return out, nil
}

// dechunk appends the data alone.
func dechunk(chunks *http1.Chunks, in *reader, out []byte) ([]byte, error) {
	for in.r < in.w && !chunks.Done() {
		data, used, err := chunks.Next(in.unread())
		if err != nil {
			return out, err
		}
		in.r += used
		out = append(out, data...)
	}
	return out, nil
}

// relay writes the response whose head has been read.
func (c *conn) relay(u *upstream, sent chan error) bool {
	if c.way != nil && c.way.Answers() {
		c.view.c = c
		c.way.Answer(&c.view, &c.x)
	}
	if len(c.visits) > 0 {
		return c.relayThrough(u, sent)
	}
	return c.relayPlain(u, sent)
}

func (c *conn) relayPlain(u *upstream, sent chan error) bool {
	if c.res.Status == http.StatusSwitchingProtocols {
		return c.switched(u)
	}
	c.mark(streaming)
	ends := c.res.Length == http1.UntilEnd || c.res.Length == http1.Chunked
	last := c.req.Close || c.ending() || (ends && c.req.Old())
	b := c.res.AppendStatus(c.out[:0])
	switch {
	case c.res.NoBody:
		b = c.res.AppendAnnounced(b)
	case !ends:
		b = http1.AppendFraming(b, c.res.Length)
	case !c.req.Old():
		b = http1.AppendFraming(b, http1.Chunked)
	}
	c.out = c.appendOwn(b, last)
	err := c.relayBody(u)
	clean := err == nil && !c.res.Close && u.r == u.w
	return c.finish(u, sent, err, clean, last)
}

// finish ends an exchange whose response was relayed as far as err allowed, and
// reports whether another may follow: after a clean one the upstream's
// connection can be used again, after the last one the client's cannot.
func (c *conn) finish(u *upstream, sent chan error, err error, clean, last bool) bool {
	if err == nil {
		c.passTrailer(u)
	}
	if c.settle(u, sent, clean && !c.overtaken(sent)) != nil {
		last = true
	}
	if errors.Is(err, errUnwritten) {
		c.stats.upstreamBad.Add(1)
		return c.fail(sent == nil, http.StatusBadGateway, upstreamLost+resetReason+upstreamBad)
	}
	c.gave(c.res.Status)
	if err != nil {
		c.stats.aborted.Add(1)
		// The client must not take what it has for the whole; it may be gone
		// already, so that this may fail.
		c.cutOff()
		return false
	}
	c.note.done = true
	return !last
}

func (c *conn) relayBody(u *upstream) error {
	switch {
	case c.res.Length >= 0:
		return c.relayLength(u)
	case c.res.Length == http1.Chunked:
		return c.relayChunks(u)
	}
	return c.relayRest(u)
}

func (c *conn) write(b []byte) error {
	_, err := c.in.src.Write(b)
	return err
}

func (c *conn) relayLength(u *upstream) error {
	left := c.res.Length
	b := u.unread()
	b = b[:min(int64(len(b)), left)]
	c.out = append(c.out, b...)
	u.r += len(b)
	left -= int64(len(b))
	c.note.sent = int64(len(b))
	if err := c.write(c.out); err != nil || left == 0 {
		return err
	}
	u.grow(bodyBuffer)
	for left > 0 {
		if err := u.fill(); err != nil {
			return err
		}
		b := u.unread()
		b = b[:min(int64(len(b)), left)]
		if err := c.write(b); err != nil {
			return err
		}
		u.r += len(b)
		left -= int64(len(b))
		c.note.sent += int64(len(b))
		c.mark(streaming)
	}
	return nil
}

func (c *conn) relayChunks(u *upstream) error {
	var chunks http1.Chunks
	if chunks.Keep = c.trails() && u.trails(); chunks.Keep {
		c.trailInBand(u)
	}
	recode := rechunk
	if c.req.Old() {
		recode = dechunk
	}
	for written := false; ; written = true {
		var err error
		if c.out, err = recode(&chunks, &u.reader, c.out); err != nil && !written {
			return fmt.Errorf("%w: %w", errUnwritten, err)
		} else if err != nil {
			return err
		}
		c.note.sent = chunks.Data()
		if len(c.out) > 0 {
			if err := c.write(c.out); err != nil {
				return err
			}
		}
		if chunks.Done() {
			return nil
		}
		c.out = c.out[:0]
		c.mark(streaming)
		u.grow(bodyBuffer)
		if err := u.fill(); err != nil {
			return err
		}
	}
}

// relayRest relays a body that ends with the connection.
func (c *conn) relayRest(u *upstream) error {
	for {
		if b := u.unread(); len(b) > 0 {
			if c.req.Old() {
				c.out = append(c.out, b...)
			} else {
				c.out = http1.AppendChunk(c.out, b)
			}
			c.note.sent += int64(len(b))
			u.r = u.w
		}
		if len(c.out) > 0 {
			if err := c.write(c.out); err != nil {
				return err
			}
			c.out = c.out[:0]
		}
		c.mark(streaming)
		u.grow(bodyBuffer)
		err := u.fill()
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && c.req.Old():
			return nil
		case errors.Is(err, io.EOF):
			return c.write([]byte(http1.LastChunk))
		default:
			return err
		}
	}
}

// settle ends an exchange: a clean connection goes back to rest. The error is
// of the request's body, when that was still on its way.
func (c *conn) settle(u *upstream, sent chan error, clean bool) (err error) {
	if sent != nil && clean {
		err = <-sent
	}
	alone := c.detach()
	if clean && alone && err == nil {
		u.shrink()
		u.home.give(u, c.p.sweeps.Load())
		return nil
	}
	u.conn.Close()
	if sent == nil || clean {
		return err
	}
	// Who carries the body may be waiting for the client.
	if err := c.in.src.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	return c.in.src.SetReadDeadline(time.Time{})
}
