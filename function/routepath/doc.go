// Package routepath is path-based routing: which service gets a request, by its
// path.
//
// Rules are tried in order and the first that matches is taken: an exact path,
// a prefix, or a regular expression (RE2) of the whole path; the query is not
// part of it. A rule names a service by its place among the replicas. What no
// rule matches goes to the first service.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over the services' connections (NewGRPC), where the path is the full
// method.
package routepath
