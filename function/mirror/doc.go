// Package mirror sends a copy of requests to a second service, to try it with
// real traffic.
//
// A request goes to the first service, whose answer the client gets. A copy of
// it, with its method, target, host, headers and body, goes to the second one;
// its answer is thrown away, and how long it takes or whether it fails changes
// nothing for the client. With a percentage each request is drawn by itself.
//
// The library copies a request when its body has been sent, so that it delays
// none; what it does not copy, since the body is too long or too many copies are
// under way, it counts. It is a round tripper (NewTransport) or, for clients of
// gRPC, a connection over the two services' connections (NewGRPC): a call is
// copied as it begins, a stream when its client has said all.
package mirror
