package openloop_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/loadtest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	health1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
)

// http2Target is Go's own server of HTTP/2, in the clear.
func http2Target(tb testing.TB, connections, streams int, handler http.HandlerFunc) load.Target {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: &protocols}
	go func() { _ = server.Serve(l) }()
	tb.Cleanup(func() { server.Close() })
	return load.Target{
		Name: "h2", Addr: l.Addr().String(), Protocol: load.HTTP2,
		Connections: connections, MaxConnections: 2 * connections, Streams: streams,
	}
}

func TestConformanceOfHTTP2(t *testing.T) {
	t.Parallel()
	loadtest.TestHTTP2(t, newGenerator(t, openloop.Config{}))
}

func TestConformanceOfTLS(t *testing.T) {
	t.Parallel()
	loadtest.TestTLS(t, newGenerator(t, openloop.Config{}))
}

func TestConformanceOfGRPC(t *testing.T) {
	t.Parallel()
	loadtest.TestGRPC(t, newGenerator(t, openloop.Config{}))
}

func TestConformanceOfBytes(t *testing.T) {
	t.Parallel()
	loadtest.TestBytes(t, newGenerator(t, openloop.Config{}))
}

func collect(t *testing.T, target load.Target, p load.Population, l load.Load) ([]load.Sample, load.Stats) {
	t.Helper()
	session, err := newGenerator(t, openloop.Config{}).Open(context.Background(), []load.Target{target}, p)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	samples, stats, err := load.Collect(context.Background(), session, l)
	if err != nil {
		t.Fatal(err)
	}
	return samples, stats
}

// Go's server is asked by all users for all kinds of request, in the clear and
// over TLS; it sees what was meant and every sample holds.
func TestHTTP2AgainstGo(t *testing.T) {
	p := load.Population{
		Users: []load.User{{Weight: 1, Header: [][2]string{{"X-User", "a"}}}, {Weight: 1, Header: [][2]string{{"X-User", "b"}}}},
		Requests: []load.Request{
			{Method: "GET", Path: "/get", Weight: 1},
			{Method: "POST", Path: "/post", Body: 200_000, Weight: 1, Header: [][2]string{{"X-Kind", "post"}}},
			{Method: "HEAD", Path: "/head", Weight: 1},
		},
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		post := r.URL.Path == "/post"
		if err != nil || post != (n == 200_000) || post != (r.Header.Get("X-Kind") == "post") || r.Header.Get("X-User") == "" || r.ProtoMajor != 2 {
			t.Errorf("%s %s %v: a body of %d bytes, %v", r.Method, r.URL, r.Header, n, err)
		}
		w.Header().Set("X-Path", r.URL.Path)
		_, _ = w.Write(make([]byte, 3000))
	}
	clear := http2Target(t, 3, 5, handler)
	server := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	secured := clear
	secured.Addr, secured.TLS = server.Listener.Addr().String(), &load.TLS{Insecure: true}
	for name, target := range map[string]load.Target{"clear": clear, "tls": secured} {
		t.Run(name, func(t *testing.T) {
			samples, stats := collect(t, target, p, load.Load{Rate: 1000, Each: 300, Seed: 1})
			for _, s := range samples {
				if s.Class != load.OK || s.Status != 200 || s.Intended > s.Written || s.Written > s.FirstByte || s.FirstByte > s.LastByte {
					t.Fatalf("%+v", s)
				}
			}
			if stats.Sent != 300 || stats.Opened > 6 {
				t.Errorf("%+v", stats)
			}
		})
	}
}

// grpc-go's own server: calls of its health service, one that it answers well,
// one of which it knows nothing, and one of a method that is not there.
func TestGRPCAgainstGo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	well := health.NewServer()
	well.SetServingStatus("shop", health1.HealthCheckResponse_SERVING)
	health1.RegisterHealthServer(server, well)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	ask := func(path, service string) load.Request {
		content, err := proto.Marshal(&health1.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return load.Request{Method: "POST", Path: path, Content: content, Weight: 1}
	}
	p := load.Population{Requests: []load.Request{
		ask("/grpc.health.v1.Health/Check", "shop"), ask("/grpc.health.v1.Health/Check", "nobody"), ask("/grpc.health.v1.Health/Chek", "shop"),
	}}
	want := []struct {
		class load.Class
		code  codes.Code
	}{{load.OK, codes.OK}, {load.ClientError, codes.NotFound}, {load.ServerError, codes.Unimplemented}}
	target := load.Target{Name: "health", Addr: l.Addr().String(), Protocol: load.GRPC, Connections: 2, MaxConnections: 8, Streams: 3}
	samples, stats := collect(t, target, p, load.Load{Rate: 1000, Each: 200, Seed: 1})
	if len(samples) != 200 || stats.Sent != 200 {
		t.Errorf("%d samples, %+v", len(samples), stats)
	}
	for _, s := range samples {
		if w := want[s.Request]; s.Class != w.class || s.Status != load.GRPCStatus+uint16(w.code) || s.LastByte < s.FirstByte || s.FirstByte < s.Written {
			t.Fatalf("%+v, want %v", s, w)
		}
	}
}
