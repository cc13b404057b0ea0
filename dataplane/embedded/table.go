package embedded

import (
	"bytes"
	"strings"
	"sync/atomic"
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

// cluster is endpoints that take turns.
type cluster struct {
	endpoints []*endpoint
	turn      atomic.Uint64
}

// next is the endpoint whose turn it is; nil when there is none.
func (c *cluster) next() *endpoint {
	switch len(c.endpoints) {
	case 0:
		return nil
	case 1:
		return c.endpoints[0]
	}
	return c.endpoints[(c.turn.Add(1)-1)%uint64(len(c.endpoints))]
}

// match finds the route of a request; nil when there is none. Domains are
// compared with the whole Host, port included, as Envoy does.
func (t *table) match(host, path []byte) *route {
	h := t.host(host)
	if h == nil {
		return nil
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
