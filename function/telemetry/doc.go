// Package telemetry is telemetry out of band: a proxy streams an entry for each
// request to a collector over gRPC, and no request waits for it.
//
// The protocol is Envoy's access log service (envoy.service.accesslog.v3). An
// entry has the method, path, authority and status, the bytes of both bodies,
// when the request began and how long it took, and the address of the service
// behind. Entries are kept back for as long as flush says, or until there are
// many of them; what is left when the proxy ends is sent then. Without a
// collector they are dropped: a proxy does not grow for it. What a collector
// has got equals the requests, one for one.
//
// A proxy that is started so (dataplane.Options.Counters) tells its counters as
// well, each second over Envoy's metrics service (envoy.service.metrics.v3), and
// the judge holds them against the requests. That is a matter of how a proxy is
// started: Envoy cannot be told of it over xDS.
//
// native is Envoy's own access logger; the embedded plane runs a Go filter of
// the same message (native_filter.go), which refuses by name what it does not
// honour.
package telemetry
