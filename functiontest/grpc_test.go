package functiontest_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/balancehash"
	"github.com/taremesh/tare/function/balanceleastrequest"
	"github.com/taremesh/tare/function/balanceroundrobin"
	"github.com/taremesh/tare/function/circuitbreaker"
	"github.com/taremesh/tare/function/concurrencylimit"
	"github.com/taremesh/tare/function/failover"
	"github.com/taremesh/tare/function/fault"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/function/healthcheck"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/function/mirror"
	"github.com/taremesh/tare/function/outlierdetection"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/function/rbac"
	"github.com/taremesh/tare/function/rewrite"
	"github.com/taremesh/tare/function/routepath"
	"github.com/taremesh/tare/function/split"
	"github.com/taremesh/tare/function/timeout"
	"github.com/taremesh/tare/function/tracing"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/internal/balance"
)

// grpcForms are library forms for gRPC, by function: of a client (the connection
// that it calls by, given those to the replicas) or of a server (interceptors).
var grpcForms = map[string]grpcForm{
	"route-path": {client: choosing(routepath.NewGRPC)},
	"split":      {client: choosing(split.NewGRPC)},
	"mirror":     {client: choosing(mirror.NewGRPC)},
	"rewrite": {client: choosing(func(s rewrite.Spec, to []grpc.ClientConnInterface) (*rewrite.GRPC, error) {
		return rewrite.NewGRPC(s, to[0])
	})},
	"balance-round-robin":   {client: balancing(balanceroundrobin.NewGRPC)},
	"balance-least-request": {client: balancing(balanceleastrequest.NewGRPC)},
	"balance-hash":          {client: balancing(balancehash.NewGRPC)},
	"failover":              {client: balancing(failover.NewGRPC)},
	"outlier-detection":     {client: balancing(outlierdetection.NewGRPC)},
	"circuit-breaker":       {client: balancing(circuitbreaker.NewGRPC)},
	"health-check": {client: balancing(func(s healthcheck.Spec, replicas []string, to []grpc.ClientConnInterface) (*balance.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*s.Timeout.Std())
		defer cancel()
		return healthcheck.NewGRPC(ctx, s, "", replicas, to)
	})},
	"timeout": {
		client: choosing(func(s timeout.Spec, to []grpc.ClientConnInterface) (intercepted, error) {
			d := s.Timeout.Std()
			return intercepted{to[0], timeout.UnaryClientInterceptor(d), timeout.StreamClientInterceptor(d)}, nil
		}),
		not: map[string]string{"in time and too late": "the replica's answer becomes one message, which is whole or late and never cut off"},
	},
	"header-mutation": {server: interceptors(headermutation.NewGRPC), not: map[string]string{
		"response": "it changes content-type, which gRPC keeps for itself",
	}},
	"jwt": {server: interceptors(jwt.NewGRPC)},
	"rbac": {server: interceptors(rbac.NewGRPC), not: map[string]string{
		"allow by path, method and claims": "calls are POST, whatever the request was",
	}},
	"concurrency-limit": {
		server: interceptors(func(s concurrencylimit.Spec) (pair, error) {
			unary, stream := concurrencylimit.Interceptors(s.Limit)
			return pair{unary, stream}, nil
		}),
		stands: func(spec function.Spec) map[codes.Code]int {
			s, _ := function.SpecAs[concurrencylimit.Spec](spec) // server has tried
			return map[codes.Code]int{codes.ResourceExhausted: s.Status}
		},
		not: map[string]string{"full/another status": "the code of a refusal is not chosen"},
	},
	"trace": {server: interceptors(func(s tracing.Spec) (*tracing.GRPC, error) { return tracing.NewGRPC(s), nil })},
	"fault": {
		server: interceptors(func(s fault.Spec) (*fault.GRPC, error) { return fault.NewGRPC(s), nil }),
		not: map[string]string{
			"all are delayed and aborted": "429 and 503 have one code",
			"by header":                   "statuses like 418 have no code of their own",
		},
	},
}

// grpcForm is one of them; one of client and server is set.
type grpcForm struct {
	client func(spec function.Spec, replicas []string, to []grpc.ClientConnInterface) (grpc.ClientConnInterface, error)
	server func(function.Spec) (serverForm, error)
	// not are trials, or mutants of them (trial/mutant), that cannot be carried over
	// gRPC, with the reason.
	not map[string]string
	// stands says what codes stand for, where it is not what refusals has.
	stands func(function.Spec) map[codes.Code]int
}

// carriable are the trials without those in not, all of which there must be.
func (f grpcForm) carriable(t *testing.T, all []function.Trial) (some []function.Trial) {
	left := maps.Clone(f.not)
	out := func(name string) bool {
		defer delete(left, name)
		return left[name] != ""
	}
	for _, trial := range all {
		if out(trial.Name) {
			continue
		}
		trial.Mutants = slices.DeleteFunc(slices.Clone(trial.Mutants), func(m function.Mutant) bool { return out(trial.Name + "/" + m.Name) })
		some = append(some, trial)
	}
	if len(left) > 0 || len(some) == 0 {
		t.Errorf("%d trials are left, and there is no %v", len(some), left)
	}
	return some
}

// choosing is the form of a client that a function's own constructor makes.
func choosing[S any, C grpc.ClientConnInterface](make func(S, []grpc.ClientConnInterface) (C, error)) func(function.Spec, []string, []grpc.ClientConnInterface) (grpc.ClientConnInterface, error) {
	return balancing(func(s S, _ []string, to []grpc.ClientConnInterface) (C, error) { return make(s, to) })
}

// balancing is choosing for a constructor that is told the addresses.
func balancing[S any, C grpc.ClientConnInterface](make func(S, []string, []grpc.ClientConnInterface) (C, error)) func(function.Spec, []string, []grpc.ClientConnInterface) (grpc.ClientConnInterface, error) {
	return func(spec function.Spec, replicas []string, to []grpc.ClientConnInterface) (grpc.ClientConnInterface, error) {
		s, err := function.SpecAs[S](spec)
		if err != nil {
			return nil, err
		}
		return make(s, replicas, to)
	}
}

// serverForm is the interceptors of a server, ended by Close where they have it.
type serverForm interface {
	Unary(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error)
	Stream(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error
}

// interceptors are the form of a server that a function's own constructor makes.
func interceptors[S any, G serverForm](make func(S) (G, error)) func(function.Spec) (serverForm, error) {
	return func(spec function.Spec) (serverForm, error) {
		s, err := function.SpecAs[S](spec)
		if err != nil {
			return nil, err
		}
		return make(s)
	}
}

// pair is two interceptors.
type pair struct {
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

func (p pair) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return p.unary(ctx, req, info, handle)
}

func (p pair) Stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return p.stream(srv, s, info, handle)
}

// intercepted is a connection with the interceptors of a client.
type intercepted struct {
	to     grpc.ClientConnInterface
	unary  grpc.UnaryClientInterceptor
	stream grpc.StreamClientInterceptor
}

func (c intercepted) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	return c.unary(ctx, method, args, reply, nil, func(ctx context.Context, method string, args, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		return c.to.Invoke(ctx, method, args, reply, opts...)
	}, opts...)
}

func (c intercepted) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return c.stream(ctx, desc, nil, method, func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		return c.to.NewStream(ctx, desc, method, opts...)
	}, opts...)
}

// TestGRPCForms holds every library form for gRPC against its function's judge in
// the function's own trials, and the judge against their mutants: each request
// becomes a real call over loopback, its target the call's full method, its
// headers metadata, its host the authority and its body a message, or messages of
// a stream in both directions.
func TestGRPCForms(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	for name, form := range grpcForms {
		fn, err := b.Functions.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		fn.Trials = form.carriable(t, fn.Trials)
		for _, way := range []way{call, streamed} {
			t.Run(fmt.Sprintf("%s %s", name, way), func(t *testing.T) {
				fn.Library = form.library(t, way)
				functiontest.RunTrials(t, fn, nil)
			})
		}
	}
}

// library makes the form one of net/http: requests are turned into calls before
// it, and calls into requests behind it.
func (f grpcForm) library(t *testing.T, w way) *function.Library {
	if f.server != nil {
		return &function.Library{Middleware: func(spec function.Spec) (func(http.Handler) http.Handler, error) {
			wrap, stop, err := f.answering(spec, w)
			if err == nil {
				t.Cleanup(stop)
			}
			return wrap, err
		}}
	}
	return &function.Library{Transport: func(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
		return f.calling(spec, replicas, w)
	}}
}

// TestGRPCRateLimit holds the rate limit's form for gRPC against its judge, by
// real calls in turn and at once, and the judge against the form with a limit
// that is one too high, or that holds for another path.
func TestGRPCRateLimit(t *testing.T) {
	form := grpcForm{server: interceptors(ratelimit.NewGRPC)}
	w := functiontest.Traffic{Params: `{}`, Path: "/pull", Free: "/auth", Burst: 160, Rounds: 3, Pause: 20 * time.Millisecond, Seed: 3}
	for i := range 40 {
		w.Callers = append(w.Callers, function.Caller{User: fmt.Sprint("user-", i), Subscription: []string{"Personal", "Team", "unlisted"}[i%3]})
	}
	w.Pressed = []function.Caller{{User: "user-0", Subscription: "Team"}, {User: "fresh", Subscription: "Personal"}, {User: "user-3", Subscription: "Personal"}}
	for _, way := range []way{call, streamed} {
		told := func(params string) []error {
			return functiontest.FaultsLive(t, ratelimit.Function(), functiontest.Form{Name: string(way), Make: func(fn function.Function, _ function.Spec) (*functiontest.Instance, error) {
				wrap, err := form.library(t, way).Middleware(functiontest.Traffic{Params: params}.Spec(t, fn))
				if err != nil {
					return nil, err
				}
				return functiontest.Behind(wrap), nil
			}}, w)
		}
		for _, err := range told(w.Params) {
			t.Error(err)
		}
		for _, mutant := range []string{`{"limits": {"Personal": "11/min", "Team": "100/min", "Enterprise": "1000/min"}}`, `{"paths": ["/pull", "/auth"], "others": "1/h"}`} {
			if len(told(mutant)) == 0 {
				t.Errorf("%s, told %s: the judge finds nothing", way, mutant)
			}
		}
	}
}
