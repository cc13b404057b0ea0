package openloop

import (
	"bufio"
	"net"
	"testing"

	"github.com/taremesh/tare/load"
)

// What went over the wire is counted, of each load for itself.
func TestBytesAreCounted(t *testing.T) {
	const answer = len("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for _, body := range []int{0, 300_000} { // the second is written in pieces
		target := serve(t, answerOnce(body))
		target.Body = body
		e := newTestEngine(t, target, load.Request{Method: "POST", Path: "/"})
		request := len(e.requests.byTarget[0][0][0].head) + body
		for range 2 {
			_, stats, err := e.run(load.Load{Rate: 1e4, Each: 10})
			if err != nil || stats.Sent != 10 || stats.Threads != 1 {
				t.Fatalf("stats %+v, error %v", stats, err)
			}
			if stats.BytesSent != int64(10*request) || stats.BytesReceived != int64(10*answer) {
				t.Errorf("%d bytes sent and %d received, want %d and %d", stats.BytesSent, stats.BytesReceived, 10*request, 10*answer)
			}
		}
	}
}

// answerOnce answers a request when its head and so many bytes of body are read.
func answerOnce(body int) func(net.Conn) {
	return func(c net.Conn) {
		in, out := bufio.NewReader(c), []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		for {
			for line := ""; line != "\r\n"; {
				var err error
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
			}
			if _, err := in.Discard(body); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}
}
