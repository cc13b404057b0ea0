// Package bodylimit is the limit of request bodies: a request whose body is too
// long is answered with 413 and does not reach the service.
//
// The body is read before the request goes on, so that one whose length was not
// told is held to the same limit: memory for as many bytes is needed for each
// request under way. A body of exactly the limit goes on, unchanged.
//
// A body without an end, such as a stream's or an upgraded connection's, never
// goes on. It does not look at responses, and not at heads.
package bodylimit
