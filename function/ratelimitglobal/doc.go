// Package ratelimitglobal is the rate limit of all proxies together: buckets
// are kept in one service, which each proxy asks for every request.
//
// A caller of a limited path has a bucket for each path: it holds as many
// tokens as its subscription's rate says, is full at first and fills
// continuously. Callers whose subscription has no rate, or who are not known,
// are not limited. However many proxies there are, a caller gets no more. What
// is over the limit is answered with 429. When the service does not answer in
// time, every request goes on, or is refused with 500, as on_failure says.
//
// The service speaks Envoy's protocol (internal/rls). Envoy asks with its
// filter ratelimit, the embedded plane with a Go filter of the same message
// (external_filter.go), which refuses by name what it does not honour; other
// functions' services are asked by it, too. What ratelimit counts in each
// proxy by itself is another function.
package ratelimitglobal
