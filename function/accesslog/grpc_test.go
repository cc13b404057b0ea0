package accesslog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// talkative answers a call in one message and a stream in three, or refuses.
type talkative struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (talkative) Check(_ context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if q.GetService() == "missing" {
		return nil, status.Error(codes.NotFound, "no such service")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (talkative) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	for i := range 3 {
		if err := s.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_ServingStatus(i)}); err != nil {
			return err
		}
	}
	return nil
}

// account is what a client counted of its own calls.
type account struct {
	mu  sync.Mutex
	all map[string]*[2]int // by method: bytes sent, received
}

type methodKey struct{}

func (*account) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, i.FullMethodName)
}

func (a *account) HandleRPC(ctx context.Context, s stats.RPCStats) {
	a.mu.Lock()
	defer a.mu.Unlock()
	method, _ := ctx.Value(methodKey{}).(string)
	n := a.all[method]
	if n == nil {
		n = new([2]int)
		a.all[method] = n
	}
	switch s := s.(type) {
	case *stats.OutPayload:
		n[0] += s.WireLength
	case *stats.InPayload:
		n[1] += s.WireLength
	}
}

func (*account) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*account) HandleConn(context.Context, stats.ConnStats)                       {}

func receivedOf(t *testing.T, text string) int {
	t.Helper()
	l, _, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l.received
}

// TestGRPC: a line for each call and stream, with the bytes that the client
// counted, and the code for loggers that have a place for it.
func TestGRPC(t *testing.T) {
	var lines, records bytes.Buffer
	both := slog.New(slog.NewMultiHandler(NewHandler(&lines), slog.NewTextHandler(&records, nil)))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(grpc.StatsHandler(NewGRPC(both))), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, talkative{})
	go func() { done <- server.Serve(l) }()
	counted := &account{all: map[string]*[2]int{}}
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(counted), grpc.WithUserAgent(`say "hi"`), grpc.WithAuthority("hub.test"))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c := grpc_health_v1.NewHealthClient(conn)
	if _, err := c.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: strings.Repeat("s", 1000)}); err != nil {
		t.Fatal(err)
	}
	s, err := c.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "w"})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	ok := map[string][2]int{}
	for method, n := range counted.all {
		ok[method] = *n
	}
	if _, err := c.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "missing"}); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	conn.Close()
	server.GracefulStop() // the last lines are written
	<-done
	atMost := time.Since(began)
	all := strings.SplitAfter(strings.TrimSuffix(lines.String(), "\n"), "\n")
	all[len(all)-1] += "\n"
	if len(all) != 3 {
		t.Fatalf("%d lines: %q", len(all), all)
	}
	const check, watch = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
	missing := 5 + 2 + len("missing")
	// A call's line comes after its answer: those of calls one after the other may
	// come in any order.
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(receivedOf(t, b), receivedOf(t, a)) })
	for i, want := range []line{
		{received: ok[check][0], sent: ok[check][1], target: check},
		{received: missing, target: check},
		{received: ok[watch][0], sent: ok[watch][1], target: watch},
	} {
		want.method, want.protocol, want.status, want.authority = "POST", "HTTP/2", 200, "hub.test"
		got, took, err := parse(all[i])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.agent, `say "hi"`) {
			t.Errorf("line %d has the user agent %q", i, got.agent)
		}
		if got.agent = ""; got != want {
			t.Errorf("line %d is %+v, want %+v", i, got, want)
		}
		if took > atMost {
			t.Errorf("line %d took %v of %v", i, took, atMost)
		}
	}
	if want := 5 + 3 + 1000; ok[check][0] != want { // a frame's head, a field's, the text
		t.Errorf("the client counted %d bytes, want %d", ok[check][0], want)
	}
	for _, want := range []string{"grpc_status=OK", "grpc_status=NotFound", "path=" + watch} {
		if !strings.Contains(records.String(), want) {
			t.Errorf("no %s in %s", want, records.String())
		}
	}
}
