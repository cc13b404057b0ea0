package embedded

import (
	"math/rand/v2"

	"github.com/taremesh/tare/dataplane/embedded/route"
)

// table is a whole configuration, immutable but for the state of its clusters.
// Every request looks at one table from its beginning to its end.
type table struct {
	log   *accessLog // nil: none
	chain []link     // where no route matches
	// watched: there are filters that are told how exchanges end.
	watched bool
	routes  *route.Config
	ways    []way // by the index of the entry
	// clusters are all there are, by name.
	clusters map[string]*cluster
}

// way is what is done with the requests of one entry.
type way struct {
	*route.Entry
	plain   bool     // they go to the cluster as they came
	cluster *cluster // nil: a header says which, or there is none
	mirrors []*cluster
	chain   []link
}

// match finds the way of a request; nil when there is none.
func (t *table) match(x route.Facts) *way {
	if t.routes == nil {
		return nil
	}
	e := t.routes.Match(x, rand.Uint64)
	if e == nil {
		return nil
	}
	return &t.ways[e.Index]
}

// to is the cluster of a request; nil when there is none.
func (t *table) to(w *way, x route.Facts) *cluster {
	if w.ClusterHeader == "" {
		return w.cluster
	}
	name, _ := x.Copy(w.ClusterHeader, 0)
	return t.clusters[string(name)]
}

// chain is the filters in their order, as an entry has them; nil: none has been
// found.
func (c *config) chain(f *filters, e *route.Entry) (chain []link) {
	for _, s := range c.listener.filters {
		l := f.made[keyOf(chainPlace, s)]
		l.off = s.disabled
		if e != nil && e.Filters[s.name].Config != nil {
			// It has been read before, when the routes came.
			if o, err := decodeOverride(s.name, e.Filters[s.name].Config); err == nil {
				if o.config != nil {
					l = f.made[keyOf(e.Filters[s.name].Place, o)]
				}
				l.off = o.disabled
			}
		}
		chain = append(chain, l)
	}
	return chain
}

func (c *config) way(f *filters, e *route.Entry, clusters map[string]*cluster) way {
	w := way{Entry: e, plain: e.Plain(), cluster: clusters[e.Cluster], chain: c.chain(f, e)}
	for _, m := range e.Mirrors {
		w.mirrors = append(w.mirrors, clusters[m.Cluster])
	}
	return w
}
