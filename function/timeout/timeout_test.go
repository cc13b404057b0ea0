package timeout

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"timeout": "250ms"}`:      "",
		`{"timeout": "24h"}`:        "",
		`{}`:                        "is needed",
		`{"timeout": "0s"}`:         "is needed",
		`{"timeout": "-1s"}`:        "is not between",
		`{"timeout": "25h"}`:        "is not between",
		`{"timeout": "1500us"}`:     "whole milliseconds",
		`{"timeout": "soon"}`:       "is no time",
		`{"timeout": "1s", "x": 1}`: "x",
	} {
		p, err := study.JSONParams("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = Decode(p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

// waits answers when its caller has gone.
var waits = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/head" {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
	}
	<-r.Context().Done()
})

func TestTransportEndsHeadAndBody(t *testing.T) {
	server := httptest.NewServer(waits)
	defer server.Close()
	client := &http.Client{Transport: Transport(50*time.Millisecond, http.DefaultTransport)}
	if _, err := client.Get(server.URL + "/"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no head: error %v", err)
	}
	resp, err := client.Get(server.URL + "/head")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no body: error %v", err)
	}
}

// slowHealth answers no call.
type slowHealth struct {
	grpc_health_v1.UnimplementedHealthServer
	left chan bool
}

func (s slowHealth) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	_, limited := ctx.Deadline()
	s.left <- limited
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestInterceptorEndsCall(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := slowHealth{left: make(chan bool, 1)}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, service)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(UnaryClientInterceptor(300*time.Millisecond)), grpc.WithStreamInterceptor(StreamClientInterceptor(300*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	_, err = grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("error %v", err)
	}
	if !<-service.left {
		t.Error("the service was told no deadline")
	}
	stream, err := grpc_health_v1.NewHealthClient(cc).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("in time: %v", err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a stream that does not end: error %v", err)
	}
	if !<-service.left {
		t.Error("the service was told no deadline of the stream")
	}
}

// A stream that has ended, or never began, holds no time any more.
func TestInterceptorEndsItsTime(t *testing.T) {
	cc, err := grpc.NewClient("127.0.0.1:1", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	cc.Close()
	var began context.Context
	_, err = StreamClientInterceptor(time.Hour)(t.Context(), &grpc.StreamDesc{}, cc, "/a.B/C",
		func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			began = ctx
			return cc.NewStream(ctx, desc, method, opts...)
		})
	if err == nil || began.Err() == nil {
		t.Errorf("a stream of a closed connection: %v, its time: %v", err, began.Err())
	}
}

// Watch sends one message, and then none.
func (s slowHealth) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := stream.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
		return err
	}
	_, err := s.Check(stream.Context(), nil)
	return err
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
	resp, err := Transport(limit, http.DefaultTransport).RoundTrip(r)
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
