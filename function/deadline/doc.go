// Package deadline hands on how long the caller still waits, and holds to it.
//
// A request says in a header how long its caller waits, as gRPC does it: up to
// eight digits and a unit, H, M, S, m (milliseconds), u or n; 250m is a quarter
// of a second. A hop takes the lesser of that and the most that it allows,
// tells the service what is left of it in the same header, and when it is over
// it answers with 504, or with a gRPC status (deadline exceeded or unavailable)
// where the request is gRPC's, and cancels the request to the service. A header
// that is not understood counts as none, and without one the most counts.
//
// The header is grpc-timeout, which holds for gRPC's requests alone, or one of
// the user's own, such as x-request-deadline, which holds for all. Proxies know
// the first only: see Without and the error of form native for what could be
// done about the second. The library is a round tripper for clients, and a
// middleware that gives handlers a context with the deadline; gRPC itself does
// both for grpc-timeout.
package deadline
