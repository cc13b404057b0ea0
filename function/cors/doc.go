// Package cors is cross-origin resource sharing: which pages of other origins
// may have a browser call the service and read its answers.
//
// A preflight (OPTIONS with Origin and Access-Control-Request-Method) is answered
// here and never reaches the service; other requests reach it always, and their
// answers say whether the page may read them. An origin is allowed when it is
// listed or an expression (RE2) matches the whole of it; letters' case counts,
// and "*" stands for every one. What a browser permits without asking (GET, HEAD
// and POST) is always among the methods.
//
// The judge does what a browser would do with the answers, by the Fetch
// standard: forms may say the same in other words. So the native form echoes
// what is allowed in every preflight, and the library, which is
// github.com/rs/cors, says nothing to a preflight that asks too much; the library
// adds Vary, and Envoy does not. CORS keeps no request from a service, and
// requests without an Origin are none of its business.
//
// The library is a middleware for net/http (NewMiddleware). For gRPC there can be
// none: CORS is a rule for browsers, no browser can speak gRPC, and its clients
// send no Origin. A page that speaks gRPC-Web calls by net/http, with whose
// handler the middleware is wrapped.
package cors
