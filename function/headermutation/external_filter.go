package headermutation

import (
	"context"
	"fmt"
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
	end context.CancelFunc
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

// Handle asks about the request. Without an answer it is refused with 500, as
// Envoy does.
func (p *processor) Handle(x function.Exchange) (proceed bool) {
	if !p.onRequest {
		return true
	}
	answer, err := p.ask(x, &procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_RequestHeaders{RequestHeaders: requestHead(x)}})
	if err == nil {
		err = changeRequest(x, answer.GetRequestHeaders().GetResponse())
	}
	if err != nil {
		x.Reply(http.StatusInternalServerError, "")
		return false
	}
	return true
}

// Respond asks about the response.
func (p *processor) Respond(x function.Exchange, r function.Response) {
	if !p.onResponse {
		return
	}
	answer, err := p.ask(x, &procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: responseHead(r)}})
	if err == nil {
		err = changeResponse(r, answer.GetResponseHeaders().GetResponse())
	}
	if err != nil {
		r.SetStatus(http.StatusInternalServerError)
	}
}

// Finish ends the conversation.
func (p *processor) Finish(x function.Exchange, _ function.Ending) {
	if c := p.conversation(x); c != nil {
		c.end()
		number, _ := x.Note(streamNote)
		p.streams.Delete(string(number))
	}
}

// ask sends one message and waits for its answer.
func (p *processor) ask(x function.Exchange, q *procv3.ProcessingRequest) (*procv3.ProcessingResponse, error) {
	c := p.conversation(x)
	if c == nil {
		var err error
		if c, err = p.begin(x); err != nil {
			return nil, err
		}
	}
	timer := time.AfterFunc(p.wait, c.end)
	defer timer.Stop()
	if err := c.Send(q); err != nil {
		return nil, err
	}
	return c.Recv()
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
	stream, err := procv3.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	c := &conversation{stream, cancel}
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

// responseHead is the status alone: a Response is asked for its headers by name.
func responseHead(r function.Response) *procv3.HttpHeaders {
	return &procv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{raw(":status", strconv.AppendInt(nil, int64(r.Status()), 10))}}}
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

func changeResponse(to function.Response, r *procv3.CommonResponse) error { return changeHead(to, r) }

func changeHead(to changeable, r *procv3.CommonResponse) error {
	if r.GetStatus() != procv3.CommonResponse_CONTINUE || r.GetBodyMutation() != nil || r.GetTrailers() != nil {
		return fmt.Errorf("the processor changes more than headers")
	}
	for _, name := range r.GetHeaderMutation().GetRemoveHeaders() {
		to.RemoveHeader(strings.ToLower(name))
	}
	for _, h := range r.GetHeaderMutation().GetSetHeaders() {
		name, value := strings.ToLower(h.GetHeader().GetKey()), h.GetHeader().GetRawValue()
		if len(value) == 0 {
			value = []byte(h.GetHeader().GetValue())
		}
		switch h.GetAppendAction() {
		case corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
			to.AddHeader(name, value)
		case corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			to.SetHeader(name, value)
		default:
			return fmt.Errorf("the processor asks for %v of %s", h.GetAppendAction(), name)
		}
	}
	return nil
}
