// Package jwt is the token check: a request goes on only with a token (RFC
// 7519) that a known key signed, from the right issuer, for the right audience
// and within its time.
//
// The key set may hold several keys, on P-256 (ES256), RSA of 2048 bits and more
// (RS256) and on Ed25519 (EdDSA). Each key is for its one algorithm, and what a
// token names is only compared with it: alg none, and HS256 with a public key
// for its secret, are refused.
//
// The claims sub and subscription become the headers of function.Caller; a
// client's own copies of them are removed always. native is told by Envoy's own
// jwt_authn message (native.go), whose fields the Go filter honours or refuses
// by name. Its refusals have Envoy's statuses and words: 401 with a challenge,
// 403 for another audience. external is a service (ext_authz) that verifies
// with the same core outside of the proxy; the filter of ext-authz asks it, and
// without its answer requests get 503. wasm is a module that brings all three
// signatures with it (docs/formats/jwt-wasm.md), with native's answers, for
// the ABI has none. library is a middleware around
// golang-jwt, or interceptors for servers of gRPC (NewGRPC), which fill the
// request's context, too. Every token is verified
// every time: there is no cache. One second of difference between clocks is
// allowed.
//
// As with Envoy the scheme is written Bearer, in this case. Where Envoy joins
// several Authorization headers into one bad token, the embedded plane's filter
// verifies the first and removes the others; the library refuses, and so does
// the module, to which every host joins them. A claim that
// is a list or an object makes no header here; Envoy's makes one with its JSON
// in base64. A token with a bad signature that is also for another audience
// gets 403, from the library 401.
//
// The check keeps no state from one request to the next, so there is nothing to
// forecast. The judge looks at tokens in trials; under load it does not see them.
package jwt
