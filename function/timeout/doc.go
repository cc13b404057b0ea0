// Package timeout is the route timeout: who does not have the whole response in
// time gets a 504, and the service is told to stop.
//
// The time runs from the end of the request to the end of the response, over
// all attempts. When it is over before the response has begun, the caller gets
// 504; when it has begun, its connection is cut, since a status cannot be taken
// back. In both cases the request to the service is cancelled.
//
// The library is a round tripper for clients of net/http (Transport) or
// interceptors for clients of gRPC, whose calls and streams end with the code
// DeadlineExceeded. In a proxy it is the timeout of every route.
package timeout
