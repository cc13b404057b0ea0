package deadline

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func decode(t *testing.T, text string) (function.Spec, error) {
	t.Helper()
	p, err := study.JSONParams("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return Decode(p)
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"most": "10s"}`: "",
		`{"most": "1ms", "header": "x-request-deadline"}`: "",
		`{}`:                              "most: is needed",
		`{"most": "25h"}`:                 "is not between",
		`{"most": "1500us"}`:              "whole milliseconds",
		`{"most": "1s", "header": "A"}`:   "lower case",
		`{"most": "1s", "header": "a b"}`: "no name",
		`{"most": "1s", "least": "1s"}`:   "least",
	} {
		if _, err := decode(t, text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "250m": 250 * time.Millisecond, "7u": 7 * time.Microsecond, "99999999n": 99999999,
		"0m": 0, "99999999H": math.MaxInt64, "": -1, "m": -1, "123456789m": -1, "1": -1, "-1m": -1, "+1m": -1, "1.5S": -1, "1s": -1, " 1S": -1,
	} {
		if got, ok := Parse(text); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %v, %t: want %v", text, got, ok, want)
		}
	}
}

// FuzzParse: whatever is read is written again as the same time, but for what
// the greater unit rounds off; and the model reads it alike.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1H", "250m", "99999999H", "99999999n", "0S", "100000000n", "x", "1µ"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := Parse(text)
		model, modelOK := read(text)
		if ok != modelOK || ok && min(d, 1e6*time.Hour) != min(model, 1e6*time.Hour) {
			t.Fatalf("%q is %v, %t; the model has %v, %t", text, d, ok, model, modelOK)
		}
		if !ok {
			return
		}
		again, ok := Parse(Format(d))
		if !ok || again > d || float64(d-again) > float64(d)*1e-5 {
			t.Errorf("%q is %v, written as %s and read as %v", text, d, Format(d), again)
		}
	})
}

func TestShape(t *testing.T) {
	r := &dataplane.Resources{Routes: &routev3.RouteConfiguration{VirtualHosts: []*routev3.VirtualHost{{Routes: []*routev3.Route{{
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{}}}}}}}}
	own, err := decode(t, `{"most": "1s", "header": "x-own"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := shape(own, r); err == nil || !strings.Contains(err.Error(), "x-envoy-upstream-rq-timeout-ms") {
		t.Errorf("another header: error %v, want the remedy", err)
	}
	if err := shape("", r); err == nil {
		t.Error("a foreign spec is taken")
	}
}

func TestMiddlewareGivesDeadline(t *testing.T) {
	spec := Spec{Header: "x-own", Most: function.Duration(time.Minute)}
	var left time.Duration
	handler := Middleware(spec)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if end, ok := r.Context().Deadline(); ok {
			left = time.Until(end)
		}
	}))
	for value, want := range map[string]time.Duration{"": time.Minute, "10S": 10 * time.Second, "1H": time.Minute} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if value != "" {
			r.Header.Set("x-own", value)
		}
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if left > want || left < want/2 {
			t.Errorf("%q leaves %v, want %v", value, left, want)
		}
	}
}

// TestTransportTellsOfTheContext: what the application has is handed on too.
func TestTransportTellsOfTheContext(t *testing.T) {
	told := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told <- r.Header.Get("x-own")
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Transport(Spec{Header: "x-own", Most: function.Duration(time.Minute)}, http.DefaultTransport).RoundTrip(r)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if d, ok := Parse(<-told); !ok || d > 200*time.Millisecond || d == 0 {
		t.Errorf("the service was told %v, %t", d, ok)
	}
}

// hop answers a check by asking the next one, with the context that it was given.
type hop struct {
	grpc_health_v1.UnimplementedHealthServer
	next grpc_health_v1.HealthClient // nil: never answers
	left chan time.Duration
}

func (h hop) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	end, _ := ctx.Deadline()
	h.left <- time.Until(end)
	if h.next == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.next.Check(ctx, q)
}

// serve runs a hop on a port of its own and returns a client of it.
func serve(t *testing.T, h hop) grpc_health_v1.HealthClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, h)
	go func() { done <- server.Serve(l) }()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return grpc_health_v1.NewHealthClient(cc)
}

// TestGRPCDoesSo shows why there is no interceptor: gRPC for Go hands on what
// is left to the second hop, and both hold to it.
func TestGRPCDoesSo(t *testing.T) {
	left := make(chan time.Duration, 2)
	first := serve(t, hop{left: left, next: serve(t, hop{left: left})})
	const limit = 500 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := first.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("error %v", err)
	}
	if a, b := <-left, <-left; a > limit || b >= a {
		t.Errorf("the first hop had %v, the second %v, of %v", a, b, limit)
	}
}

// TestUpgradedConnectionsLast: a switched protocol is no response that takes
// its time.
func TestUpgradedConnectionsLast(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("connection", "upgrade")
		w.Header().Set("upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := io.Copy(c, c); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	const limit = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 3*limit) // which says when the limit is over for sure
	defer cancel()
	r, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("connection", "upgrade")
	r.Header.Set("upgrade", "echo")
	resp, err := Transport(Spec{Header: "x-own", Most: function.Duration(limit)}, http.DefaultTransport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-ctx.Done()
	echo, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("the body is a %T", resp.Body)
	}
	answer := make([]byte, 5)
	if _, err := io.WriteString(echo, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(echo, answer); err != nil || string(answer) != "hello" {
		t.Errorf("%q, error %v", answer, err)
	}
}
