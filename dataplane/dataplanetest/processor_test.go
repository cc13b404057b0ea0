package dataplanetest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	procv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
	"github.com/taremesh/tare/internal/grpcconn"
)

// processed is one request of which a service is asked, and what it says of its
// two heads.
type processed struct {
	asked
	request, response said // nil: it changes nothing
}

// said is what the service says; nil is its end.
type said func(context.Context) (*says, error)

type (
	says    = procv3.ProcessingResponse
	headers = procv3.HeaderMutation
	option  = corev3.HeaderValueOption
)

func put(name, value string) *option {
	return &option{Header: &corev3.HeaderValue{Key: name, RawValue: []byte(value)}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}
}

func add(name, value string) *option {
	return &option{Header: &corev3.HeaderValue{Key: name, RawValue: []byte(value)}, Append: wrapperspb.Bool(true)} //lint:ignore SA1019 Envoy's filter reads this one
}

func with(set []*option, remove ...string) *headers {
	return &headers{SetHeaders: set, RemoveHeaders: remove}
}

// instead answers the client by itself.
func instead(status int, body string, h *headers) said {
	m := &procv3.ImmediateResponse{Body: []byte(body), Headers: h, Details: "instead"}
	if status != 0 {
		m.Status = &typev3.HttpStatus{Code: typev3.StatusCode(status)}
	}
	return saying(&says{Response: &procv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: m}})
}

func insteadOfCall(status int, code uint32, body string) said {
	m := &procv3.ImmediateResponse{Body: []byte(body), Status: &typev3.HttpStatus{Code: typev3.StatusCode(status)}, GrpcStatus: &procv3.GrpcStatus{Status: code}}
	return saying(&says{Response: &procv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: m}})
}

func onRequest(m *procv3.CommonResponse) said {
	return saying(&says{Response: &procv3.ProcessingResponse_RequestHeaders{RequestHeaders: &procv3.HeadersResponse{Response: m}}})
}

func onResponse(m *procv3.CommonResponse) said {
	return saying(&says{Response: &procv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &procv3.HeadersResponse{Response: m}}})
}

func saying(m *says) said { return func(context.Context) (*says, error) { return m, nil } }

// Nothing is said at all.
func end(context.Context) (*says, error)  { return nil, nil }
func fail(context.Context) (*says, error) { return nil, errors.New("failed") }

func hang(ctx context.Context) (*says, error) {
	<-ctx.Done()
	return nil, nil
}

func everyProcessed() []processed {
	many := with([]*option{put("x-by", "processor"), add("x-many", "1"), add("x-many", "2"), put("x-route", "its own"), put("content-type", "application/json")})
	call := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	return []processed{
		{asked: asked{name: "nothing"}},
		{asked: asked{name: "an answer"}, request: instead(418, "tea", nil)},
		{asked: asked{name: "an answer with headers"}, request: instead(418, `"tea"`, many)},
		{asked: asked{name: "an answer with a length of its own"}, request: instead(418, "tea", with([]*option{put("content-length", "1")}))},
		{asked: asked{name: "an answer without a body"}, request: instead(403, "", with([]*option{put("content-type", "text/html")}))},
		{asked: asked{name: "an answer without a status"}, request: instead(0, "fine", nil)},
		{asked: asked{name: "an answer with an interim status"}, request: instead(100, "fine", nil)},
		{asked: asked{name: "an answer without what the route adds"}, request: instead(200, "fine", with(nil, "x-route"))},
		{asked: asked{name: "an answer to HEAD", method: "HEAD"}, request: instead(418, "tea", nil)},
		{asked: asked{name: "an answer to a body", method: "POST", path: "/echo", body: "hello"}, request: instead(418, "tea", nil)},
		{asked: asked{name: "an answer to a call", method: "POST", header: call, body: "\x00\x00\x00\x00\x00"}, request: instead(429, "too many", nil)},
		{asked: asked{name: "an answer to a call with a status", method: "POST", header: call, body: "\x00\x00\x00\x00\x00"}, request: insteadOfCall(403, 5, "not there")},
		{asked: asked{name: "an answer with a status of calls to no call"}, request: insteadOfCall(403, 5, "not there")},
		{asked: asked{name: "a header of Envoy's own"}, request: onRequest(&procv3.CommonResponse{HeaderMutation: with([]*option{put("x-envoy-mine", "1"), put(":method", "PUT"), put("host", "other"), put("x-mine", "1")}, ":path", "host")})},
		{asked: asked{name: "an option as it is by default", header: http.Header{"X-Mine": {"0"}}}, request: onRequest(&procv3.CommonResponse{HeaderMutation: with([]*option{{Header: &corev3.HeaderValue{Key: "x-mine", RawValue: []byte("1")}}})})},
		{asked: asked{name: "an option in the other field", header: http.Header{"X-Mine": {"0"}}}, request: onRequest(&procv3.CommonResponse{HeaderMutation: with([]*option{{Header: &corev3.HeaderValue{Key: "x-mine", RawValue: []byte("1")}, AppendAction: corev3.HeaderValueOption_ADD_IF_ABSENT}})})},
		{asked: asked{name: "a value that is no raw one", header: http.Header{"X-Mine": {"0"}}}, request: onRequest(&procv3.CommonResponse{HeaderMutation: with([]*option{{Header: &corev3.HeaderValue{Key: "x-mine", Value: "1"}}})})},
		{asked: asked{name: "another path"}, request: onRequest(&procv3.CommonResponse{ClearRouteCache: true, HeaderMutation: with([]*option{put(":path", "/status/404")})})},
		{asked: asked{name: "the response changed"}, response: onResponse(&procv3.CommonResponse{HeaderMutation: with([]*option{put("x-by", "processor"), add("x-twice", "c")}, "x-served")})},
		{asked: asked{name: "instead of the response"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "instead of the response, with headers"}, response: instead(451, `"no"`, many)},
		{asked: asked{name: "instead of the response, without a body"}, response: instead(451, "", nil)},
		{asked: asked{name: "instead of the response, without a status"}, response: instead(0, "fine", nil)},
		{asked: asked{name: "instead of a long response", path: "/long"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "instead of a response in pieces", path: "/pieces"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "instead of 204", path: "/status/204"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "instead of the response to HEAD", method: "HEAD", path: "/long"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "instead of the response to a body", method: "POST", path: "/echo", body: "hello"}, response: instead(451, "not for you", nil)},
		{asked: asked{name: "the service ends"}, request: end},
		{asked: asked{name: "the service ends at the response"}, response: end},
		{asked: asked{name: "the service fails"}, request: fail},
		{asked: asked{name: "the service fails at the response"}, response: fail},
	}
}

// processor says what the cases say. A request names its case.
type processor struct {
	procv3.UnimplementedExternalProcessorServer
	cases map[string]processed
}

const caseHeader = "x-case"

func (p *processor) Process(stream procv3.ExternalProcessor_ProcessServer) error {
	var of processed
	for {
		q, err := stream.Recv()
		if err != nil {
			return nil // the proxy has ended it
		}
		say, nothing := of.response, onResponse(nil)
		if m := q.GetRequestHeaders(); m != nil {
			for _, h := range m.GetHeaders().GetHeaders() {
				if h.GetKey() == caseHeader {
					of = p.cases[string(h.GetRawValue())]
				}
			}
			say, nothing = of.request, onRequest(nil)
		}
		if say == nil {
			say = nothing
		}
		m, err := say(stream.Context())
		if err != nil || m == nil {
			return err
		}
		if err := stream.Send(m); err != nil {
			return nil // likewise
		}
	}
}

// TestBothProcess: what a service says of a request and of its response becomes
// the same on both planes; most of all when it answers by itself.
func TestBothProcess(t *testing.T) {
	t.Parallel()
	service := serveProcessor(t, append(everyProcessed(), late()...))
	listed := known(t, "process")
	for _, down := range []carrier{h1, h2} {
		holdProcessed(t, listed, "process/"+down.name, down, everyProcessed(), service, patience)
	}
	holdProcessed(t, listed, "process/late", h1, late(), service, time.Second)
}

// late are those in which the service does not answer in time.
func late() []processed {
	return []processed{{asked: asked{name: "it hangs"}, request: hang}, {asked: asked{name: "it hangs at the response"}, response: hang}}
}

// holdProcessed holds what becomes of the cases on one plane against the other.
func holdProcessed(t *testing.T, listed []*difference, name string, down carrier, cases []processed, service string, wait time.Duration) {
	t.Helper()
	var records [2][][]string
	for k, plane := range planes(t) {
		who := newPeople(t)
		s := h1.serve(t, who, answer)
		addr := free(t)
		begin(t, plane, asking(t, between(down, h1, who, addr, s.addr), service, wait))
		client := down.client(t, who)
		for _, c := range cases {
			q := c.asked
			if q.path == "" {
				q.path = "/"
			}
			if q.header = q.header.Clone(); q.header == nil {
				q.header = http.Header{}
			}
			q.header.Set(caseHeader, c.name)
			records[k] = append(records[k], q.ask(t, client, down.scheme()+"://"+addr, s))
		}
	}
	for i, c := range cases {
		hold(t, listed, name+"/"+c.name, records[0][i], records[1][i])
	}
}

// serveProcessor serves what proxies ask until the test ends.
func serveProcessor(t *testing.T, cases []processed) (addr string) {
	t.Helper()
	p := &processor{cases: map[string]processed{}}
	for _, c := range cases {
		p.cases[c.name] = c
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		server := grpc.NewServer()
		procv3.RegisterExternalProcessorServer(server, p)
		_ = grpcconn.Serve(ctx, server, l) // until cancel
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}

// asking is the proxy with a filter that asks, and a header of its routes'.
func asking(t *testing.T, p dataplane.Proxy, service string, wait time.Duration) dataplane.Proxy {
	t.Helper()
	nothing := func(extproc.Head) (c extproc.Changes) { return c }
	m := extproc.Config(function.ExternalCluster, extproc.Process{Request: nothing, Response: nothing})
	m.MessageTimeout = durationpb.New(wait)
	packed, err := dataplane.Pack(m)
	if err != nil {
		t.Fatal(err)
	}
	p.Filters = []dataplane.Filter{{Name: extproc.FilterName, Config: packed}}
	p.Clusters = append(p.Clusters, dataplane.Cluster{Name: function.ExternalCluster, Endpoints: []string{service}, HTTP2: true})
	p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
		return r.EachRoute(func(route *routev3.Route, _ *routev3.RouteAction) error {
			route.ResponseHeadersToAdd = []*option{{Header: &corev3.HeaderValue{Key: "x-route", Value: "said"}}}
			return nil
		})
	})
	return p
}
