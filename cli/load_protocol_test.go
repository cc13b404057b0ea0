package cli_test

import (
	"testing"

	"github.com/taremesh/tare/internal/echo"
)

// Every scheme is spoken, to an echo and to the floor's own.
func TestLoadProtocols(t *testing.T) {
	for _, c := range []struct {
		scheme, path string
		kind         echo.Kind
		secured      bool
		protocol     string
		floor        bool
	}{
		{"http", "/", echo.HTTP1, false, "http/1.1", false},
		{"https", "/", echo.HTTP1, true, "http/1.1", true},
		{"h2c", "/", echo.HTTP2, false, "http/2", true},
		{"h2", "/", echo.HTTP2, true, "http/2", false},
		{"grpc", "/echo.Echo/Say", echo.GRPC, false, "grpc", true},
		{"grpcs", "/echo.Echo/Say", echo.GRPC, true, "grpc", false},
		{"ws", "/chat", echo.WebSocket, false, "websocket", true},
		{"wss", "/chat", echo.WebSocket, true, "websocket", false},
		{"tcp", "/", echo.Bytes, false, "tcp", true},
		{"tcp+tls", "/", echo.Bytes, true, "tcp", false},
		{"connect", "/", echo.Bytes, false, "connect", false},
	} {
		listen := echo.Listen
		args := []string{"--rate", "500", "--requests", "100", "--connections", "2"}
		if c.secured {
			listen = echo.ListenTLS
			args = append(args, "--insecure")
		}
		if !c.floor {
			args = append(args, "--no-floor")
		}
		server, err := listen(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		got, r := loadJSON(t, append(args, c.scheme+"://"+server.Addr()+c.path)...)
		if r.code != 0 || got.Protocol != c.protocol || got.TLS != c.secured || got.Requests != 100 || got.Outcomes["ok"] != 100 {
			t.Errorf("%s: exit %d, %+v %s", c.scheme, r.code, got, r.err)
		}
		if c.floor && (got.Floor == nil || got.Floor.Latency.P50 == nil) {
			t.Errorf("%s: no floor: %+v", c.scheme, got.Checks)
		}
		if err := server.Close(); err != nil {
			t.Errorf("%s: %v", c.scheme, err)
		}
	}
}
