package openloop

import (
	"bytes"
	"errors"

	"github.com/taremesh/tare/load"
)

// errEcho is of a server that sends back something else.
var errEcho = errors.New("what came back is not what was sent")

// echoReader is of bare bytes that must come back.
type echoReader struct{ w *worker }

func (echoReader) greet(int32) bool { return true }

// request has its bytes as the head, which is never empty.
func (echoReader) request(c *conn, _ *load.Sample) prepared { return prepared{head: c.awaited} }

func (r echoReader) reset(c *conn, s *load.Sample) { c.await(r.w.requests.of(s)) }

func (echoReader) feed(c *conn, b []byte) (int, bool, error) {
	n := min(len(b), len(c.awaited))
	if !bytes.Equal(b[:n], c.awaited[:n]) {
		return n, false, errEcho
	}
	c.awaited = c.awaited[n:]
	return n, len(c.awaited) == 0, nil
}

func (echoReader) end(*conn) bool { return false }

func (echoReader) outcome(*conn) (uint16, load.Class, bool) { return 0, load.OK, false }

func (echoReader) unasked(int32, []byte) bool { return false }
