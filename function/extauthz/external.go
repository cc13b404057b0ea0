package extauthz

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/grpcconn"
)

const (
	// filterName is Envoy's name of the filter.
	filterName = "envoy.filters.http.ext_authz"
	typeURL    = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
)

// config is the filter that asks.
func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(s.message())
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("ext-authz: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

func (s Spec) message() *extauthzv3.ExtAuthz {
	return &extauthzv3.ExtAuthz{
		Services: &extauthzv3.ExtAuthz_GrpcService{GrpcService: &corev3.GrpcService{
			TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: function.ExternalCluster}},
			Timeout:         durationpb.New(s.Timeout.Std()),
		}},
		TransportApiVersion: corev3.ApiVersion_V3,
		FailureModeAllow:    s.OnFailure == Allow,
		StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
	}
}

// serve is the service that decides.
func serve(ctx context.Context, spec function.Spec, l net.Listener) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, &service{spec: s})
	return grpcconn.Serve(ctx, server, l)
}

// service decides by rules. It keeps no state.
type service struct {
	authv3.UnimplementedAuthorizationServer
	spec Spec
}

// Check answers for one request.
func (s *service) Check(ctx context.Context, q *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	asked := q.GetAttributes().GetRequest().GetHttp()
	path, _, _ := strings.Cut(asked.GetPath(), "?")
	r := s.rule(path, asked.GetHeaders())
	switch {
	case r == nil:
		return denied(&Rule{}), nil
	case r.Answer == Allow:
		return allowed(r), nil
	case r.Answer == Deny:
		return denied(r), nil
	case r.Answer == Hang:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return nil, status.Error(codes.Unavailable, "the rule for this request says that the service fails")
}

// rule is the first that fits; headers have names in lower case, and of several
// copies the values with commas between.
func (s *service) rule(path string, headers map[string]string) *Rule {
	i := slices.IndexFunc(s.spec.Rules, func(r Rule) bool {
		return strings.HasPrefix(path, r.Prefix) && (r.Header == "" || headers[r.Header] == r.Equals)
	})
	if i < 0 {
		return nil
	}
	return &s.spec.Rules[i]
}

func allowed(r *Rule) *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers: fields(r.Headers), HeadersToRemove: r.Remove}},
	}
}

func denied(r *Rule) *authv3.CheckResponse {
	code := http.StatusForbidden
	if r.Status != 0 {
		code = r.Status
	}
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status: &typev3.HttpStatus{Code: typev3.StatusCode(code)}, Headers: fields(r.Headers), Body: r.Body}},
	}
}

// fields replace what the client sent of the same names.
func fields(headers map[string]string) (all []*corev3.HeaderValueOption) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		all = append(all, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: name, Value: headers[name]},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return all
}
