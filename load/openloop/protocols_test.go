package openloop_test

import (
	"testing"

	floor "github.com/taremesh/tare/internal/echo"
	"github.com/taremesh/tare/load"
)

// Every protocol, in the clear and over TLS, in an open and in a closed load:
// the echo answers all, and every time is there and in order.
func TestProtocols(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    floor.Kind
		target  load.Target
		request load.Request
		status  uint16
	}{
		{"http1", floor.HTTP1, load.Target{}, load.Request{Method: "GET", Path: "/"}, 200},
		{"http2", floor.HTTP2, load.Target{Protocol: load.HTTP2, Streams: 4}, load.Request{Method: "POST", Path: "/", Body: 100}, 200},
		{"unary", floor.GRPC, load.Target{Protocol: load.GRPC, Streams: 4}, load.Request{Method: "POST", Path: "/a.B/C", Body: 10}, load.GRPCStatus},
		{"empty message", floor.GRPC, load.Target{Protocol: load.GRPC}, load.Request{Method: "POST", Path: "/a.B/C"}, load.GRPCStatus},
		{"streams of gRPC", floor.GRPC, load.Target{Protocol: load.GRPC, Streams: 2}, load.Request{Method: "POST", Path: "/a.B/C", Body: 40_000, Messages: 7}, load.GRPCStatus},
		{"tcp", floor.Bytes, load.Target{Protocol: load.TCP}, load.Request{Method: "POST", Path: "/", Body: 64}, 0},
		{"large tcp", floor.Bytes, load.Target{Protocol: load.TCP}, load.Request{Method: "POST", Path: "/", Body: 900_000}, 0},
		{"connect", floor.Bytes, load.Target{Protocol: load.Connect}, load.Request{Method: "GET", Path: "/"}, 0},
		{"websocket", floor.WebSocket, load.Target{Protocol: load.WebSocket}, load.Request{Method: "POST", Path: "/", Body: 64}, 0},
		{"middle websocket", floor.WebSocket, load.Target{Protocol: load.WebSocket}, load.Request{Method: "POST", Path: "/", Body: 50_000}, 0},
		{"large websocket", floor.WebSocket, load.Target{Protocol: load.WebSocket}, load.Request{Method: "POST", Path: "/", Body: 300_000}, 0},
	} {
		for name, secured := range map[string]*load.TLS{"clear": nil, "tls": {Insecure: true}} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				target := c.target
				target.Name, target.Connections, target.MaxConnections, target.TLS = "echo", 3, 20, secured
				target.Addr = listenFloor(t, c.kind, secured != nil)
				for _, l := range []load.Load{{Rate: 200, Each: 50, Seed: 1}, {Closed: true, Each: 60}} {
					samples, stats := collect(t, target, load.Ask(c.request), l)
					if len(samples) != l.Each || stats.Sent != l.Each {
						t.Errorf("%d samples, %+v", len(samples), stats)
					}
					for _, s := range samples {
						if s.Class != load.OK || s.Status != c.status || s.Intended > s.Written || s.Written > s.FirstByte || s.FirstByte > s.LastByte {
							t.Fatalf("%+v of %+v", s, l)
						}
					}
				}
			})
		}
	}
}

func listenFloor(tb testing.TB, k floor.Kind, secured bool) string {
	tb.Helper()
	listen := floor.Listen
	if secured {
		listen = floor.ListenTLS
	}
	server, err := listen(k)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return server.Addr()
}
