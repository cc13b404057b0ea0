// Package extauthz is external authorization: a service of ours decides on each
// request, and the proxy asks it.
//
// The service (Envoy's envoy.service.auth.v3.Authorization, over gRPC) goes
// through rules: the first whose path prefix and header fit a request says what
// becomes of it. It is allowed, with headers for the service behind added or
// taken away; or denied, with a status, headers and a body; or the service
// fails or gives no answer, which is what on_failure is for: such requests go
// on, or are answered with 503. What no rule fits is denied with 403.
//
// Envoy asks with its filter ext_authz, the embedded plane with a Go filter of
// the same message (external_filter.go), which refuses by name what it does
// not honour. That filter is also what other functions' services are asked by.
// Request bodies are not sent to the service. Headers that the service adds
// replace the client's own.
package extauthz
