// Package cancellation is what becomes of a request whose caller has gone: it
// ends at the service too, and soon, so that nobody works for nobody.
//
// It takes no parameters and there is nothing to configure: each plane does it
// by itself, or does not, and the trial shows which by the service's own count.
// A caller that goes before the response has begun, in the middle of it, or
// after it has sent a body, is noticed; other requests are not harmed, though
// they come over the same connections.
//
// Over HTTP/1.1 an end is told by closing the connection to the service, over
// HTTP/2 by resetting the stream.
package cancellation
