package rbac

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
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

// as puts a caller into the context of calls and streams, as a token check does.
type as struct {
	grpc.ServerStream
	who function.Caller
}

func (s as) Context() context.Context {
	return function.WithCaller(s.ServerStream.Context(), s.who)
}

func TestGRPC(t *testing.T) {
	team := function.Caller{User: "ann", Subscription: "Team"}
	allow := func(p Permission, who ...Principal) Spec {
		return Spec{Action: Allow, Policies: []Policy{{Name: "p", Permissions: []Permission{p}, Principals: who}}}
	}
	every := Permission{Prefix: "/"}
	for _, c := range []struct {
		name         string
		spec         Spec
		who          function.Caller
		md           []string
		call, stream bool // admitted
	}{
		{"by method of the service", allow(Permission{Path: "/grpc.health.v1.Health/Check"}), team, nil, true, false},
		{"by service", allow(Permission{Prefix: "/grpc.health.v1.Health/"}), team, nil, true, true},
		{"by expression", allow(Permission{Regex: "/.*/(Watch|List)"}), team, nil, false, true},
		{"every call is a POST", allow(Permission{Methods: []string{"POST"}}), team, nil, true, true},
		{"and none a GET", allow(Permission{Methods: []string{"GET"}}), team, nil, false, false},
		{"by subscription", allow(every, Principal{Subscription: "Team"}), team, nil, true, true},
		{"by user", allow(every, Principal{User: "eve"}), team, nil, false, false},
		{"not by what the client writes", allow(every, Principal{User: "eve"}), function.Caller{}, []string{function.UserHeader, "eve"}, false, false},
		{"by header", allow(every, Principal{Header: &Header{Name: "X-Role", Exact: "admin"}}), team, []string{"x-role", "guest", "x-role", "admin"}, true, true},
		{"denied by header", Spec{Action: Deny, Policies: []Policy{{Name: "p", Principals: []Principal{{Header: &Header{Name: "x-tool", Prefix: "bot"}}}}}}, team, []string{"x-tool", "a", "x-tool", "bot/1"}, false, false},
		{"by address", allow(every, Principal{Source: "127.0.0.0/8"}), team, nil, true, true},
		{"by another address", allow(every, Principal{Source: "10.0.0.0/8"}), team, nil, false, false},
		{"nobody without a certificate", allow(every, Principal{SPIFFE: "spiffe://mesh/web"}), team, []string{"x-forwarded-client-cert", "URI=spiffe://mesh/web"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := NewGRPC(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			client := calltest.Serve(t, well{},
				grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
					return handle(function.WithCaller(ctx, c.who), req)
				}, g.Unary),
				grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
					return handle(srv, as{s, c.who})
				}, g.Stream))
			errs, _ := calltest.Both(metadata.AppendToOutgoingContext(t.Context(), c.md...), t, client)
			for i, admitted := range []bool{c.call, c.stream} {
				want := codes.OK
				if !admitted {
					want = codes.PermissionDenied
				}
				if status.Code(errs[i]) != want || !admitted && status.Convert(errs[i]).Message() != denied {
					t.Errorf("%s: %v, want %v", []string{"a call", "a stream"}[i], errs[i], want)
				}
			}
		})
	}
}

// The identity is that of a certificate that was verified, and of no other.
func TestGRPCPeer(t *testing.T) {
	leaf := &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "mesh", Path: "/web"}}}
	of := func(state tls.ConnectionState) function.Peer {
		return newCall(peer.NewContext(t.Context(), &peer.Peer{
			Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4}, AuthInfo: credentials.TLSInfo{State: state},
		}), "/a.B/C").peer()
	}
	verified := of(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}})
	if len(verified.URIs) != 1 || verified.URIs[0] != "spiffe://mesh/web" || verified.Addr != netip.MustParseAddr("10.1.2.3") {
		t.Errorf("%+v", verified)
	}
	if shown := of(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); len(shown.URIs) > 0 {
		t.Errorf("a certificate that was only shown: %+v", shown)
	}
	if none := newCall(t.Context(), "/a.B/C").peer(); none.Addr.IsValid() || len(none.URIs) > 0 {
		t.Errorf("nobody: %+v", none)
	}
}

func TestGRPCRefuses(t *testing.T) {
	if _, err := NewGRPC(Spec{}); err == nil {
		t.Error("no policies were taken")
	}
}
