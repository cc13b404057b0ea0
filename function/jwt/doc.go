// Package jwt is the token check: a request goes on only with a token (RFC
// 7519) signed with ES256 by a known key, from the right issuer, for the right
// audience and within its time.
//
// The claims sub and subscription become the headers of function.Caller; a
// client's own copies of them are removed always. Its one form is native, told
// by Envoy's own jwt_authn message (native.go), whose fields the Go filter
// honours or refuses by name. Refusals have Envoy's statuses and words: 401
// with a challenge, 403 for another audience. Every token is verified every
// time: there is no cache. One second of difference between clocks is allowed.
//
// As with Envoy the scheme is written Bearer, in this case. Where Envoy joins
// several Authorization headers into one bad token, the embedded plane's filter
// verifies the first and removes the others. A claim that is a list or an
// object makes no header here; Envoy's makes one with its JSON in base64.
//
// The check keeps no state from one request to the next, so there is no model
// to forecast with and no judge: what it must do with each token is in its
// tests. There is no library form, since a service that takes tokens verifies
// them itself, always.
package jwt
