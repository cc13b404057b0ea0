// Package collect is a collector: proxies and applications tell it what they
// did, by gRPC, and it remembers all of it.
//
// It takes spans over OTLP (opentelemetry.proto.collector.trace.v1), access
// logs over Envoy's access log service (envoy.service.accesslog.v3) and
// counters over Envoy's metrics service (envoy.service.metrics.v3). Logs and
// spans are kept as they come, each one; of a counter the latest value. Memory
// is the only bound: it is for trials and measurements, not for keeping.
package collect

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/service/metrics/v3"
	"google.golang.org/grpc"

	"github.com/taremesh/tare/internal/grpcconn"
)

// Span is a piece of work within a trace.
type Span struct {
	Trace, ID, Parent string // in hexadecimal, lower case; Parent is empty at the root
	Name              string
	Kind              Kind
	Service           string
	Start, End        time.Time
	Attributes        map[string]string
}

// Kind is the role of a span's work.
type Kind string

// The kinds.
const (
	Server Kind = "server"
	Client Kind = "client"
	Other  Kind = ""
)

// Entry is one line of an access log.
type Entry struct {
	Node, Log      string // which proxy, and the name of its log
	Method, Path   string // the path with its query
	Authority      string
	Status         int   // 0: no response was begun
	Received, Sent int64 // bytes of the bodies
	Began          time.Time
	Took           time.Duration
	Upstream       string            // host:port; empty: none was asked
	Headers        map[string]string // of the request, those that were asked for
}

// Gathered is what came in so far.
type Gathered struct {
	Lines    []string // of a log file
	Spans    []Span
	Entries  []Entry
	Counters map[string]map[string]float64 // by node, then by name with labels
}

// Collector takes what is told. The zero value is ready.
type Collector struct {
	mu  sync.Mutex
	got Gathered
}

// Serve answers on the listener until the context ends.
func (c *Collector) Serve(ctx context.Context, l net.Listener) error {
	s := grpc.NewServer()
	s.RegisterService(&traceService, c)
	accesslogv3.RegisterAccessLogServiceServer(s, &logService{collector: c})
	metricsv3.RegisterMetricsServiceServer(s, &metricsService{collector: c})
	return grpcconn.Serve(ctx, s, l)
}

// Gathered is a copy of all that came in so far.
func (c *Collector) Gathered() Gathered {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := Gathered{Spans: slices.Clone(c.got.Spans), Entries: slices.Clone(c.got.Entries), Counters: map[string]map[string]float64{}}
	for node, counters := range c.got.Counters {
		g.Counters[node] = maps.Clone(counters)
	}
	return g
}

func (c *Collector) add(change func(*Gathered)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.got)
}
