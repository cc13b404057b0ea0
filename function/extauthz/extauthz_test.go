package extauthz

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

func TestDecodeRefuses(t *testing.T) {
	rule := func(text string) string { return `{"rules": [` + text + `]}` }
	for text, want := range map[string]string{
		`{}`: "rules: none",
		`{"rules": [{"prefix": "/", "answer": "allow"}], "on_failure": "x"}`:               "on_failure",
		`{"rules": [{"prefix": "/", "answer": "allow"}], "timeout": "0s"}`:                 "timeout",
		rule(`{"prefix": "a", "answer": "allow"}`):                                         "prefix",
		rule(`{"prefix": "/", "answer": "maybe"}`):                                         "answer",
		rule(`{"prefix": "/", "answer": "allow", "header": "a"}`):                          "header and equals",
		rule(`{"prefix": "/", "answer": "allow", "header": "A b", "equals": "c"}`):         `header "A b"`,
		rule(`{"prefix": "/", "answer": "allow", "status": 401}`):                          "status and body",
		rule(`{"prefix": "/", "answer": "deny", "status": 200}`):                           "status 200",
		rule(`{"prefix": "/", "answer": "deny", "remove": ["a"]}`):                         "remove",
		rule(`{"prefix": "/", "answer": "fail", "headers": {"a": "b"}}`):                   "headers",
		rule(`{"prefix": "/", "answer": "allow", "headers": {"a": "b\r\nc: d"}}`):          "would end",
		rule(`{"prefix": "/", "answer": "allow", "headers": {"content-length": "1"}}`):     "content-length",
		rule(`{"prefix": "/", "answer": "allow", "headers": {"a": "1"}, "remove": ["a"]}`): "given twice",
	} {
		p, err := study.JSONParams("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// at is a host whose one cluster has one address; empty: none.
type at string

func (a at) Endpoint(cluster string) (string, bool) {
	return string(a), a != "" && cluster == function.ExternalCluster
}

func newFilter(t *testing.T, s Spec, host function.Host) function.Filter {
	t.Helper()
	c, err := config(s)
	if err != nil {
		t.Fatal(err)
	}
	f, err := join(c.Config, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.(*filter).Close() })
	return f
}

// TestFilterRefusesFieldsByName: what the filter would pass over is an error.
func TestFilterRefusesFieldsByName(t *testing.T) {
	for want, change := range map[string]func(*extauthzv3.ExtAuthz){
		"http_service": func(m *extauthzv3.ExtAuthz) {
			m.Services = &extauthzv3.ExtAuthz_HttpService{HttpService: &extauthzv3.HttpService{}}
		},
		"cluster_name": func(m *extauthzv3.ExtAuthz) { m.GetGrpcService().GetEnvoyGrpc().ClusterName = "" },
		"google_grpc": func(m *extauthzv3.ExtAuthz) {
			m.GetGrpcService().TargetSpecifier = &corev3.GrpcService_GoogleGrpc_{GoogleGrpc: &corev3.GrpcService_GoogleGrpc{}}
		},
		"transport_api_version":         func(m *extauthzv3.ExtAuthz) { m.TransportApiVersion = corev3.ApiVersion(9) },
		"with_request_body":             func(m *extauthzv3.ExtAuthz) { m.WithRequestBody = &extauthzv3.BufferSettings{} },
		"clear_route_cache":             func(m *extauthzv3.ExtAuthz) { m.ClearRouteCache = true },
		"shadow_mode":                   func(m *extauthzv3.ExtAuthz) { m.ShadowMode = true },
		"decoder_header_mutation_rules": func(m *extauthzv3.ExtAuthz) { m.DecoderHeaderMutationRules = &mutationv3.HeaderMutationRules{} },
	} {
		m := Spec{OnFailure: Deny, Timeout: function.Duration(time.Second)}.message()
		change(m)
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := join(packed, at("")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// Without a service, and with one that does not listen, on_failure holds.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, addr := range []string{"", l.Addr().String()} {
		for _, on := range []string{Allow, Deny} {
			f := newFilter(t, Spec{OnFailure: on, Timeout: function.Duration(time.Second)}, at(addr))
			x := &functiontest.Exchange{Verb: "GET", Target: "/"}
			if got := f.Handle(x); got != (on == Allow) || !got && x.Status != http.StatusServiceUnavailable {
				t.Errorf("service at %q, %s: went on %t, status %d", addr, on, got, x.Status)
			}
		}
	}
}

// What the answer of a service says, and what it cannot have.
func TestAnswers(t *testing.T) {
	add := func(a corev3.HeaderValueOption_HeaderAppendAction) []*corev3.HeaderValueOption {
		return []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "X-By", RawValue: []byte("rules")}, AppendAction: a}}
	}
	for name, c := range map[string]struct {
		ok   *authv3.OkHttpResponse
		want string
	}{
		"replaces":      {&authv3.OkHttpResponse{Headers: add(corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)}, ""},
		"appends":       {&authv3.OkHttpResponse{Headers: add(corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)}, "not supported"},
		"sets a query":  {&authv3.OkHttpResponse{QueryParametersToSet: []*corev3.QueryParameter{{Key: "a"}}}, "query"},
		"removes :path": {&authv3.OkHttpResponse{HeadersToRemove: []string{":path", "Host", "X-By"}}, ""},
	} {
		x := &functiontest.Exchange{Verb: "GET", Target: "/", Request: []functiontest.Field{{Name: "x-by", Value: "client"}}}
		err := admit(x, c.ok)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && functiontest.Get(x.Request, "x-by") != "client" {
			t.Errorf("%s: changed %v", name, x.Request)
		}
	}
}

// The filter tells the service every copy of a header.
func TestQuestion(t *testing.T) {
	q := question(&functiontest.Exchange{Verb: "PUT", Target: "/a?b", Request: []functiontest.Field{
		{Name: "Host", Value: "h"}, {Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}}).GetAttributes().GetRequest().GetHttp()
	if q.GetMethod() != "PUT" || q.GetPath() != "/a?b" || q.GetHost() != "h" || q.GetHeaders()["x-a"] != "1,2" {
		t.Errorf("asked %v", q)
	}
	s := &service{spec: Spec{Rules: []Rule{{Prefix: "/", Header: "x-a", Equals: "1", Answer: Allow}}}}
	answer, err := s.Check(context.Background(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: q}}})
	if err != nil || answer.GetDeniedResponse().GetStatus().GetCode() != http.StatusForbidden {
		t.Errorf("answer %v, %v", answer, err)
	}
}
