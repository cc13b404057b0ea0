// Package route understands Envoy's route configurations: which route a request
// takes, and what is done with it there.
//
// Decode compiles a RouteConfiguration into a Config; Match finds the Entry of
// a request: a route, or one of the clusters of a route that draws between
// several. An Entry is a Forward, a Redirect or a Direct answer; with it come
// what is changed in the heads, how long the request may take, when it is tried
// again, where copies of it go and what it is hashed by. Paths and headers are
// compared as they came, without decoding, as Envoy does.
//
// Honoured names the fields that it understands; others are for the caller to
// refuse. The package does no input and output, keeps no time and chooses no
// endpoint. A match allocates nothing unless a regular expression does.
package route
