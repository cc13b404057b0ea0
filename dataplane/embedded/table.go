package embedded

import (
	"bytes"
	"strings"
)

// table is a whole configuration, immutable but for the turns of its clusters.
// Every request looks at one table from its beginning to its end.
type table struct {
	log   *accessLog // nil: none
	chain []link     // where no route matches
	exact map[string]*host
	any   *host
	// clusters is what plugins may call, by name.
	clusters map[string]*cluster
}

type host struct{ routes []route }

type route struct {
	path    string
	exact   bool
	cluster *cluster
	chain   []link
}

// asking is a request that looks for its route. Both carriers bring one.
type asking interface {
	Method() []byte
	Path() []byte // as sent, with query
	Host() []byte
	// Header is the first field of a name, which is given in lower case.
	Header(name string) ([]byte, bool)
}

// match finds the route of a request; nil when there is none. Domains are
// compared with the whole Host, port included, as Envoy does.
func (t *table) match(x asking) *route {
	h := t.host(x.Host())
	if h == nil {
		return nil
	}
	path := x.Path()
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	for i := range h.routes {
		r := &h.routes[i]
		if len(path) < len(r.path) || string(path[:len(r.path)]) != r.path {
			continue
		}
		if !r.exact || len(path) == len(r.path) {
			return r
		}
	}
	return nil
}

func (t *table) host(name []byte) *host {
	if len(t.exact) == 0 {
		return t.any
	}
	if h, ok := t.exact[string(name)]; ok {
		return h
	}
	if bytes.ContainsAny(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		if h, ok := t.exact[strings.ToLower(string(name))]; ok {
			return h
		}
	}
	return t.any
}
