package route

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// Request is what a route is found by. What it returns is valid until the
// request changes.
type Request interface {
	Method() []byte
	Path() []byte // with its query
	Host() []byte // with its port, if one was sent
	// Copy is the value of the header field of a name, in lower case, that has
	// so many of the name before it.
	Copy(name string, before int) (value []byte, ok bool)
}

// match is a compiled RouteMatch.
type match struct {
	path    string
	kind    pathKind
	fold    bool // without regard to case
	regex   *regexp.Regexp
	headers []header
	query   []parameter
	cookies []cookie
	grpc    bool
}

type pathKind uint8

const (
	pathPrefix pathKind = iota
	pathExact
	pathSeparated // a prefix that ends where a segment does
	pathRegex
)

func newMatch(m *routev3.RouteMatch) (c match, err error) {
	c.fold = m.GetCaseSensitive() != nil && !m.GetCaseSensitive().GetValue()
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Path:
		c.path, c.kind = p.Path, pathExact
	case *routev3.RouteMatch_Prefix:
		c.path, c.kind = p.Prefix, pathPrefix
	case *routev3.RouteMatch_PathSeparatedPrefix:
		c.path, c.kind = p.PathSeparatedPrefix, pathSeparated
	case *routev3.RouteMatch_SafeRegex:
		c.kind = pathRegex
		if c.regex, err = whole(p.SafeRegex); err != nil {
			return c, err
		}
	default:
		return c, fmt.Errorf("one of path, prefix, path_separated_prefix and safe_regex is required")
	}
	for i, h := range m.GetHeaders() {
		compiled, err := newHeader(h)
		if err != nil {
			return c, fmt.Errorf("field headers[%d]: %w", i, err)
		}
		c.headers = append(c.headers, compiled)
	}
	for i, q := range m.GetQueryParameters() {
		compiled, err := newParameter(q)
		if err != nil {
			return c, fmt.Errorf("field query_parameters[%d]: %w", i, err)
		}
		c.query = append(c.query, compiled)
	}
	for i, k := range m.GetCookies() {
		t, err := newText(k.GetStringMatch())
		if err != nil {
			return c, fmt.Errorf("field cookies[%d].string_match: %w", i, err)
		}
		if k.GetName() == "" {
			return c, fmt.Errorf("field cookies[%d].name: is required", i)
		}
		c.cookies = append(c.cookies, cookie{k.GetName(), t, k.GetInvertMatch()})
	}
	c.grpc = m.GetGrpc() != nil
	return c, nil
}

// matches holds a request against it; path is without the query.
func (m *match) matches(x Request, path []byte) bool {
	if !m.matchesPath(path) {
		return false
	}
	if m.grpc {
		t, ok := x.Copy("content-type", 0)
		if !ok || !IsGRPC(t) {
			return false
		}
	}
	for i := range m.headers {
		if !m.headers[i].matches(x) {
			return false
		}
	}
	for i := range m.query {
		if !m.query[i].matches(x.Path()) {
			return false
		}
	}
	for i := range m.cookies {
		if !m.cookies[i].matches(x) {
			return false
		}
	}
	return true
}

// IsGRPC takes what Envoy takes: application/grpc, and that with a +.
func IsGRPC(contentType []byte) bool {
	const grpc = "application/grpc"
	return len(contentType) >= len(grpc) && string(contentType[:len(grpc)]) == grpc &&
		(len(contentType) == len(grpc) || contentType[len(grpc)] == '+')
}

func (m *match) matchesPath(path []byte) bool {
	if m.kind == pathRegex {
		return m.regex.Match(path)
	}
	n := len(m.path)
	if len(path) < n || m.kind == pathExact && len(path) != n {
		return false
	}
	if m.kind == pathSeparated && len(path) > n && path[n] != '/' {
		return false
	}
	if m.fold {
		return equalFold(path[:n], m.path)
	}
	return string(path[:n]) == m.path
}

// covered is how much of a path that matches the route names.
func (m *match) covered(path []byte) int {
	if m.kind == pathRegex {
		return len(path)
	}
	return min(len(m.path), len(path))
}

// header is a compiled HeaderMatcher.
type header struct {
	name    string
	present bool // whether it is there is all that is asked
	text    *text
	from    int64 // of a range, where text is nil
	to      int64
	negated bool
	lenient bool // a missing header is an empty one
}

func newHeader(m *routev3.HeaderMatcher) (h header, err error) {
	h.name, h.negated, h.lenient = strings.ToLower(m.GetName()), m.GetInvertMatch(), m.GetTreatMissingHeaderAsEmpty()
	if h.name == "" {
		return h, fmt.Errorf("field name: is required")
	}
	switch s := m.GetHeaderMatchSpecifier().(type) {
	case *routev3.HeaderMatcher_StringMatch:
		t, err := newText(s.StringMatch)
		if err != nil {
			return h, fmt.Errorf("field string_match: %w", err)
		}
		h.text = &t
	case *routev3.HeaderMatcher_RangeMatch:
		h.from, h.to = s.RangeMatch.GetStart(), s.RangeMatch.GetEnd()
	case *routev3.HeaderMatcher_PresentMatch:
		h.present = true
		if !s.PresentMatch {
			h.negated = !h.negated
		}
	case nil:
		h.present = true
	default:
		return h, fmt.Errorf("%T is not supported, string_match is", s)
	}
	return h, nil
}

// matches decides on all copies of the header: one that fits is enough.
func (h *header) matches(x Request) bool {
	value, ok := pseudo(x, h.name, 0)
	ok = ok || h.lenient
	if h.present {
		return ok != h.negated
	}
	if !ok {
		return false // also where it is negated
	}
	for i := 0; ok; i++ {
		if h.fits(value) {
			return !h.negated
		}
		value, ok = pseudo(x, h.name, i+1)
	}
	return h.negated
}

func (h *header) fits(value []byte) bool {
	if h.text != nil {
		return h.text.match(value)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return err == nil && h.from <= n && n < h.to
}

var scheme = []byte("http")

// pseudo is a copy of a header field, or of what is one in HTTP/2.
func pseudo(x Request, name string, before int) (value []byte, ok bool) {
	switch name {
	case ":method":
		return x.Method(), before == 0
	case ":path":
		return x.Path(), before == 0
	case ":authority", "host":
		return x.Host(), before == 0
	case ":scheme":
		return scheme, before == 0
	}
	return x.Copy(name, before)
}

// parameter is a compiled QueryParameterMatcher.
type parameter struct {
	name   string
	text   *text // nil: whether it is there
	absent bool
}

func newParameter(m *routev3.QueryParameterMatcher) (p parameter, err error) {
	if p.name = m.GetName(); p.name == "" {
		return p, fmt.Errorf("field name: is required")
	}
	switch s := m.GetQueryParameterMatchSpecifier().(type) {
	case *routev3.QueryParameterMatcher_StringMatch:
		t, err := newText(s.StringMatch)
		if err != nil {
			return p, fmt.Errorf("field string_match: %w", err)
		}
		p.text = &t
	case *routev3.QueryParameterMatcher_PresentMatch:
		p.absent = !s.PresentMatch
	}
	return p, nil
}

func (p *parameter) matches(path []byte) bool {
	value, ok := Parameter(path, p.name)
	if p.text == nil {
		return ok != p.absent
	}
	return ok && p.text.match(value)
}

// Parameter is the first value of a parameter in the query of a path, as it
// stands there.
func Parameter(path []byte, name string) (value []byte, ok bool) {
	i := bytes.IndexByte(path, '?')
	if i < 0 {
		return nil, false
	}
	for rest := path[i+1:]; len(rest) > 0; {
		pair := rest
		if i := bytes.IndexByte(rest, '&'); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		key := pair
		value := pair[len(pair):]
		if i := bytes.IndexByte(pair, '='); i >= 0 {
			key, value = pair[:i], pair[i+1:]
		}
		if len(key) == len(name) && string(key) == name {
			return value, true
		}
	}
	return nil, false
}

// cookie is a compiled CookieMatcher.
type cookie struct {
	name    string
	text    text
	negated bool
}

func (k *cookie) matches(x Request) bool {
	value, ok := Cookie(x, k.name)
	return (ok && k.text.match(value)) != k.negated
}

// Cookie is the value of the first cookie of a name, without quotes.
func Cookie(x Request, name string) (value []byte, ok bool) {
	for i := 0; ; i++ {
		all, more := x.Copy("cookie", i)
		if !more {
			return nil, false
		}
		for len(all) > 0 {
			pair := all
			if i := bytes.IndexByte(all, ';'); i >= 0 {
				pair, all = all[:i], all[i+1:]
			} else {
				all = nil
			}
			key, value, found := cutByte(bytes.TrimSpace(pair), '=')
			if !found || string(key) != name {
				continue
			}
			if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value, true
		}
	}
}

func cutByte(b []byte, at byte) (before, after []byte, found bool) {
	if i := bytes.IndexByte(b, at); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}
