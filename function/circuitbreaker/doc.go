// Package circuitbreaker is the circuit breaker as proxies know it: a bound on
// what a service has under way, above which requests are refused at once.
//
// MostRequests may be under way. Or MostConnections may be open, each with one
// request (HTTP/1.1), and MostWaiting may wait for one of them. Whoever comes
// above that gets 503 without reaching the service. A connection that is just
// being opened counts as a request that waits, in Envoy.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC), which refuses with the code
// Unavailable.
//
// It does not look at answers: what opens after failures and lets one request
// through to try (sony/gobreaker and its like) is another function under the
// same name, and no proxy here has it.
package circuitbreaker
