package headermutation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	procfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	procv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/grpcconn"
	"github.com/taremesh/tare/internal/protofield"
)

const processorURL = "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"

// honouredOfProcessor is what the Go filter that asks a processor understands
// of Envoy's message.
func honouredOfProcessor() protofield.Honoured {
	return protofield.Honoured{
		"envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor": {"grpc_service", "processing_mode", "message_timeout"},
		"envoy.extensions.filters.http.ext_proc.v3.ProcessingMode":    {"request_header_mode", "response_header_mode", "request_trailer_mode", "response_trailer_mode"},
		"envoy.config.core.v3.GrpcService":                            {"envoy_grpc"},
		"envoy.config.core.v3.GrpcService.EnvoyGrpc":                  {"cluster_name"},
	}
}

// usualWait is what Envoy waits for an answer when it is not told how long.
const usualWait = 200 * time.Millisecond

// processor asks a service for each head, over one stream for each request. It
// is the embedded plane's filter for Envoy's message, whichever function's
// service it asks.
type processor struct {
	host                  function.Host
	cluster               string
	wait                  time.Duration
	onRequest, onResponse bool
	streams               sync.Map // *conversation by the note's number
	last                  atomic.Uint64
	grpcconn.Pool
}

// conversation is the stream of one request.
type conversation struct {
	procv3.ExternalProcessor_ProcessClient
	end  context.CancelFunc
	over bool // the service has ended it: it wants to hear no more of the request
}

// streamNote is where a request keeps the number of its conversation.
const streamNote = "header-mutation.ext_proc"

func joinProcessor(packed *anypb.Any, host function.Host) (function.Filter, error) {
	m := new(procfilterv3.ExternalProcessor)
	if err := packed.UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("read external processor: %w", err)
	}
	if err := protofield.Check(m, honouredOfProcessor()); err != nil {
		return nil, fmt.Errorf("external processor: %w", err)
	}
	mode := m.GetProcessingMode()
	p := &processor{host: host, cluster: m.GetGrpcService().GetEnvoyGrpc().GetClusterName(), wait: usualWait,
		onRequest:  mode.GetRequestHeaderMode() != procfilterv3.ProcessingMode_SKIP,
		onResponse: mode.GetResponseHeaderMode() != procfilterv3.ProcessingMode_SKIP}
	if p.cluster == "" {
		return nil, fmt.Errorf("external processor: field grpc_service.envoy_grpc.cluster_name: is required")
	}
	for field, m := range map[string]procfilterv3.ProcessingMode_HeaderSendMode{
		"request_trailer_mode": mode.GetRequestTrailerMode(), "response_trailer_mode": mode.GetResponseTrailerMode()} {
		if m == procfilterv3.ProcessingMode_SEND {
			return nil, fmt.Errorf("external processor: field processing_mode.%s: SEND is not supported", field)
		}
	}
	if t := m.GetMessageTimeout(); t != nil {
		p.wait = t.AsDuration()
	}
	return p, nil
}

// Handle asks about the request.
func (p *processor) Handle(x function.Exchange) (proceed bool) {
	if !p.onRequest {
		return true
	}
	answer, err := p.ask(x, &procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_RequestHeaders{RequestHeaders: requestHead(x)}})
	instead := answer.GetImmediateResponse()
	switch {
	case err != nil:
	case instead != nil:
		err = answerInstead(x, instead)
	default:
		err = changeRequest(x, answer.GetRequestHeaders().GetResponse())
	}
	if err != nil {
		refuse(x, err)
	}
	return err == nil && instead == nil
}

// Respond asks about the response.
func (p *processor) Respond(x function.Exchange, r function.Response) {
	if !p.onResponse {
		return
	}
	answer, err := p.ask(x, &procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: responseHead(r)}})
	switch {
	case err != nil:
	case answer.GetImmediateResponse() != nil:
		err = answerInstead(x, answer.GetImmediateResponse())
	default:
		err = changeHead(r, answer.GetResponseHeaders().GetResponse())
	}
	if err != nil {
		refuse(x, err)
	}
}

// refuse answers as Envoy does where the service does not.
func refuse(x function.Exchange, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errLate) {
		status = http.StatusGatewayTimeout
	}
	x.Reply(status, "")
}

// answerInstead gives the client the answer that the service has for it, instead
// of the service behind. A status that is none of an answer is 200, as in Envoy.
func answerInstead(x function.Exchange, m *procv3.ImmediateResponse) error {
	a, ok := x.(function.Amender)
	if !ok {
		return fmt.Errorf("the headers of an answer cannot be changed here")
	}
	status := int(m.GetStatus().GetCode())
	if status < http.StatusOK {
		status = http.StatusOK
	}
	kind, _ := x.Header("content-type")
	rpc := m.GetGrpcStatus() != nil && strings.HasPrefix(string(kind), "application/grpc")
	a.Amend(func(r function.Response) {
		mutate(r, m.GetHeaders())
		if _, said := r.Header("grpc-status"); rpc && !said {
			r.SetHeader("grpc-status", strconv.AppendUint(nil, uint64(m.GetGrpcStatus().GetStatus()), 10))
		}
	})
	x.Reply(status, string(m.GetBody()))
	return nil
}

// Finish ends the conversation.
func (p *processor) Finish(x function.Exchange, _ function.Ending) {
	if c := p.conversation(x); c != nil {
		c.end()
		number, _ := x.Note(streamNote)
		p.streams.Delete(string(number))
	}
}

// errLate says that the service took longer than it may.
var errLate = errors.New("the processor did not answer in time")

// ask sends one message and waits for its answer; nil is none, from a service
// that wants to hear no more.
func (p *processor) ask(x function.Exchange, q *procv3.ProcessingRequest) (*procv3.ProcessingResponse, error) {
	c := p.conversation(x)
	if c == nil {
		var err error
		if c, err = p.begin(x); err != nil {
			return nil, err
		}
	}
	if c.over {
		return nil, nil
	}
	timer := time.AfterFunc(p.wait, c.end)
	err := c.Send(q)
	if err != nil && !errors.Is(err, io.EOF) { // at its end the stream says why when it is read
		timer.Stop()
		return nil, err
	}
	answer, err := c.Recv()
	switch {
	case !timer.Stop():
		return nil, errLate
	case errors.Is(err, io.EOF):
		c.over = true
		return nil, nil
	}
	return answer, err
}

func (p *processor) conversation(x function.Exchange) *conversation {
	number, ok := x.Note(streamNote)
	if !ok {
		return nil
	}
	c, ok := p.streams.Load(string(number))
	if !ok {
		return nil
	}
	return c.(*conversation)
}

func (p *processor) begin(x function.Exchange) (*conversation, error) {
	addr, ok := p.host.Endpoint(p.cluster)
	if !ok {
		return nil, fmt.Errorf("cluster %s has no endpoint", p.cluster)
	}
	conn, err := p.To(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(p.wait, cancel)
	stream, err := procv3.NewExternalProcessorClient(conn).Process(ctx)
	if !timer.Stop() {
		err = errLate
	}
	if err != nil {
		cancel()
		return nil, err
	}
	c := &conversation{ExternalProcessor_ProcessClient: stream, end: cancel}
	number := strconv.FormatUint(p.last.Add(1), 10)
	p.streams.Store(number, c)
	x.SetNote(streamNote, []byte(number))
	return c, nil
}

func requestHead(x function.Exchange) *procv3.HttpHeaders {
	host, _ := x.Header("host")
	all := &corev3.HeaderMap{Headers: []*corev3.HeaderValue{raw(":method", x.Method()), raw(":path", x.Path()), raw(":authority", host)}}
	if l, ok := x.(function.Lister); ok {
		l.EachHeader(func(name, value []byte) bool {
			all.Headers = append(all.Headers, raw(strings.ToLower(string(name)), value))
			return true
		})
	}
	return &procv3.HttpHeaders{Headers: all}
}

func responseHead(r function.Response) *procv3.HttpHeaders {
	all := &corev3.HeaderMap{Headers: []*corev3.HeaderValue{raw(":status", strconv.AppendInt(nil, int64(r.Status()), 10))}}
	if length, ok := r.Header("content-length"); ok {
		all.Headers = append(all.Headers, raw("content-length", length))
	}
	if l, ok := r.(lister); ok {
		l.EachHeader(func(name, value []byte) bool {
			all.Headers = append(all.Headers, raw(strings.ToLower(string(name)), value))
			return true
		})
	}
	return &procv3.HttpHeaders{Headers: all}
}

// lister can give all of its headers: a response.
type lister interface {
	EachHeader(visit func(name, value []byte) (more bool))
}

func raw(name string, value []byte) *corev3.HeaderValue {
	return &corev3.HeaderValue{Key: name, RawValue: append([]byte(nil), value...)}
}

// changeable is what both heads can have done to them.
type changeable interface {
	SetHeader(name string, value []byte)
	AddHeader(name string, value []byte)
	RemoveHeader(name string)
}

func changeRequest(x function.Exchange, r *procv3.CommonResponse) error {
	if err := changeHead(x, r); err != nil {
		return err
	}
	if r.GetClearRouteCache() {
		x.ClearRoute()
	}
	return nil
}

func changeHead(to changeable, r *procv3.CommonResponse) error {
	if r.GetStatus() != procv3.CommonResponse_CONTINUE || r.GetBodyMutation() != nil || r.GetTrailers() != nil {
		return fmt.Errorf("the processor changes more than headers")
	}
	mutate(to, r.GetHeaderMutation())
	return nil
}

// mutate changes headers: those that Envoy lets a service change by its usual
// rules, and by the older of the two fields that say how, which Envoy 1.40 reads.
func mutate(to changeable, m *procv3.HeaderMutation) {
	for _, name := range m.GetRemoveHeaders() {
		if name = strings.ToLower(name); free(name) {
			to.RemoveHeader(name)
		}
	}
	for _, h := range m.GetSetHeaders() {
		name, value := strings.ToLower(h.GetHeader().GetKey()), h.GetHeader().GetRawValue()
		at, pathed := to.(pathed)
		switch {
		case name == ":path" && pathed:
			at.SetPath(value)
		case !free(name):
		case h.GetAppend().GetValue(): //lint:ignore SA1019 Envoy 1.40 knows no other
			to.AddHeader(name, value)
		default:
			to.SetHeader(name, value)
		}
	}
}

// pathed can be sent to another path: a request.
type pathed interface{ SetPath(target []byte) }

// free reports whether the header is one that a service may change.
func free(name string) bool {
	return !strings.HasPrefix(name, ":") && name != "host" && !strings.HasPrefix(name, "x-envoy")
}
