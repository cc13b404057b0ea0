// Package http1 is the HTTP/1.1 codec of the embedded data plane: it reads the
// heads and bodies of requests and responses, strictly and without allocating.
//
// A head is parsed in place: every name and value is a slice of the buffer it
// was read into. What is malformed, or what two parties could read differently,
// is an error; nothing is repaired. So there is one reading of every message
// that is accepted, and request smuggling has nothing to work with. The package
// does no input and output, knows no timeouts, and does not speak HTTP/2.
package http1
