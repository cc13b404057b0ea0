package ratelimit

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/calltest"
)

// well is a service whose calls and streams all succeed.
type well struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (well) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

func (well) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	return s.Send(&grpc_health_v1.HealthCheckResponse{})
}

// known puts the caller that the metadata names into the call's context, as a
// token check does.
func known(ctx context.Context) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	if who := md.Get("who"); len(who) == 2 {
		return function.WithCaller(ctx, function.Caller{User: who[0], Subscription: who[1]})
	}
	return ctx
}

type knownStream struct{ grpc.ServerStream }

func (s knownStream) Context() context.Context { return known(s.ServerStream.Context()) }

// A call and a stream of one user draw from the bucket of their own path; the
// third of three finds two tokens gone.
func TestGRPC(t *testing.T) {
	const check, watch = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
	g, err := NewGRPC(Spec{
		Limits: map[string]Rate{"Personal": {Tokens: 2, Per: time.Hour}}, Others: Rate{Tokens: 1, Per: time.Hour},
		Paths: []string{check, watch}, Users: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := calltest.Serve(t, well{},
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			return handle(known(ctx), req)
		}, g.Unary),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			return handle(srv, knownStream{s})
		}, g.Stream))
	for _, c := range []struct {
		who       []string
		want      codes.Code
		limit     string
		remaining string
		again     string
	}{
		{[]string{"ann", "Personal"}, codes.OK, "2", "1", ""},
		{[]string{"ann", "Personal"}, codes.OK, "2", "0", ""},
		{[]string{"ann", "Personal"}, codes.ResourceExhausted, "2", "0", "1800"},
		{[]string{"eve", "Personal"}, codes.OK, "2", "1", ""},
		{nil, codes.OK, "1", "0", ""},
		{[]string{"zoe", "Team"}, codes.ResourceExhausted, "1", "0", "3600"},
	} {
		ctx := t.Context()
		for _, v := range c.who {
			ctx = metadata.AppendToOutgoingContext(ctx, "who", v)
		}
		errs, heads := calltest.Both(ctx, t, client)
		for i, what := range []string{"a call", "a stream"} {
			if status.Code(errs[i]) != c.want {
				t.Errorf("%s of %q: %v, want %v", what, c.who, errs[i], c.want)
			}
			for name, want := range map[string]string{"x-ratelimit-limit": c.limit, "x-ratelimit-remaining": c.remaining, "retry-after": c.again} {
				if got := heads[i].Get(name); want == "" && len(got) > 0 || want != "" && (len(got) != 1 || got[0] != want) {
					t.Errorf("%s of %q: %s is %q, want %q", what, c.who, name, got, want)
				}
			}
		}
	}
}

// What is not listed is not limited.
func TestGRPCFreePath(t *testing.T) {
	g, err := NewGRPC(Spec{Limits: DefaultSpec().Limits, Others: Rate{Tokens: 1, Per: time.Hour}, Paths: []string{"/a.B/C"}, Users: 1})
	if err != nil {
		t.Fatal(err)
	}
	client := calltest.Serve(t, well{}, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream))
	for range 3 {
		if errs, heads := calltest.Both(t.Context(), t, client); errs != [2]error{} || len(heads[0].Get("x-ratelimit-limit")) > 0 {
			t.Errorf("%v, %v", errs, heads)
		}
	}
	if _, err := NewGRPC(Spec{}); err == nil {
		t.Error("no limits were taken")
	}
}
