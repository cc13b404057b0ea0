package atlas_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	procv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
	"github.com/taremesh/tare/internal/grpcconn"
)

// asking is a service that proxies ask what becomes of a request, in whole or in
// part: the hooks say which parts it is asked about. A nil hook is not asked.
type asking struct {
	head, body, responseHead, responseBody func(*stage, *procv3.ProcessingRequest) *procv3.CommonResponse
	answer                                 *procv3.ImmediateResponse // to every request
	attributes                             []string
}

func (a *asking) config() *filterv3.ExternalProcessor {
	c := extproc.Config(function.ExternalCluster, extproc.Process{})
	c.RequestAttributes = a.attributes
	// A head waits for its body only where the service is asked about it too.
	if a.head != nil || a.body != nil || a.answer != nil {
		c.ProcessingMode.RequestHeaderMode = filterv3.ProcessingMode_SEND
	}
	if a.responseHead != nil || a.responseBody != nil {
		c.ProcessingMode.ResponseHeaderMode = filterv3.ProcessingMode_SEND
	}
	if a.body != nil {
		c.ProcessingMode.RequestBodyMode = filterv3.ProcessingMode_BUFFERED
	}
	if a.responseBody != nil {
		c.ProcessingMode.ResponseBodyMode = filterv3.ProcessingMode_BUFFERED
	}
	return c
}

// form is the service as a form of a function.
func (a *asking) form(s *stage) *function.External {
	return &function.External{
		Serve: func(ctx context.Context, _ function.Spec, l net.Listener) error {
			server := grpc.NewServer()
			procv3.RegisterExternalProcessorServer(server, &processor{asking: a, stage: s})
			return grpcconn.Serve(ctx, server, l)
		},
		Config: func(function.Spec) (function.FilterConfig, error) {
			packed, err := dataplane.Pack(a.config())
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, err
		},
	}
}

type processor struct {
	procv3.UnimplementedExternalProcessorServer
	asking *asking
	stage  *stage
}

// Process answers for one request.
func (p *processor) Process(stream procv3.ExternalProcessor_ProcessServer) error {
	for {
		q, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(p.one(q)); err != nil {
			return err
		}
	}
}

func (p *processor) one(q *procv3.ProcessingRequest) *procv3.ProcessingResponse {
	common := func(hook func(*stage, *procv3.ProcessingRequest) *procv3.CommonResponse) *procv3.CommonResponse {
		if hook == nil {
			return nil
		}
		return hook(p.stage, q)
	}
	a := p.asking
	switch q.GetRequest().(type) {
	case *procv3.ProcessingRequest_RequestHeaders:
		if a.answer != nil {
			return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_ImmediateResponse{ImmediateResponse: a.answer}}
		}
		return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_RequestHeaders{RequestHeaders: &procv3.HeadersResponse{Response: common(a.head)}}}
	case *procv3.ProcessingRequest_RequestBody:
		return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_RequestBody{RequestBody: &procv3.BodyResponse{Response: common(a.body)}}}
	case *procv3.ProcessingRequest_ResponseHeaders:
		return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: &procv3.HeadersResponse{Response: common(a.responseHead)}}}
	}
	return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_ResponseBody{ResponseBody: &procv3.BodyResponse{Response: common(a.responseBody)}}}
}

// headerOf is a header of what a proxy asks about.
func headerOf(h *procv3.HttpHeaders, name string) string {
	for _, f := range h.GetHeaders().GetHeaders() {
		if strings.EqualFold(f.GetKey(), name) {
			return f.GetValue() + string(f.GetRawValue())
		}
	}
	return ""
}

func setting(name, value string) *procv3.CommonResponse {
	return &procv3.CommonResponse{HeaderMutation: &procv3.HeaderMutation{SetHeaders: []*corev3.HeaderValueOption{{
		Header: &corev3.HeaderValue{Key: name, RawValue: []byte(value)}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}}
}

func rerouting(name, value string) *procv3.CommonResponse {
	r := setting(name, value)
	r.ClearRouteCache = true
	return r
}

func replacing(body string) *procv3.CommonResponse {
	return &procv3.CommonResponse{BodyMutation: &procv3.BodyMutation{Mutation: &procv3.BodyMutation_Body{Body: []byte(body)}}}
}

// askings are the services that try an ability each.
func askings() map[string]func() *asking {
	type (
		asks = procv3.ProcessingRequest
		says = procv3.CommonResponse
	)
	always := func(r *says) func(*stage, *asks) *says { return func(*stage, *asks) *says { return r } }
	counting := func() *asking { // in its own memory, whoever asks
		var n atomic.Int32
		return &asking{responseHead: func(*stage, *asks) *says { return setting("x-read", number(int(n.Add(1)))) }}
	}
	return map[string]func() *asking{
		"read-request-head": func() *asking {
			return &asking{head: func(_ *stage, q *asks) *says { return setting("x-read", headerOf(q.GetRequestHeaders(), "x-ask")) }}
		},
		"read-request-body": func() *asking {
			return &asking{body: func(_ *stage, q *asks) *says { return setting("x-read", string(q.GetRequestBody().GetBody())) }}
		},
		"read-response-head": func() *asking {
			return &asking{responseHead: func(_ *stage, q *asks) *says {
				return setting("x-read", headerOf(q.GetResponseHeaders(), "x-origin"))
			}}
		},
		"read-response-body": func() *asking {
			return &asking{responseBody: func(_ *stage, q *asks) *says {
				return setting("x-read", string(q.GetResponseBody().GetBody()))
			}}
		},
		"read-connection": func() *asking {
			return &asking{attributes: []string{"source.address"}, head: func(_ *stage, q *asks) *says {
				return setting("x-read", q.GetAttributes()[extproc.FilterName].GetFields()["source.address"].GetStringValue())
			}}
		},
		"change-request-head":  func() *asking { return &asking{head: always(setting("x-ask", "two"))} },
		"change-request-body":  func() *asking { return &asking{body: always(replacing("HELLO"))} },
		"change-response-head": func() *asking { return &asking{responseHead: always(setting("x-origin", "away"))} },
		"change-response-body": func() *asking { return &asking{responseBody: always(replacing("WORLD"))} },
		"answer": func() *asking {
			return &asking{answer: &procv3.ImmediateResponse{Status: &typev3.HttpStatus{Code: http.StatusTeapot}, Body: []byte("tea")}}
		},
		"call": func() *asking {
			return &asking{head: func(s *stage, _ *asks) *says {
				res, err := http.Get(s.other.URL)
				if err != nil {
					return nil
				}
				defer res.Body.Close()
				text, _ := io.ReadAll(res.Body)
				return setting("x-read", string(text))
			}}
		},
		"clear-route":    func() *asking { return &asking{head: always(rerouting(":path", "/elsewhere"))} },
		"choose-cluster": func() *asking { return &asking{head: always(rerouting("x-cluster", "other"))} },
		"per-worker":     counting,
		"across-workers": counting,
		"across-proxies": counting,
	}
}

// serveAsked serves what the proxies of a stage ask, once for all of them.
func (s *stage) serveAsked(t *testing.T, serve func(context.Context, net.Listener) error) (addr string, err error) {
	if s.service != "" {
		return s.service, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = serve(ctx, l) // until cancel
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	s.service = l.Addr().String()
	return s.service, nil
}
