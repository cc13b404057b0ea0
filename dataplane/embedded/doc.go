// Package embedded is the data plane that comes with tare: an HTTP/1.1 proxy in
// Go, configured over delta ADS with Envoy's own messages.
//
// Plane starts proxies as processes; Serve is what runs in them. A subscription
// takes the resources and refuses by name whatever it would not do. From
// what it has taken it builds an immutable table, which requests find through
// one atomic pointer: a request sees one configuration from beginning to end.
//
// Each downstream connection has one goroutine, which reads the request, runs
// the filters, writes to an upstream connection from the endpoint's pool and
// relays the answer; only a request body that did not come with its head gets
// a second one. In the steady state a request costs one read and one write on
// each side and allocates nothing. Timeouts are kept by a sweep over all
// connections once a second instead of by deadlines. Heads and chunks are read
// by package internal/http1, which refuses what is malformed or ambiguous.
//
// An access log is Envoy's: its format's common operators, gathered in memory
// and written by a goroutine of its own at 64 KiB or after 10 s. Other operators,
// other loggers and conditions are refused by name.
//
// It does no TLS, no HTTP/2, no upgrades, no health checks and no circuit
// breaking, adds no headers of its own, and drops trailers. Retries are made
// only where a resting connection turns out to have ended.
package embedded
