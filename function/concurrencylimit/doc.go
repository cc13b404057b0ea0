// Package concurrencylimit is the concurrency limit: at most so many requests
// are under way through this hop; one more is refused at once.
//
// A request is under way from its head to the end of its response, however that
// ends: answered, failed, or given up by the caller. Nothing queues. The limit
// is fixed, and counts all callers together.
//
// It differs from a circuit breaker in what it guards and when. The limit stands
// where requests come in, before the functions behind it have worked on them,
// and counts what has come in. A circuit breaker stands where requests go out:
// it counts, for each cluster, what a service has been given, connections and
// waiting requests and retries each by themselves, and lets priorities differ.
//
// The library is a middleware (Middleware) or interceptors for servers of gRPC
// (Interceptors), which refuse with the code ResourceExhausted.
//
// Native it is Envoy's adaptive concurrency with the least and the most limit
// the same, so that nothing is left to adapt. Envoy compares and counts in two
// steps: with w workers up to w−1 requests too many may be let through.
package concurrencylimit
