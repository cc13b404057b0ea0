package extauthz

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/grpcconn"
	"github.com/taremesh/tare/internal/protofield"
)

// honoured is what the Go filter understands of Envoy's message.
func honoured() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.http.ext_authz.v3.ExtAuthz": {"grpc_service", "transport_api_version", "failure_mode_allow", "status_on_error"},
		"envoy.config.core.v3.GrpcService":                    {"envoy_grpc", "timeout"},
		"envoy.config.core.v3.GrpcService.EnvoyGrpc":          {"cluster_name"},
		"envoy.type.v3.HttpStatus":                            {"code"},
	}
}

// usualTimeout is what Envoy waits when it is not told how long.
const usualTimeout = 200 * time.Millisecond

// filter asks a service in the embedded data plane.
type filter struct {
	host    function.Host
	cluster string
	timeout time.Duration
	lenient bool // let requests on that the service does not answer for
	onError int
	grpcconn.Pool
}

func join(packed *anypb.Any, host function.Host) (function.Filter, error) {
	m := new(extauthzv3.ExtAuthz)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read external authorization: %w", err)
	}
	if err := protofield.Check(m, honoured()); err != nil {
		return nil, fmt.Errorf("external authorization: %w", err)
	}
	f := &filter{host: host, cluster: m.GetGrpcService().GetEnvoyGrpc().GetClusterName(), timeout: usualTimeout,
		lenient: m.GetFailureModeAllow(), onError: http.StatusForbidden}
	if f.cluster == "" {
		return nil, fmt.Errorf("external authorization: field grpc_service.envoy_grpc.cluster_name: is required")
	}
	if m.GetTransportApiVersion() != corev3.ApiVersion_V3 {
		return nil, fmt.Errorf("external authorization: field transport_api_version: %v is not supported, V3 is", m.GetTransportApiVersion())
	}
	if t := m.GetGrpcService().GetTimeout(); t != nil {
		f.timeout = t.AsDuration()
	}
	if c := m.GetStatusOnError().GetCode(); c != 0 {
		f.onError = int(c)
	}
	return f, nil
}

// Handle asks, and does what the answer says.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	answer, err := f.ask(x)
	if err == nil && answer.GetStatus().GetCode() == int32(codes.OK) {
		if err = admit(x, answer.GetOkResponse()); err == nil {
			return true
		}
	}
	if err == nil {
		refuse(x, answer.GetDeniedResponse())
		return false
	}
	if f.lenient {
		return true
	}
	x.Reply(f.onError, "")
	return false
}

func (f *filter) ask(x function.Exchange) (*authv3.CheckResponse, error) {
	addr, ok := f.host.Endpoint(f.cluster)
	if !ok {
		return nil, fmt.Errorf("cluster %s has no endpoint", f.cluster)
	}
	conn, err := f.To(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.timeout)
	defer cancel()
	answer, err := authv3.NewAuthorizationClient(conn).Check(ctx, question(x))
	if err == nil && answer.GetErrorResponse() != nil {
		err = errors.New("the service says that it failed")
	}
	return answer, err
}

// question is the request as Envoy describes it to a service.
func question(x function.Exchange) *authv3.CheckRequest {
	host, _ := x.Header("host")
	headers := map[string]string{":method": string(x.Method()), ":path": string(x.Path()), ":authority": string(host)}
	if l, ok := x.(function.Lister); ok {
		l.EachHeader(func(name, value []byte) bool {
			key := strings.ToLower(string(name))
			if before, again := headers[key]; again {
				headers[key] = before + "," + string(value)
			} else {
				headers[key] = string(value)
			}
			return true
		})
	}
	a := &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
		Method: string(x.Method()), Path: string(x.Path()), Host: string(host), Headers: headers, Protocol: "HTTP/1.1"}}}
	if p := function.PeerOf(x); p.Addr.IsValid() {
		a.Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: p.Addr.String()}}}}
		if len(p.URIs) > 0 {
			a.Source.Principal = p.URIs[0]
		}
	}
	return &authv3.CheckRequest{Attributes: a}
}

// admit changes the headers of a request that goes on. What it cannot do is an
// error before anything is changed.
func admit(x function.Exchange, ok *authv3.OkHttpResponse) error {
	if len(ok.GetQueryParametersToRemove())+len(ok.GetQueryParametersToSet()) > 0 {
		return errors.New("the service changes the query: that is not supported")
	}
	for _, h := range append(ok.GetHeaders(), ok.GetResponseHeadersToAdd()...) {
		if !replaces(h) {
			return fmt.Errorf("the service adds a header with %v: that is not supported", h.GetAppendAction())
		}
	}
	for _, name := range ok.GetHeadersToRemove() {
		if !strings.HasPrefix(name, ":") && !strings.EqualFold(name, "host") {
			x.RemoveHeader(strings.ToLower(name))
		}
	}
	for _, h := range ok.GetHeaders() {
		x.SetHeader(strings.ToLower(h.GetHeader().GetKey()), valueOf(h))
	}
	for _, h := range ok.GetResponseHeadersToAdd() {
		x.AddResponseHeader(strings.ToLower(h.GetHeader().GetKey()), valueOf(h))
	}
	return nil
}

func replaces(h *corev3.HeaderValueOption) bool {
	return h.GetAppendAction() == corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
}

func valueOf(h *corev3.HeaderValueOption) []byte {
	if raw := h.GetHeader().GetRawValue(); len(raw) > 0 {
		return raw
	}
	return []byte(h.GetHeader().GetValue())
}

// refuse answers with what the service wants said.
func refuse(x function.Exchange, d *authv3.DeniedHttpResponse) {
	code := int(d.GetStatus().GetCode())
	if code == 0 {
		code = http.StatusForbidden
	}
	for _, h := range d.GetHeaders() {
		x.AddResponseHeader(strings.ToLower(h.GetHeader().GetKey()), valueOf(h))
	}
	x.Reply(code, d.GetBody())
}
