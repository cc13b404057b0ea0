package function

import (
	"net/netip"
	"strings"
)

// Peer is the other end of an exchange's connection.
type Peer struct {
	Addr netip.Addr
	// URIs are the URI names of the certificate that it showed and that was
	// verified, such as spiffe://mesh/ns/default/sa/web; none without TLS.
	URIs []string
}

// Connected is an Exchange that knows its peer.
type Connected interface {
	Exchange
	Peer() Peer
}

// PeerOf is the peer of an exchange; the zero value where it is not known.
func PeerOf(x Exchange) Peer {
	if c, ok := x.(Connected); ok {
		return c.Peer()
	}
	return Peer{}
}

// Lister is an Exchange that can give every header, also those of one name.
type Lister interface {
	Exchange
	// EachHeader visits the request's headers in their order, Host not among
	// them, until visit returns false.
	EachHeader(visit func(name, value []byte) (more bool))
}

// Copies visits the values of all copies of a header, of which Header gives
// only the first: what decides on that one alone is evaded by a second copy.
func Copies(x Exchange, name string, visit func(value []byte) (more bool)) {
	l, ok := x.(Lister)
	if !ok || strings.EqualFold(name, "host") {
		if value, ok := x.Header(name); ok {
			visit(value)
		}
		return
	}
	l.EachHeader(func(n, value []byte) bool {
		if len(n) != len(name) || !strings.EqualFold(string(n), name) {
			return true
		}
		return visit(value)
	})
}
