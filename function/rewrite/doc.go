// Package rewrite changes where a request goes on to: its path by prefix or by
// regular expression, and its host.
//
// Rules are tried in order; the first that matches the path, as it is written
// and without its query, is carried out, and no other. A prefix is replaced by
// the rule's text; a regular expression (RE2) matches the whole path, which
// becomes the text with \1 to \9 standing for its groups and \0 for all of it.
// The query, the method, the body and other headers stay. What no rule matches
// goes on as it came.
//
// The library is a middleware (NewMiddleware) or, for clients of gRPC, a
// connection over another one (NewGRPC), where the path is the full method and
// the host the authority.
package rewrite
