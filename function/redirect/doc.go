// Package redirect answers requests with where to go instead: another scheme,
// host, port or path.
//
// Rules are tried in order; the first whose path (the whole of it, without the
// query, as it is written) or prefix matches answers, and the request reaches no
// service. The answer is a status of 301, 302, 303, 307 or 308 with an absolute
// URL: what the rule names, and for the rest what was asked for. A rule by path
// replaces the whole path, one by prefix the prefix alone; the query is kept
// unless it is to be stripped. When the scheme changes, the port that belongs to
// the old one (80 of http) is dropped, and when another port is given, any.
// What no rule matches goes on.
//
// The library is a middleware for net/http (NewMiddleware). For gRPC there can be
// none: its clients follow no redirect and take the status of one for a failed
// call, and none of gRPC's own codes has a place in it. What sends calls elsewhere
// is rewrite or route-path, on the client's side.
package redirect
