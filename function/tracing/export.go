package tracing

import (
	"context"
	"strconv"
	"sync"
	"time"

	collectorv1 "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcev1 "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracev1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/taremesh/tare/internal/collect"
	"github.com/taremesh/tare/internal/grpcconn"
)

// When spans are told: so many at once, and the rest after so long. More than
// mostWaiting are dropped.
const (
	batch        = 64
	batchTime    = time.Second
	mostWaiting  = 4096
	tellPatience = 5 * time.Second
)

// exporter tells a collector of spans, behind the requests' back.
type exporter struct {
	service string
	addr    func() (string, bool)
	conns   grpcconn.Pool
	spans   chan *tracev1.Span
	end     chan struct{}
	closing sync.Once
	done    sync.WaitGroup
}

func newExporter(service string, addr func() (string, bool)) *exporter {
	e := &exporter{service: service, addr: addr, spans: make(chan *tracev1.Span, mostWaiting), end: make(chan struct{})}
	e.done.Go(e.run)
	return e
}

// finish takes a span that is over; without room it is dropped.
func (e *exporter) finish(w work, name string, outcome *commonv1.KeyValue) {
	s := &tracev1.Span{
		TraceId: w.trace[:], SpanId: w.span[:], Name: name, Kind: tracev1.Span_SPAN_KIND_SERVER,
		StartTimeUnixNano: uint64(w.began.UnixNano()), EndTimeUnixNano: uint64(time.Now().UnixNano()),
		Attributes: []*commonv1.KeyValue{outcome},
	}
	if w.parent != [8]byte{} {
		s.ParentSpanId = w.parent[:]
	}
	select {
	case e.spans <- s:
	default:
	}
}

// answered is the outcome of a request of HTTP.
func answered(status int) *commonv1.KeyValue {
	return text("http.status_code", strconv.Itoa(status))
}

func text(key, value string) *commonv1.KeyValue {
	return &commonv1.KeyValue{Key: key, Value: &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: value}}}
}

func (e *exporter) run() {
	tick := time.NewTicker(batchTime)
	defer tick.Stop()
	var waiting []*tracev1.Span
	for {
		select {
		case s := <-e.spans:
			if waiting = append(waiting, s); len(waiting) < batch {
				continue
			}
		case <-tick.C:
		case <-e.end:
			e.tell(append(waiting, e.rest()...))
			return
		}
		e.tell(waiting)
		waiting = nil
	}
}

// rest is what has not been taken from the channel.
func (e *exporter) rest() (all []*tracev1.Span) {
	for {
		select {
		case s := <-e.spans:
			all = append(all, s)
		default:
			return all
		}
	}
}

// tell sends spans. What the collector does not take is lost: a proxy that
// kept it would grow.
func (e *exporter) tell(spans []*tracev1.Span) {
	addr, ok := e.addr()
	if len(spans) == 0 || !ok {
		return
	}
	conn, err := e.conns.To(addr)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tellPatience)
	defer cancel()
	_ = conn.Invoke(ctx, collect.TraceMethod, &collectorv1.ExportTraceServiceRequest{ResourceSpans: []*tracev1.ResourceSpans{{
		Resource:   &resourcev1.Resource{Attributes: []*commonv1.KeyValue{text("service.name", e.service)}},
		ScopeSpans: []*tracev1.ScopeSpans{{Spans: spans}},
	}}}, &collectorv1.ExportTraceServiceResponse{}) // lost, as said above
}

// Close tells what is left.
func (e *exporter) Close() error {
	e.closing.Do(func() { close(e.end) })
	e.done.Wait()
	return e.conns.Close()
}
