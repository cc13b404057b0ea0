// Package accesslog is the access log: a line in a file for each request, when
// its response has ended.
//
// A line has when the request began, its method, path with query and protocol,
// the status, the bytes of both bodies, the milliseconds that it took, the
// user agent, the authority and the address of the service behind, a dash
// where there is none. Headers with secrets are not in it; what stands in a
// query is. All forms write the same format, Envoy's of dataplane.LogFormat,
// in which quotes within a header are not marked.
//
// native is Envoy's own file logger; the embedded plane has one of its own for
// the same message. Both keep lines back for up to ten seconds, and write what
// is left when they end. library is a middleware around log/slog: Middleware
// logs to any logger, and NewHandler makes slog write the common format.
package accesslog
