// Package echo is a server that answers at once, so that what a generator reads
// of it is the generator's own floor.
//
// Listen serves one protocol on a free loopback port, a goroutine for each
// connection, in the process that calls it: HTTP/1.1 with a head and 64 bytes
// for every request, read by the codec of internal/http1; HTTP/2 and gRPC by
// net/http; bare bytes and WebSocket messages as they came. With TLS it has a
// certificate of its own that nobody trusts. It keeps nothing, decides nothing
// and is no workload under test.
package echo
