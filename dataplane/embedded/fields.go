package embedded

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/internal/http1"
)

// fields shows one head of an exchange to plugins, as proxy-wasm counts them:
// pseudo-headers first, names in lower case. How a message is framed is this
// plane's own affair: the length can be read, what a plugin sets of it has no
// effect.
type fields struct {
	x       *exchange
	head    *http1.Head
	special []special
	view    []http1.Field // made by At(0)
}

// special is a field that does not stand among a head's fields.
type special struct {
	name string
	get  func(*exchange) ([]byte, bool)
	set  func(*exchange, []byte) bool // nil: has no effect
}

var httpScheme, httpsScheme = []byte("http"), []byte("https")

var requestSpecial = []special{
	{":method", func(x *exchange) ([]byte, bool) { return x.req.Method, true }, nil},
	{":path", func(x *exchange) ([]byte, bool) { return x.req.Target, true },
		func(x *exchange, v []byte) bool { return x.req.SetTarget(v) }},
	{":authority", func(x *exchange) ([]byte, bool) { return x.req.Host, true },
		func(x *exchange, v []byte) bool { return x.req.SetHost(v) }},
	{":scheme", func(x *exchange) ([]byte, bool) { return x.scheme(), true }, nil},
	{"content-length", func(x *exchange) ([]byte, bool) { return x.number(x.req.Length, x.req.Length > 0) }, nil},
}

var responseSpecial = []special{
	{":status", func(x *exchange) ([]byte, bool) { return x.number(int64(x.res.Status), true) },
		func(x *exchange, v []byte) bool { return x.setStatus(v) }},
	{"content-length", func(x *exchange) ([]byte, bool) { return x.number(x.res.Length, x.res.Length > 0) }, nil},
}

// number writes a number into the scratch memory, if it is there at all.
func (x *exchange) number(n int64, there bool) ([]byte, bool) {
	if !there {
		return nil, false
	}
	start := len(x.scratch)
	x.scratch = strconv.AppendInt(x.scratch, n, 10)
	return x.scratch[start:len(x.scratch):len(x.scratch)], true
}

// setStatus takes a final status: an interim one would promise another response.
func (x *exchange) setStatus(v []byte) bool {
	n, err := strconv.Atoi(string(v))
	if err != nil || n < 200 || n > 599 {
		return false
	}
	x.res.Status, x.res.Reason = n, nil
	return true
}

// Fields is a head, nil when there is none. Trailers are dropped by this plane.
func (x *exchange) Fields(m proxywasm.Map) proxywasm.Fields {
	switch {
	case m == proxywasm.RequestHeaders:
		return x.request.of(x, &x.req.Head, requestSpecial)
	case m == proxywasm.ResponseHeaders && x.res != nil:
		return x.response.of(x, &x.res.Head, responseSpecial)
	}
	return nil
}

// of makes them show a head; a connection's heads are always the same two.
func (f *fields) of(x *exchange, h *http1.Head, s []special) *fields {
	if f.head != h {
		f.x, f.head, f.special = x, h, s
	}
	return f
}

// find returns the special field of that name; nil when it is none.
func (f *fields) find(name []byte) *special {
	if len(name) > 0 && name[0] != ':' && !http1.Is(name, "content-length") {
		return nil
	}
	for i := range f.special {
		if http1.Is(name, f.special[i].name) {
			return &f.special[i]
		}
	}
	return nil
}

func (f *fields) Len() int {
	n := len(f.special)
	if f.head.Length <= 0 {
		n-- // no content-length
	}
	for i := range f.head.Fields {
		if len(f.head.Fields[i].Name) > 0 {
			n++
		}
	}
	return n
}

func (f *fields) At(i int) (name, value []byte) {
	if i == 0 {
		f.look()
	}
	return f.view[i].Name, f.view[i].Value
}

func (f *fields) look() {
	f.view = f.view[:0]
	for _, s := range f.special {
		if v, ok := s.get(f.x); ok {
			f.view = append(f.view, http1.Field{Name: []byte(s.name), Value: v})
		}
	}
	for _, h := range f.head.Fields {
		if len(h.Name) > 0 {
			f.view = append(f.view, http1.Field{Name: lowered(h.Name), Value: h.Value})
		}
	}
}

func lowered(name []byte) []byte {
	if !slices.ContainsFunc(name, func(c byte) bool { return 'A' <= c && c <= 'Z' }) {
		return name
	}
	return []byte(strings.ToLower(string(name)))
}

func (f *fields) Get(name []byte) ([]byte, bool) {
	if s := f.find(name); s != nil {
		return s.get(f.x)
	}
	if f.head == &f.x.req.Head && http1.Is(name, "host") {
		return f.x.req.Host, true
	}
	var value []byte
	found := 0
	for i := range f.head.Fields {
		h := &f.head.Fields[i]
		if len(h.Name) != len(name) || !bytes.Equal(h.Name, name) && !http1.EqualFold(h.Name, name) || len(name) == 0 {
			continue
		}
		if found++; found == 1 {
			value = h.Value
			continue
		}
		value = append(append(slices.Clip(value), ','), h.Value...)
	}
	return value, found > 0
}

// changed has the route looked for again where a request has changed, as Envoy
// does.
func (f *fields) changed() {
	if f.head == &f.x.req.Head {
		f.x.rematch = true
	}
}

func (f *fields) Set(name, value []byte) {
	f.changed()
	if s := f.find(name); s != nil {
		f.x.unfit = f.x.unfit || s.set != nil && !s.set(f.x, f.x.keep(value))
		return
	}
	f.Remove(name)
	f.Add(name, value)
}

func (f *fields) Add(name, value []byte) {
	f.changed()
	if http1.Framing(name) {
		return
	}
	if !http1.ValidName(name) || !http1.ValidValue(value) {
		f.x.unfit = true
		return
	}
	start, middle := len(f.x.scratch), len(f.x.scratch)+len(name)
	f.x.scratch = append(append(f.x.scratch, name...), value...)
	kept := f.x.scratch[start:len(f.x.scratch):len(f.x.scratch)]
	f.head.Add(kept[:middle-start:middle-start], kept[middle-start:])
}

func (f *fields) Remove(name []byte) {
	f.changed()
	for i := range f.head.Fields {
		if h := &f.head.Fields[i]; len(h.Name) > 0 && http1.EqualFold(h.Name, name) {
			h.Name = nil
		}
	}
}

// Property answers what plugins ask of the connection and the request; the
// names are Envoy's attributes, joined by NUL. Numbers are 8 bytes, little endian.
func (x *exchange) Property(path []byte) ([]byte, bool) {
	get, ok := properties[string(path)]
	if !ok {
		return nil, false
	}
	return get(x)
}

var properties = map[string]func(*exchange) ([]byte, bool){
	"request\x00method":      func(x *exchange) ([]byte, bool) { return x.req.Method, true },
	"request\x00path":        func(x *exchange) ([]byte, bool) { return x.req.Target, true },
	"request\x00url_path":    func(x *exchange) ([]byte, bool) { return x.req.Path, true },
	"request\x00host":        func(x *exchange) ([]byte, bool) { return x.req.Host, true },
	"request\x00scheme":      func(x *exchange) ([]byte, bool) { return x.scheme(), true },
	"request\x00protocol":    func(x *exchange) ([]byte, bool) { return x.protocol(), true },
	"request\x00size":        func(x *exchange) ([]byte, bool) { return wide(max(x.req.Length, 0)), true },
	"request\x00useragent":   func(x *exchange) ([]byte, bool) { return x.req.Get("user-agent") },
	"request\x00referer":     func(x *exchange) ([]byte, bool) { return x.req.Get("referer") },
	"request\x00id":          func(x *exchange) ([]byte, bool) { return x.req.Get("x-request-id") },
	"response\x00code":       func(x *exchange) ([]byte, bool) { return x.code() },
	"source\x00address":      func(x *exchange) ([]byte, bool) { return []byte(x.tcp.RemoteAddr().String()), true },
	"destination\x00address": func(x *exchange) ([]byte, bool) { return []byte(x.tcp.LocalAddr().String()), true },
	"connection\x00mtls":     func(x *exchange) ([]byte, bool) { return x.mutual(), true },
}

func (x *exchange) protocol() []byte {
	if x.req.Old() {
		return []byte("HTTP/1.0")
	}
	if x.http2 {
		return []byte("HTTP/2")
	}
	return []byte("HTTP/1.1")
}

func (x *exchange) code() ([]byte, bool) {
	if x.res == nil {
		return nil, false
	}
	return wide(int64(x.res.Status)), true
}

func wide(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }

func (x *exchange) scheme() []byte {
	if x.tls != nil {
		return httpsScheme
	}
	return httpScheme
}

// mutual is a boolean: both sides have shown a certificate.
func (x *exchange) mutual() []byte {
	if x.tls != nil && len(x.tls.PeerCertificates) > 0 {
		return []byte{1}
	}
	return []byte{0}
}
