package rbac

import (
	"bytes"
	"net/http"
	"net/netip"

	"github.com/taremesh/tare/function"
)

// denied is what a refused request is answered with, Envoy's words.
const denied = "RBAC: access denied"

// request is what conditions look at: of a proxy's exchange, or of net/http.
type request interface {
	// some reports whether one of the copies of a header is so. The header
	// :method is the method, and host the authority.
	some(name string, is func([]byte) bool) bool
	path() []byte // without query
	peer() function.Peer
}

// condition is a permission or a principal, compiled.
type condition func(request) bool

// filter is the access control at work: what one message of Envoy's says,
// compiled. It keeps no state.
type filter struct {
	deny     bool
	policies []policy
}

type policy struct{ permissions, principals []condition }

// admits reports whether the request may go on.
func (f *filter) admits(q request) bool {
	for _, p := range f.policies {
		if some(p.permissions, q) && some(p.principals, q) {
			return !f.deny
		}
	}
	return f.deny
}

func some(cs []condition, q request) bool {
	for _, c := range cs {
		if c(q) {
			return true
		}
	}
	return false
}

func every(cs []condition, q request) bool {
	for _, c := range cs {
		if !c(q) {
			return false
		}
	}
	return true
}

// Handle decides in the embedded data plane.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	if f.admits(exchange{x}) {
		return true
	}
	x.Reply(http.StatusForbidden, denied)
	return false
}

// exchange is a request in a proxy.
type exchange struct{ x function.Exchange }

func (e exchange) some(name string, is func([]byte) bool) (found bool) {
	if name == ":method" {
		return is(e.x.Method())
	}
	function.Copies(e.x, name, func(value []byte) bool {
		found = is(value)
		return !found
	})
	return found
}

func (e exchange) path() []byte {
	path, _, _ := bytes.Cut(e.x.Path(), []byte{'?'})
	return path
}

func (e exchange) peer() function.Peer { return function.PeerOf(e.x) }

// within is a range of addresses; an IPv4 address is the same one written in IPv6.
func within(p netip.Prefix) condition {
	return func(q request) bool { return p.Contains(q.peer().Addr.Unmap()) }
}
