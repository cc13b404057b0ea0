package jwt_test

import (
	"context"
	"testing"

	lib "github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/internal/calltest"
)

// asking is a service that says in its head who calls: by the context and by the
// metadata.
type asking struct {
	grpc_health_v1.UnimplementedHealthServer
}

func who(ctx context.Context) metadata.MD {
	c, _ := function.CallerFrom(ctx)
	md, _ := metadata.FromIncomingContext(ctx)
	return metadata.MD{"context": {c.User, c.Subscription}, "user": md.Get(function.UserHeader), "subscription": md.Get(function.SubscriptionHeader)}
}

func (asking) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	return &grpc_health_v1.HealthCheckResponse{}, grpc.SetHeader(ctx, who(ctx))
}

func (asking) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.SetHeader(who(s.Context())); err != nil {
		return err
	}
	return s.Send(&grpc_health_v1.HealthCheckResponse{})
}

func TestGRPC(t *testing.T) {
	s, stranger := newSigner(t), newSigner(t)
	const open = "/grpc.health.v1.Health/Watch"
	for _, of := range []string{"no open method", "an open method"} {
		spec := jwt.Spec{Issuer: issuer, Audience: audience, JWKS: s.jwks}
		if of == "an open method" {
			spec.Open = []string{open}
		}
		g, err := jwt.NewGRPC(spec)
		if err != nil {
			t.Fatal(err)
		}
		client := calltest.Serve(t, asking{}, grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream))
		token := func(changes lib.MapClaims) string {
			return "Bearer " + s.sign(claims(changes), lib.SigningMethodES256, s.key, "k1")
		}
		for _, c := range []struct {
			name               string
			authorization      []string
			want               codes.Code
			user, subscription string
		}{
			{"good", []string{token(nil)}, codes.OK, "ann", "Team"},
			{"good, no subscription", []string{token(lib.MapClaims{"subscription": nil})}, codes.OK, "ann", ""},
			{"none", nil, codes.Unauthenticated, "", ""},
			{"two", []string{token(nil), token(nil)}, codes.Unauthenticated, "", ""},
			{"no bearer", []string{"Basic YTpi"}, codes.Unauthenticated, "", ""},
			{"expired", []string{token(lib.MapClaims{"exp": 1})}, codes.Unauthenticated, "", ""},
			{"for others", []string{token(lib.MapClaims{"aud": "others"})}, codes.PermissionDenied, "", ""},
			{"a stranger's", []string{"Bearer " + stranger.sign(claims(nil), lib.SigningMethodES256, stranger.key, "k1")}, codes.Unauthenticated, "", ""},
			{"unsigned", []string{"Bearer " + s.sign(claims(nil), lib.SigningMethodNone, lib.UnsafeAllowNoneSignatureType, "k1")}, codes.Unauthenticated, "", ""},
		} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), function.UserHeader, "mallory", function.SubscriptionHeader, "Enterprise")
			for _, a := range c.authorization {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", a)
			}
			errs, heads := calltest.Both(ctx, t, client)
			for i, what := range []string{"a call", "a stream"} {
				want, user, subscription := c.want, c.user, c.subscription
				if i == 1 && len(spec.Open) > 0 {
					want, user, subscription = codes.OK, "", ""
				}
				if status.Code(errs[i]) != want {
					t.Errorf("%s, %s, token %s: %v, want %v", of, what, c.name, errs[i], want)
				}
				if want != codes.OK {
					if got := heads[i].Get("www-authenticate"); len(got) != 1 || got[0] != "Bearer" {
						t.Errorf("%s, %s, token %s: the challenge is %q", of, what, c.name, got)
					}
					continue
				}
				got := heads[i]
				if in := got.Get("context"); len(in) != 2 || in[0] != user || in[1] != subscription {
					t.Errorf("%s, %s, token %s: the context names %q, want %s, %s", of, what, c.name, in, user, subscription)
				}
				for name, want := range map[string]string{"user": user, "subscription": subscription} {
					if in := got.Get(name); want == "" && len(in) > 0 || want != "" && (len(in) != 1 || in[0] != want) {
						t.Errorf("%s, %s, token %s: the header %s is %q, want %q", of, what, c.name, name, in, want)
					}
				}
			}
		}
	}
	if _, err := jwt.NewGRPC(jwt.Spec{}); err == nil {
		t.Error("no keys were taken")
	}
}
