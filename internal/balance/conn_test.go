package balance_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/internal/balance"
)

// called is a service that says its number, and ends as it is asked by the
// service's name in the request: a code, or "hold": not until its caller goes.
type called struct {
	grpc_health_v1.UnimplementedHealthServer
	number int
}

func (c called) Check(ctx context.Context, q *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if q.GetService() == "hold" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(`"` + q.GetService() + `"`)); q.GetService() != "" && err == nil {
		return nil, status.Error(code, "as asked")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_ServingStatus(c.number)}, nil
}

func (c called) Watch(q *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_ServingStatus(c.number)}); err != nil {
		return err
	}
	_, err := c.Check(s.Context(), q)
	return err
}

// standConn is a connection over n servers of real gRPC.
func standConn(t *testing.T, n int, c balance.Config, change func(int, *balance.Member)) (*balance.Conn, grpc_health_v1.HealthClient) {
	t.Helper()
	var addrs []string
	var conns []grpc.ClientConnInterface
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server, done := grpc.NewServer(), make(chan error, 1)
		grpc_health_v1.RegisterHealthServer(server, called{number: i})
		go func() { done <- server.Serve(l) }()
		conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			conn.Close()
			server.Stop()
			<-done
		})
		addrs, conns = append(addrs, l.Addr().String()), append(conns, conn)
	}
	to, err := balance.NewConn(c, addrs, conns, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := to.Close(); err != nil {
			t.Error(err)
		}
	})
	return to, grpc_health_v1.NewHealthClient(to)
}

func asked(service string) *grpc_health_v1.HealthCheckRequest {
	return &grpc_health_v1.HealthCheckRequest{Service: service}
}

// Calls and streams take turns alike, and a key has one host.
func TestConnPicks(t *testing.T) {
	_, client := standConn(t, 3, balance.DefaultConfig(), nil)
	seen := map[int]int{}
	for range 6 {
		resp, err := client.Check(t.Context(), asked(""))
		if err != nil {
			t.Fatal(err)
		}
		stream, err := client.Watch(t.Context(), asked(""))
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		seen[int(resp.GetStatus())]++
		seen[int(first.GetStatus())]++
	}
	if fmt.Sprint(seen) != "map[0:4 1:4 2:4]" {
		t.Errorf("%v: they did not take turns", seen)
	}
	c := balance.DefaultConfig()
	c.Policy = balance.Maglev
	to, client := standConn(t, 3, c, nil)
	to.Key = func(_ context.Context, method string) balance.Key {
		return balance.Key{Hash: balance.Hash([]byte(method)), Hashed: true}
	}
	seen = map[int]int{}
	for range 6 {
		resp, err := client.Check(t.Context(), asked(""))
		if err != nil {
			t.Fatal(err)
		}
		seen[int(resp.GetStatus())]++
	}
	if len(seen) != 1 {
		t.Errorf("one key: %v", seen)
	}
}

// A place is held from the beginning of a call or stream to its end, however that
// comes, and given back once.
func TestConnHoldsPlaces(t *testing.T) {
	to, client := standConn(t, 1, balance.DefaultConfig(), nil)
	one := balance.Limits{Connections: 1, Requests: 1}
	to.Breaker = balance.NewBreaker(one)
	for _, how := range []string{"", "NOT_FOUND", "hold"} {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.Watch(ctx, asked(how))
		if err != nil {
			t.Fatalf("%q: %v", how, err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatalf("%q: %v", how, err)
		}
		if how == "hold" {
			_, err := client.Check(t.Context(), asked(""))
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "overflow") {
				t.Errorf("a call while a stream holds the place: %v", err)
			}
			if _, err := client.Watch(t.Context(), asked("")); status.Code(err) != codes.Unavailable {
				t.Errorf("a stream while a stream holds the place: %v", err)
			}
			cancel()
		}
		if _, err := stream.Recv(); err == nil {
			t.Errorf("%q: the stream did not end", how)
		}
		cancel()
		// gRPC may tell of the end of what was given up a little later: a call waits
		// for the place.
		to.Breaker.Limit(balance.Limits{Connections: 1, Requests: 1, Pending: 1})
		if _, err := client.Check(t.Context(), asked("")); err != nil {
			t.Errorf("%q: the place was not given back: %v", how, err)
		}
		if load := to.Breaker.Load(); load.Requests != 0 {
			t.Errorf("%q: %d are under way after the stream's end", how, load.Requests)
		}
		to.Breaker.Limit(one)
	}
	for _, how := range []string{"", "NOT_FOUND", "INTERNAL"} {
		_, _ = client.Check(t.Context(), asked(how)) // that it fails is what is tried
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Watch(gone, asked("")); status.Code(err) != codes.Canceled {
		t.Errorf("a stream of who is gone: %v", err)
	}
	if load := to.Breaker.Load(); load.Requests != 0 {
		t.Errorf("%d are under way after all", load.Requests)
	}
}

// Who waits for a place has no more time than its own.
func TestConnWaits(t *testing.T) {
	to, client := standConn(t, 1, balance.DefaultConfig(), nil)
	to.Breaker = balance.NewBreaker(balance.Limits{Connections: 1, Pending: 1, Requests: 1})
	holding, end := context.WithCancel(t.Context())
	defer end()
	stream, err := client.Watch(holding, asked("hold"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Check(ctx, asked("")); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("its time is over: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := client.Check(ctx, asked("")); status.Code(err) != codes.Canceled {
		t.Errorf("it is gone: %v", err)
	}
	came := make(chan error, 1)
	go func() {
		_, err := client.Check(t.Context(), asked(""))
		came <- err
	}()
	end()
	if err := <-came; err != nil {
		t.Errorf("its turn came: %v", err)
	}
}

// A host is out after failures in a row that are its own, and nobody is asked
// when none is left.
func TestConnEjects(t *testing.T) {
	for _, c := range []struct {
		code string
		out  bool
	}{
		{"UNAVAILABLE", true}, {"INTERNAL", true}, {"UNKNOWN", true}, {"DEADLINE_EXCEEDED", true}, {"DATA_LOSS", true}, {"UNIMPLEMENTED", true},
		{"NOT_FOUND", false}, {"RESOURCE_EXHAUSTED", false}, {"PERMISSION_DENIED", false}, {"", false}, {"hold", false},
	} {
		config, o := balance.DefaultConfig(), balance.DefaultOutlier()
		o.Consecutive5xx, o.Base, o.Interval, o.MostPercent, o.EnforceSuccess = 2, time.Hour, time.Hour, 100, 0
		config.Outlier, config.Panic = &o, 0
		_, client := standConn(t, 1, config, nil)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.Watch(ctx, asked(c.code))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if c.code == "hold" {
			cancel()
		}
		_, _ = stream.Recv() // how it ends is what is tried
		if c.code == "hold" {
			_, _ = client.Check(ctx, asked(c.code))
		} else {
			_, _ = client.Check(t.Context(), asked(c.code))
		}
		cancel()
		_, err = client.Check(t.Context(), asked(""))
		if out := status.Code(err) == codes.Unavailable; out != c.out || out && !strings.Contains(err.Error(), "no healthy upstream") {
			t.Errorf("after a stream and a call that end with %q: %v; want it out: %t", c.code, err, c.out)
		}
	}
}

func TestNewConnRefuses(t *testing.T) {
	if _, err := balance.NewConn(balance.DefaultConfig(), []string{"a:1"}, nil, nil); err == nil {
		t.Error("an address without a connection was taken")
	}
}
