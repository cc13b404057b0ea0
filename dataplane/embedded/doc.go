// Package embedded is the data plane that comes with tare: a proxy in Go for
// HTTP/1.1, HTTP/2, WebSocket and TCP, in clear text or over TLS, configured over delta ADS with Envoy's own messages.
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
// What a route asks for beyond that (package route says what it is) is an
// effort: times of its own, kept by one timer for each connection; attempts
// after the first, for which the body is held up to 1 MiB, and no longer one is
// sent twice; copies for other clusters. The kernel tells of clients that go
// away (watch), and what was asked for them ends at once.
//
// HTTP/2 is the standard library's, at both ends. What it brings or takes is
// shown to the rest as a connection of HTTP/1.1 (stream, carried), so that
// routes, filters, balancing, retries and logs are written once, and every head
// is held against one strict parser whatever carried it. Certificates come over
// SDS: a new one is used by every handshake from then on, and no connection is
// dropped for it; sessions are resumed by tickets, until a secret changes. When
// what a listener's connections depend on changes, new ones come in by another
// entrance and old ones end after their next response.
//
// Endpoints are chosen as package internal/balance does it: in turn while they
// are all alike, which costs one atomic addition, else by what Envoy's messages
// say of policies, weights, priorities, checks, ejections and limits. Of these it
// has no zone awareness, subsets, slow start, failure percentages or degraded
// hosts. Endpoints that are removed leave at once, healthy or not, and changes of
// health are seen at once, where Envoy gathers them for a second by default. A
// connection of a limit is one in use: those that rest do not count.
//
// An access log is Envoy's: its format's common operators, gathered in memory
// and written by a goroutine of its own at 64 KiB or after 10 s. Other operators,
// other loggers and conditions are refused by name.
//
// WebSocket is spoken over both versions of HTTP, on either side. A service of
// HTTP/2 is asked for it by extended CONNECT if it says that it takes that, each
// time on a connection of its own; clients may ask so where the listener allows it
// (connect.go says what that takes).
//
// Trailers, of requests and of responses, are handed on from HTTP/2 to HTTP/2, and
// where enable_trailers lets HTTP/1.1 have them from each to each; but for fields
// that mean something to hops or say who sends, which Envoy hands on. They are
// dropped where they have no place: behind a request's body that is taken in whole,
// to be tried again or to be seen by a filter, behind a response's that a filter
// takes apart on its way to or from HTTP/1.1, behind one of told length but from
// service to client in HTTP/2; and those of requests of HTTP/2 that were not
// announced, which Go's server does not give.
//
// It adds no headers of its own to requests and speaks no HTTP/3.
package embedded
