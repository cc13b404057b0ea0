package jwt

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/taremesh/tare/function"
)

// filter is the token check in the embedded data plane: what one message of
// Envoy's jwt_authn says, compiled. It holds no state between requests; every
// token is verified every time.
type filter struct {
	// reroute is that routes are chosen by claims, as function route-context may.
	reroute  bool
	rules    []rule
	reserved []string // headers that only a verified token may set
	quiet    bool     // refuse without saying why
	now      func() time.Time
}

// rule says what requests to a path must show; the first that matches holds.
type rule struct {
	path     string
	exact    bool      // path is the whole path, not a prefix
	provider *provider // nil: nothing
}

func (r *rule) matches(path []byte) bool {
	if r.exact {
		return string(path) == r.path
	}
	if r.path == "/" {
		return true // also "*" and a target with scheme and host, which no slash begins
	}
	return len(path) >= len(r.path) && string(path[:len(r.path)]) == r.path
}

// provider says whose tokens are good and what becomes of their claims.
type provider struct {
	issuer         string // empty: any
	audiences      []string
	mustEnd        bool // the claim exp must be there
	skew           int64
	keys           []key
	header, prefix string // where the token is
	forward        bool   // leave the token in the request
	claims         []claimHeader
}

// claimHeader is a claim that becomes a header.
type claimHeader struct{ claim, header string }

// refusal is why a request was refused, in Envoy's words.
type refusal struct {
	status int
	text   string
}

func unauthorized(text string) *refusal { return &refusal{http.StatusUnauthorized, text} }

var missing = unauthorized("Jwt is missing")

// scratch is the memory of one check.
type scratch struct {
	value   []byte // the header that holds the token
	decoded []byte
	realm   []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Handle checks the request's token and hands on its claims.
func (f *filter) Handle(x function.Exchange) (proceed bool) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	path, _, _ := bytes.Cut(x.Path(), []byte{'?'})
	p := f.required(path)
	found := false
	if p != nil {
		var value []byte
		value, found = x.Header(p.header)
		s.value = append(s.value[:0], value...) // before any header is changed
	}
	for _, name := range f.reserved {
		x.RemoveHeader(name)
	}
	if f.reroute {
		x.ClearRoute()
	}
	if p == nil {
		return true
	}
	why := missing
	if token, ok := bytes.CutPrefix(s.value, []byte(p.prefix)); found && ok {
		why = p.admit(x, bytes.TrimLeft(token, " "), s, f.now)
	}
	if why == nil {
		return true
	}
	f.refuse(x, why, s)
	return false
}

// required returns the provider that a request to the path needs a token of,
// nil for none.
func (f *filter) required(path []byte) *provider {
	for i := range f.rules {
		if f.rules[i].matches(path) {
			return f.rules[i].provider
		}
	}
	return nil
}

// admit verifies the token and sets the headers of its claims. What stands
// behind sees the one token that was verified and no other copy of the header.
func (p *provider) admit(x function.Exchange, token []byte, s *scratch, now func() time.Time) *refusal {
	c, why := p.verify(token, s, now().Unix())
	if why != nil {
		return why
	}
	for i, h := range p.claims {
		if value := c.headers[i]; len(value) > 0 {
			x.SetHeader(h.header, value)
		}
	}
	if p.forward {
		x.SetHeader(p.header, s.value)
	} else {
		x.RemoveHeader(p.header)
	}
	return nil
}

// refuse answers like Envoy: the reason in the body, and a challenge (RFC
// 6750, 3) that names the place asked for.
func (f *filter) refuse(x function.Exchange, why *refusal, s *scratch) {
	if f.quiet {
		x.Reply(why.status, "")
		return
	}
	host, _ := x.Header("host")
	s.realm = append(s.realm[:0], `Bearer realm="http://`...)
	s.realm = appendQuotable(s.realm, host)
	s.realm = appendQuotable(s.realm, x.Path())
	s.realm = append(s.realm, '"')
	if why != missing {
		s.realm = append(s.realm, `, error="invalid_token"`...)
	}
	x.AddResponseHeader("www-authenticate", s.realm)
	x.Reply(why.status, why.text)
}

// maxRealm is the most of a path that is repeated, as in Envoy.
const maxRealm = 256

// appendQuotable appends what may stand in a quoted string as it is; at the
// first other byte the rest is left out.
func appendQuotable(to, text []byte) []byte {
	if len(text) > maxRealm {
		text = text[:maxRealm]
	}
	for _, c := range text {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"\`, c) >= 0 {
			break
		}
		to = append(to, c)
	}
	return to
}
