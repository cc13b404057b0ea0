// Package tracing says of each request who caused it: a span in the trace of
// its caller, told to a collector over OTLP.
//
// A request that says so (the flag sampled) gets one server span with the trace
// id that it came with and the caller's span id as its parent; the service
// behind gets the same trace id with this span's id. One that says that it is
// not sampled gets none, and the service behind is told so. Of requests without
// a trace, a share (sample, in percent) begins one. What is no trace context is
// passed on as it is. Spans are told in batches, at the latest after a second
// (Envoy: five), and when the collector does not take them they are dropped:
// no request waits for them.
//
// The context is W3C's traceparent, with tracestate untouched; the library also
// knows B3, which Envoy's OTLP tracer does not. native is Envoy's tracer on its
// connection manager; the embedded plane runs a Go filter of the same message
// (native_filter.go), which refuses by name what it does not honour. library is
// a middleware, or interceptors for servers of gRPC (NewGRPC). The folder
// is not named trace, which is a package of Go's.
package tracing
