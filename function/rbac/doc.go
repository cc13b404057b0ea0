// Package rbac is role-based access control: which callers may do what.
//
// A policy joins permissions (path, prefix or regular expression of the path,
// methods, a header) with principals (a header, the user or the subscription
// that the token check established, a SPIFFE identity of the client's
// certificate, a range of addresses). It matches a request when one of its
// permissions and one of its principals do. With the action allow a request
// goes on when some policy matches it, with deny when none does; what is
// refused gets 403 and the words "RBAC: access denied", from every form.
//
// A condition on a header holds when one of its copies fulfils it, as in Envoy
// 1.40: a second copy hides nothing from a rule that denies. The query is no part of the path, and a path
// is not normalised. The function keeps no state. Claims are read from the
// headers that the token check sets (function.UserHeader and its sister), or in
// an application from the request's context: without a token check in front
// anybody can write the headers.
//
// native is Envoy's rbac filter, told by its own message; the embedded plane
// runs a Go filter of the same message (native.go), which refuses by name what
// it does not honour. library is a middleware for net/http, or interceptors for
// servers of gRPC (NewGRPC), where the path is the full method.
package rbac
