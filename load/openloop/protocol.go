package openloop

import (
	"fmt"

	"github.com/taremesh/tare/load"
	"golang.org/x/sys/unix"
)

// protocol is what the connections of a pool speak. The worker paces, keeps
// pools, lines and deadlines, and asks a protocol for nothing else. A protocol
// belongs to one worker; what it keeps of a connection is in the connection.
type protocol interface {
	// greet begins what comes before the first request on a connection that
	// stands; true: nothing does. Else the protocol calls worker.admit in time.
	greet(slot int32) bool
	// start carries a request out on a connection that has a place for it and
	// is out of the idle list.
	start(slot, arrival int32)
	// take is given bytes that came; true: no more are to be read now.
	take(slot int32, b []byte) bool
	// writable goes on writing; false when that broke the connection.
	writable(slot int32) bool
	// ended is told that no more bytes will come; errno is 0 at a proper end.
	ended(slot int32, errno unix.Errno)
	// retire has a connection closed as soon as nothing is under way on it.
	retire(slot int32)
	// cancel gives up a request that is under way. The caller settles it.
	cancel(slot, arrival int32)
}

// newProtocol is what a target speaks, for one worker.
func (w *worker) newProtocol(target int, t load.Target) protocol {
	switch t.Protocol {
	case load.HTTP2, load.GRPC:
		return newHTTP2(w, target, t)
	case load.TCP:
		return &serial{w: w, reader: echoReader{w}}
	case load.WebSocket:
		return &serial{w: w, reader: newWebSocket(w, t)}
	case load.Connect:
		return &opening{w}
	}
	return &serial{w: w, reader: httpReader{w}}
}

// speaks refuses what is not spoken.
func speaks(t load.Target) error {
	switch t.Protocol {
	case "", load.HTTP1, load.HTTP2, load.GRPC, load.TCP, load.WebSocket, load.Connect:
		return nil
	}
	return fmt.Errorf("target %s: this generator does not speak %s", t.Name, t.Protocol)
}

// places is how many requests one connection to a target may carry at a time.
func places(t load.Target) int {
	if t.Fresh {
		return 1
	}
	if t.Protocol == load.HTTP2 || t.Protocol == load.GRPC {
		return max(t.Streams, 1)
	}
	return 1
}
