// Package extproc is a service that processes headers: it answers Envoy's
// protocol (envoy.service.ext_proc.v3), in which a proxy asks what becomes of
// the head of a request and of its response.
//
// What becomes of them is the user's: Serve hands each head to a Process.
// Config is the filter that asks such a service. It takes no part in bodies and
// trailers.
package extproc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	procv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/internal/grpcconn"
)

// FilterName is Envoy's name of the filter that asks.
const FilterName = "envoy.filters.http.ext_proc"

// timeout is how long a proxy waits for one answer.
const timeout = 2 * time.Second

// Field is one header; its name is in lower case.
type Field struct{ Name, Value string }

// Head is the headers of a request or a response; :path, :method and :status
// are among them.
type Head []Field

// Values are all copies of a header.
func (h Head) Values(name string) (all []string) {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			all = append(all, f.Value)
		}
	}
	return all
}

// Changes are what is to be done with a head.
type Changes struct {
	muts []change
	// ClearRoute has the route looked for again.
	ClearRoute bool
}

// change is what is done with one name: what is there goes if cleared, then
// values are added.
type change struct {
	name    string
	cleared bool
	values  []string
}

func (c *Changes) of(name string) *change {
	i := slices.IndexFunc(c.muts, func(m change) bool { return m.name == name })
	if i < 0 {
		i = len(c.muts)
		c.muts = append(c.muts, change{name: name})
	}
	return &c.muts[i]
}

// Set leaves one header of the name.
func (c *Changes) Set(name, value string) {
	m := c.of(name)
	m.cleared, m.values = true, []string{value}
}

// Append adds a header beside the copies that are there.
func (c *Changes) Append(name, value string) {
	m := c.of(name)
	m.values = append(m.values, value)
}

// Remove takes every copy away.
func (c *Changes) Remove(name string) {
	m := c.of(name)
	m.cleared, m.values = true, nil
}

// response is the changes as the protocol has them: what is removed is so
// first, whatever the order; so each name has one fate.
func (c *Changes) response() *procv3.CommonResponse {
	r := &procv3.CommonResponse{ClearRouteCache: c.ClearRoute}
	if len(c.muts) == 0 {
		return r
	}
	r.HeaderMutation = &procv3.HeaderMutation{}
	for _, m := range c.muts {
		if m.cleared && len(m.values) == 0 {
			r.HeaderMutation.RemoveHeaders = append(r.HeaderMutation.RemoveHeaders, m.name)
		}
		for i, v := range m.values {
			r.HeaderMutation.SetHeaders = append(r.HeaderMutation.SetHeaders, option(m.name, v, m.cleared && i == 0))
		}
	}
	return r
}

// option sets or appends a value. Envoy 1.40's filter reads the older of two
// fields that say which.
func option(name, value string, set bool) *corev3.HeaderValueOption {
	o := &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, RawValue: []byte(value)}, KeepEmptyValue: true}
	if set {
		o.AppendAction = corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	} else {
		o.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
		o.Append = wrapperspb.Bool(true) //lint:ignore SA1019 the filter knows no other
	}
	return o
}

// Process says what becomes of heads. A nil func: the proxy does not ask.
type Process struct {
	Request, Response func(Head) Changes
}

// Config is the filter that asks the service of a cluster.
func Config(cluster string, p Process) *filterv3.ExternalProcessor {
	mode := func(f func(Head) Changes) filterv3.ProcessingMode_HeaderSendMode {
		if f == nil {
			return filterv3.ProcessingMode_SKIP
		}
		return filterv3.ProcessingMode_SEND
	}
	return &filterv3.ExternalProcessor{
		GrpcService: &corev3.GrpcService{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster}}},
		ProcessingMode: &filterv3.ProcessingMode{RequestHeaderMode: mode(p.Request), ResponseHeaderMode: mode(p.Response),
			RequestTrailerMode: filterv3.ProcessingMode_SKIP, ResponseTrailerMode: filterv3.ProcessingMode_SKIP},
		MessageTimeout: durationpb.New(timeout),
	}
}

// Serve answers on the listener until the context ends.
func Serve(ctx context.Context, l net.Listener, p Process) error {
	server := grpc.NewServer()
	procv3.RegisterExternalProcessorServer(server, &service{process: p})
	return grpcconn.Serve(ctx, server, l)
}

type service struct {
	procv3.UnimplementedExternalProcessorServer
	process Process
}

// Process answers for one request.
func (s *service) Process(stream procv3.ExternalProcessor_ProcessServer) error {
	for {
		q, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what a proxy asks: %w", err)
		}
		answer, err := s.answer(q)
		if err != nil {
			return err
		}
		if err := stream.Send(answer); err != nil {
			return fmt.Errorf("answer a proxy: %w", err)
		}
	}
}

func (s *service) answer(q *procv3.ProcessingRequest) (*procv3.ProcessingResponse, error) {
	switch m := q.GetRequest().(type) {
	case *procv3.ProcessingRequest_RequestHeaders:
		return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_RequestHeaders{RequestHeaders: done(s.process.Request, m.RequestHeaders)}}, nil
	case *procv3.ProcessingRequest_ResponseHeaders:
		return &procv3.ProcessingResponse{Response: &procv3.ProcessingResponse_ResponseHeaders{ResponseHeaders: done(s.process.Response, m.ResponseHeaders)}}, nil
	}
	return nil, status.Errorf(codes.Unimplemented, "this service takes heads of requests and responses, not %T", q.GetRequest())
}

func done(f func(Head) Changes, m *procv3.HttpHeaders) *procv3.HeadersResponse {
	if f == nil {
		return &procv3.HeadersResponse{}
	}
	var head Head
	for _, h := range m.GetHeaders().GetHeaders() {
		value := h.GetValue()
		if len(h.GetRawValue()) > 0 {
			value = string(h.GetRawValue())
		}
		head = append(head, Field{h.GetKey(), value})
	}
	c := f(head)
	return &procv3.HeadersResponse{Response: c.response()}
}
