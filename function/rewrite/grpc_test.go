package rewrite

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// telling is a server that takes every method and says what it was called by.
func telling(t *testing.T) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.Method(s.Context())
		md, _ := metadata.FromIncomingContext(s.Context())
		if err := s.SetHeader(metadata.Pairs("method", method, "host", md.Get(":authority")[0])); err != nil {
			return err
		}
		if err := s.RecvMsg(new(grpc_health_v1.HealthCheckRequest)); err != nil {
			return err
		}
		return s.SendMsg(new(grpc_health_v1.HealthCheckResponse))
	}))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("first.test"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Stop()
		<-done
	})
	return c
}

// A generated client's calls and streams arrive with another method and authority.
func TestGRPC(t *testing.T) {
	conn := telling(t)
	const check, watch = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
	for _, c := range []struct {
		rule         Rule
		check, watch string // method and host
	}{
		{Rule{Prefix: "/grpc.health.v1.", To: "/grpc.health.v2."}, "/grpc.health.v2.Health/Check first.test", "/grpc.health.v2.Health/Watch first.test"},
		{Rule{Prefix: check, To: "/a/B", Host: "b.test:8080"}, "/a/B b.test:8080", watch + " first.test"},
		{Rule{Regex: `/(.*)[.](.*)/W(.*)`, To: `/\2.\1/V\3`}, check + " first.test", "/Health.grpc.health.v1/Vatch first.test"},
		{Rule{Prefix: "/", Host: "b.test"}, check + " b.test", watch + " b.test"},
		{Rule{Prefix: "/x", To: "/y", Host: "b.test"}, check + " first.test", watch + " first.test"},
	} {
		g, err := NewGRPC(Spec{Rules: []Rule{c.rule}}, conn)
		if err != nil {
			t.Fatal(err)
		}
		client := grpc_health_v1.NewHealthClient(g)
		var head metadata.MD
		if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&head)); err != nil {
			t.Errorf("%+v: %v", c.rule, err)
		}
		if got := said(head); got != c.check {
			t.Errorf("%+v: a call arrived as %s, not as %s", c.rule, got, c.check)
		}
		stream, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if head, err = stream.Header(); err != nil || said(head) != c.watch {
			t.Errorf("%+v: a stream arrived as %s, %v, not as %s", c.rule, said(head), err, c.watch)
		}
	}
}

func said(head metadata.MD) string {
	all := append(head.Get("method"), head.Get("host")...)
	if len(all) != 2 {
		return "nothing"
	}
	return all[0] + " " + all[1]
}

// The options that the caller holds stay as they are, and its own authority gives
// way to a rule's.
func TestGRPCLeavesOptions(t *testing.T) {
	g, err := NewGRPC(Spec{Rules: []Rule{{Prefix: "/", Host: "rule.test"}}}, telling(t))
	if err != nil {
		t.Fatal(err)
	}
	var head metadata.MD
	opts := append(make([]grpc.CallOption, 0, 8), grpc.Header(&head), grpc.CallAuthority("caller.test"))
	if _, err := grpc_health_v1.NewHealthClient(g).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}, opts...); err != nil {
		t.Fatal(err)
	}
	if got := said(head); got != "/grpc.health.v1.Health/Check rule.test" {
		t.Errorf("the call arrived as %s", got)
	}
	if opts = opts[:3]; opts[2] != nil {
		t.Errorf("an option was written behind the caller's: %v", opts[2])
	}
}

// A rule that cuts an escape in two leaves no method, and nothing is sent.
func TestGRPCHalfAnEscape(t *testing.T) {
	g, err := NewGRPC(Spec{Rules: []Rule{{Regex: "/(.*)[0-9]", To: `/\1`}}}, unasked{t})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Invoke(t.Context(), "/a/b%20", nil, nil); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a call: %v", err)
	}
	if _, err := g.NewStream(t.Context(), &grpc.StreamDesc{}, "/a/b%20"); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a stream: %v", err)
	}
}

// unasked is a connection that is not to be used.
type unasked struct{ t *testing.T }

func (u unasked) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	u.t.Error("a call was sent")
	return nil
}

func (u unasked) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	u.t.Error("a stream was sent")
	return nil, nil
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{}, unasked{t}); err == nil {
		t.Error("no rules were taken")
	}
}
