package jwt

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/grpcconn"
)

// askTimeout is how long a proxy waits for the service; without its answer
// requests are refused.
const askTimeout = 2 * time.Second

// externalConfig is the filter that asks a service which verifies.
func externalConfig(spec function.Spec) (function.FilterConfig, error) {
	if _, err := specOf(spec); err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(&extauthzv3.ExtAuthz{
		Services: &extauthzv3.ExtAuthz_GrpcService{GrpcService: &corev3.GrpcService{
			TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: function.ExternalCluster}},
			Timeout:         durationpb.New(askTimeout),
		}},
		TransportApiVersion: corev3.ApiVersion_V3,
		StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
	})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("jwt: %w", err)
	}
	return function.FilterConfig{Name: "envoy.filters.http.ext_authz", Config: packed}, nil
}

// serve is the service that verifies: with the native form's core, out of the
// proxy.
func serve(ctx context.Context, spec function.Spec, l net.Listener) error {
	s, err := specOf(spec)
	if err != nil {
		return err
	}
	f, err := compile(s.message())
	if err != nil {
		return fmt.Errorf("jwt: %w", err)
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, &verifier{filter: f})
	return grpcconn.Serve(ctx, server, l)
}

// verifier answers for proxies. It keeps no state.
type verifier struct {
	authv3.UnimplementedAuthorizationServer
	filter *filter
}

// Check answers for one request.
func (v *verifier) Check(_ context.Context, q *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	asked := q.GetAttributes().GetRequest().GetHttp()
	path, _, _ := strings.Cut(asked.GetPath(), "?")
	p := v.filter.required([]byte(path))
	if p == nil {
		return v.admit(nil), nil
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	token, ok := strings.CutPrefix(asked.GetHeaders()[p.header], p.prefix)
	if !ok {
		return refuse(missing), nil
	}
	c, why := p.verify([]byte(strings.TrimLeft(token, " ")), s, time.Now().Unix())
	if why != nil {
		return refuse(why), nil
	}
	set := map[string]string{}
	for i, h := range p.claims {
		if value := c.headers[i]; len(value) > 0 {
			set[h.header] = string(value)
		}
	}
	return v.admit(set), nil
}

// admit sets the headers of the claims, in place of any of the client's.
func (v *verifier) admit(set map[string]string) *authv3.CheckResponse {
	ok := &authv3.OkHttpResponse{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(v.filter.reserved))) {
		value, there := set[name]
		if !there {
			ok.HeadersToRemove = append(ok.HeadersToRemove, name)
			continue
		}
		ok.Headers = append(ok.Headers, &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: name, Value: value}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD})
	}
	return &authv3.CheckResponse{Status: &rpcstatus.Status{Code: int32(codes.OK)}, HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok}}
}

func refuse(why *refusal) *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.Unauthenticated)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode(why.status)}, Body: why.text,
			Headers: []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "www-authenticate", Value: "Bearer"},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}},
	}
}
