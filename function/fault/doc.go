// Package fault is fault injection, the chaos functions: requests are held up
// for a time, answered with a status without reaching the service, or both.
//
// Delay and abort each befall a fixed share of the requests, drawn for each
// request by itself; or the caller asks for them, in Envoy's headers:
// x-envoy-fault-delay-request (milliseconds) and x-envoy-fault-abort-request
// (a status from 200 to 599), of which it may ask for a share in percent
// (x-envoy-fault-delay-request-percentage, x-envoy-fault-abort-request-percentage).
// A header that is not understood asks for nothing. What is delayed reaches the
// service after the delay; what is delayed and aborted is aborted after it.
//
// The library is a middleware (Middleware) or interceptors for servers of gRPC
// (NewGRPC), which abort with the code that gRPC has for the status.
//
// It does not slow bodies down, and breaks no connections.
package fault
