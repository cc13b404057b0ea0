// Package routecontext is context-based routing: which service gets a request,
// by what comes with it and not by its path.
//
// Rules are tried in order and the first whose conditions all hold is taken. A
// condition looks at a header, a cookie, a query parameter, the method, a claim
// of the caller's token or the caller's identity; it wants a whole value, the
// beginning of one, or any. A rule names a service by its place among the
// replicas; what no rule takes goes to the first service.
//
// Values are compared byte by byte. Of several copies of a header any one will
// do; of a cookie or a query parameter the first counts, as it was written:
// nothing is decoded but the quotes around a cookie's value.
// Claims are those that jwt hands on (function.Caller); without a token check in
// front of it anybody can claim them. The identity is the URI in the client's
// certificate (a SPIFFE id) and reaches the rules by the header
// x-forwarded-client-cert, which the proxy writes; a client's own is not
// believed unless the parameter forwarded says that a proxy in front wrote it.
//
// The library is a round tripper (NewTransport) or interceptors for clients of
// gRPC (NewGRPC). It takes claims and identity from the context of the request,
// where the application has put them (function.WithCaller, WithIdentity).
//
// Natively the route is looked for before the chain, so that a token check in it
// is told to have it looked for again.
//
// Forms but native and library do not choose a cluster: they say the service in
// RouteHeader, and have the route looked for again (see Prepare).
package routecontext
