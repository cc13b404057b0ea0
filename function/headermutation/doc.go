// Package headermutation changes headers: of a request before it goes on, and
// of its response before it is sent.
//
// Mutations are done in their order: set leaves one header of the name with the
// value, whatever was there; append adds one behind the copies that are there;
// remove takes every copy away. Names are compared without regard to case. A
// list of copies and one header with commas between mean the same (RFC 9110
// 5.2), and forms differ in which they send. Values are literal text, also where
// Envoy would see one of its commands in them.
//
// The library is a middleware (NewMiddleware) or interceptors for servers of
// gRPC (NewGRPC), where headers are metadata.
//
// Headers that say how a message is sent or whom it is for (content-length,
// connection, host …) are refused: see Decode.
package headermutation
