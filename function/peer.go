package function

import "net/netip"

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

// Copier is an Exchange that can give every copy of a header.
type Copier interface {
	Exchange
	// Copies visits the values of all copies of a header until visit returns
	// false.
	Copies(name string, visit func(value []byte) (more bool))
}

// Copies visits the values of all copies of a header, of which Header gives
// only the first: what decides on that one alone is evaded by a second copy.
func Copies(x Exchange, name string, visit func(value []byte) (more bool)) {
	if c, ok := x.(Copier); ok {
		c.Copies(name, visit)
		return
	}
	if value, ok := x.Header(name); ok {
		visit(value)
	}
}
