package embedded

import (
	"crypto/tls"
	"net"
	"net/netip"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/http1"
)

// exchange is a request as filters see it. One belongs to each connection and
// is used again for every request.
type exchange struct {
	tcp     net.Conn             // to ask for addresses
	tls     *tls.ConnectionState // nil: clear text
	http2   bool
	req     *http1.Request
	res     *http1.Response // nil until there is one
	scratch []byte          // what filters set
	added   []http1.Field
	notes   []http1.Field // what filters leave for one another
	left    []http1.Field // what plugins have left for the response
	status  int           // of the reply; 0 when there is none
	body    string
	unfit   bool                    // a filter set what cannot stand in a head
	rematch bool                    // a filter wants the route looked for again
	amend   func(function.Response) // the head of the reply; nil: it stays as it is

	request, response fields // as plugins see them
}

func (x *exchange) begin(req *http1.Request) {
	x.req, x.res = req, nil
	x.scratch, x.added, x.notes, x.left = x.scratch[:0], x.added[:0], x.notes[:0], x.left[:0]
	x.status, x.body, x.unfit, x.rematch, x.amend = 0, "", false, false, nil
}

func (x *exchange) Method() []byte { return x.req.Method }

func (x *exchange) Path() []byte { return x.req.Target }

// Host is where the request is meant for, with its port if it has one.
func (x *exchange) Host() []byte { return x.req.Host }

func (x *exchange) Header(name string) ([]byte, bool) {
	if name == "host" {
		return x.req.Host, true
	}
	return x.req.Get(name)
}

// Copy is the value of the field that has so many of its name before it.
func (x *exchange) Copy(name string, before int) ([]byte, bool) {
	return x.req.Copy(name, before)
}

// Protocol is what the client speaks.
func (x *exchange) Protocol() string { return string(x.protocol()) }

// Remote is the client's address.
func (x *exchange) Remote() string { return x.tcp.RemoteAddr().String() }

// Local is the address that the client has come to.
func (x *exchange) Local() string { return x.tcp.LocalAddr().String() }

// SetPath and SetHost change where the request goes.
func (x *exchange) SetPath(target []byte) {
	x.unfit = !x.req.SetTarget(x.keep(target)) || x.unfit
}

// SetHost is the other of them.
func (x *exchange) SetHost(host []byte) { x.unfit = !x.req.SetHost(x.keep(host)) || x.unfit }

func (x *exchange) SetHeader(name string, value []byte) {
	f, ok := x.field(name, value)
	if !ok {
		return
	}
	x.req.Remove(name)
	x.req.Add(f.Name, f.Value)
}

func (x *exchange) RemoveHeader(name string) { x.req.Remove(name) }

func (x *exchange) AddResponseHeader(name string, value []byte) {
	if f, ok := x.field(name, value); ok {
		x.added = append(x.added, f)
	}
}

func (x *exchange) Reply(status int, body string) { x.status, x.body = status, body }

// Amend has the head of the reply changed before it is sent.
func (x *exchange) Amend(change func(function.Response)) { x.amend = change }

// ClearRoute has the route looked for again.
func (x *exchange) ClearRoute() { x.rematch = true }

// SetNote leaves word for filters behind.
func (x *exchange) SetNote(name string, value []byte) {
	kept := x.keep(value)
	for i := range x.notes {
		if string(x.notes[i].Name) == name {
			x.notes[i].Value = kept
			return
		}
	}
	x.notes = append(x.notes, http1.Field{Name: x.keep([]byte(name)), Value: kept})
}

// Note reads it.
func (x *exchange) Note(name string) ([]byte, bool) {
	for i := range x.notes {
		if string(x.notes[i].Name) == name {
			return x.notes[i].Value, true
		}
	}
	return nil, false
}

// Peer is the other end of the connection.
func (x *exchange) Peer() (p function.Peer) {
	if at, err := netip.ParseAddrPort(x.tcp.RemoteAddr().String()); err == nil {
		p.Addr = at.Addr().Unmap()
	}
	if x.tls != nil && len(x.tls.PeerCertificates) > 0 {
		for _, u := range x.tls.PeerCertificates[0].URIs {
			p.URIs = append(p.URIs, u.String())
		}
	}
	return p
}

// EachHeader visits the request's headers.
func (x *exchange) EachHeader(visit func(name, value []byte) bool) {
	for i := range x.req.Fields {
		if f := &x.req.Fields[i]; len(f.Name) > 0 && !visit(f.Name, f.Value) {
			return
		}
	}
}

// keep copies a value into the scratch memory.
func (x *exchange) keep(value []byte) []byte {
	start := len(x.scratch)
	x.scratch = append(x.scratch, value...)
	return x.scratch[start:len(x.scratch):len(x.scratch)]
}

// leave keeps what a plugin has left for the response.
func (x *exchange) leave(left []proxywasm.Addition) []http1.Field {
	from, scratch := len(x.left), x.scratch
	for _, a := range left {
		if http1.Framing(a.Name) {
			continue // has no effect
		}
		start := len(scratch)
		scratch = append(append(scratch, a.Name...), a.Value...)
		middle, end := start+len(a.Name), len(scratch)
		x.left = append(x.left, http1.Field{Name: scratch[start:middle:middle], Value: scratch[middle:end:end]})
	}
	x.scratch = scratch
	return x.left[from:]
}

// field copies a field into the scratch memory. One that would break the
// head, as a claim with a line end in it would, spoils the request.
func (x *exchange) field(name string, value []byte) (f http1.Field, ok bool) {
	start := len(x.scratch)
	x.scratch = append(append(x.scratch, name...), value...)
	f.Name = x.scratch[start : start+len(name) : start+len(name)]
	f.Value = x.scratch[start+len(name) : len(x.scratch) : len(x.scratch)]
	if !http1.ValidName(f.Name) || !http1.ValidValue(f.Value) || http1.Framing(f.Name) {
		x.unfit = true
		return f, false
	}
	return f, true
}
