package functiontest_test

import (
	"context"
	"net"
	"testing"
	"time"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/testbed"
)

// callee answers no call: it says how long its caller waits, and that it has gone.
type callee struct {
	grpc_health_v1.UnimplementedHealthServer
	left chan time.Duration // 0: it does not say
	gone chan bool
}

func (c callee) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	var left time.Duration
	if end, ok := ctx.Deadline(); ok {
		left = time.Until(end)
	}
	c.left <- left
	<-ctx.Done()
	c.gone <- true
	return nil, ctx.Err()
}

// serve runs the callee and returns its address.
func (c callee) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, done := grpc.NewServer(), make(chan error, 1)
	grpc_health_v1.RegisterHealthServer(server, c)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestCalls holds real gRPC through both planes: a deadline is cut to the most,
// handed on and held to, a timeout ends a call, and a call that its caller gives
// up ends at the service.
func TestCalls(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	const long = time.Minute
	for _, c := range []struct {
		name, function, params string
		waits                  time.Duration // what the caller says
		leaves                 bool          // the caller, when the service has the call
		told                   time.Duration // the most that the service hears; 0: nothing
		want                   []codes.Code
	}{
		{"the caller waits less", "deadline", `{"most": "10s"}`, time.Second, false, time.Second, []codes.Code{codes.DeadlineExceeded, codes.Unavailable}},
		{"the caller may wait less", "deadline", `{"most": "300ms"}`, long, false, 300 * time.Millisecond, []codes.Code{codes.DeadlineExceeded, codes.Unavailable}},
		{"timeout", "timeout", `{"timeout": "300ms"}`, long, false, long, []codes.Code{codes.DeadlineExceeded, codes.Unavailable}},
		{"the caller goes", "cancellation", `{}`, long, true, long, []codes.Code{codes.Canceled}},
	} {
		fn, err := b.Functions.Get(c.function)
		if err != nil {
			t.Fatal(err)
		}
		for _, plane := range b.DataPlanes.All() {
			t.Run(c.name+" "+plane.Name(), func(t *testing.T) {
				service := callee{left: make(chan time.Duration, 1), gone: make(chan bool, 1)}
				spec := decode(t, fn, c.params)
				addr := stand(t, plane, service.serve(t), func(r *dataplane.Resources) error { return fn.Native.Shape(spec, r) })
				ctx, leave := context.WithTimeout(t.Context(), c.waits)
				defer leave()
				ended, begun := make(chan error, 1), time.Now()
				go func() { ended <- check(ctx, addr) }()
				var left time.Duration
				select {
				case left = <-service.left:
				case err := <-ended:
					t.Fatalf("the call ended before the service had it: %v", err)
				}
				if left > c.told || c.told > 0 && left <= 0 {
					t.Errorf("the service heard that its caller waits %v, want up to %v", left, c.told)
				}
				if c.leaves {
					leave()
				}
				<-service.gone
				err := <-ended
				if code := status.Code(err); code != c.want[0] && code != c.want[len(c.want)-1] {
					t.Errorf("the call ended with %v, want one of %v", err, c.want)
				}
				if took := time.Since(begun); took > long/2 {
					t.Errorf("the call took %v", took)
				}
			})
		}
	}
}

// stand puts a proxy of HTTP/2 before a service, and returns its address.
func stand(t *testing.T, plane dataplane.DataPlane, service string, shape dataplane.Shape) string {
	t.Helper()
	addr, err := process.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := plane.Start(ctx, dataplane.Options{Name: "calls", Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop() })
	http2 := func(r *dataplane.Resources) error {
		return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
			m.CodecType = hcmv3.HttpConnectionManager_AUTO
			return nil
		})
	}
	err = p.Configure(ctx, dataplane.Proxy{
		Listen:   addr,
		Hosts:    []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}},
		Clusters: []dataplane.Cluster{{Name: testbed.ServiceCluster, Endpoints: []string{service}, HTTP2: true}},
		Shapes:   []dataplane.Shape{http2, shape},
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// check makes one call, when there is a connection.
func check(ctx context.Context, addr string) error {
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer cc.Close()
	_, err = grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	return err
}
