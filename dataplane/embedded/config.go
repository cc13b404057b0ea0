package embedded

import (
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane/embedded/route"
	"github.com/taremesh/tare/dataplane/proxywasm"
	"github.com/taremesh/tare/function"
)

// filterKey is what makes two filters one: a change of the configuration that
// does not touch a filter must not make it forget.
type filterKey struct{ place, name, url, config string }

// filters makes filters of messages, and finds again those it has made.
type filters struct {
	types map[string]function.FilterType
	made  map[filterKey]link
	// shared is what plugins keep on the host's side.
	shared *proxywasm.Shared
	proxy  *proxy
}

func newFilters(types []function.FilterType, p *proxy) (*filters, error) {
	f := &filters{types: map[string]function.FilterType{}, made: map[filterKey]link{}, shared: proxywasm.NewShared(proxywasm.SharedLimits{}), proxy: p}
	for _, t := range types {
		if _, ok := f.types[t.URL]; ok || t.URL == "" || (t.New == nil) == (t.Join == nil) {
			return nil, fmt.Errorf("filter type %q is empty or given twice", t.URL)
		}
		f.types[t.URL] = t
	}
	return f, nil
}

func keyOf(place string, s filterSpec) filterKey {
	return filterKey{place, s.name, s.config.GetTypeUrl(), string(s.config.GetValue())}
}

// add makes the filter of a place in the configuration, unless it is there.
func (f *filters) add(place string, s filterSpec) error {
	key := keyOf(place, s)
	if _, ok := f.made[key]; ok {
		return nil
	}
	made, err := f.make(&anypb.Any{TypeUrl: key.url, Value: s.config.GetValue()})
	if err != nil {
		return fmt.Errorf("filter %s: %w", s.name, err)
	}
	f.made[key] = made
	return nil
}

func (f *filters) make(config *anypb.Any) (link, error) {
	if config.GetTypeUrl() == wasmURL {
		p, err := f.load(config)
		return link{plugin: p}, err
	}
	t, ok := f.types[config.GetTypeUrl()]
	if !ok {
		return link{}, fmt.Errorf("no implementation of %q", config.GetTypeUrl())
	}
	if t.Join != nil {
		made, err := t.Join(config, f.proxy)
		return linkOf(made), err
	}
	made, err := t.New(config)
	return linkOf(made), err
}

// close ends what a filter keeps open.
func (l link) close() {
	if l.plugin != nil {
		l.plugin.Close()
	}
	if c, ok := l.filter.(io.Closer); ok {
		c.Close()
	}
}

// prune lets go of the filters that the configuration no longer names.
func (f *filters) prune(c *config) {
	named := map[filterKey]link{}
	keep := func(place string, s filterSpec) {
		if made, ok := f.made[keyOf(place, s)]; ok {
			named[keyOf(place, s)] = made
		}
	}
	for _, s := range c.listener.filters {
		keep(chainPlace, s)
	}
	for _, routes := range c.routes {
		for _, e := range routes.Entries {
			for name, f := range e.Filters {
				if o, err := decodeOverride(name, f.Config); err == nil {
					keep(f.Place, o)
				}
			}
		}
	}
	for key, l := range f.made {
		if _, ok := named[key]; !ok {
			l.close()
		}
	}
	f.made = named
}

// close ends the plugins, and what filters keep open.
func (f *filters) close() {
	for _, l := range f.made {
		l.close()
	}
}

// config is the resources as they were accepted, not yet put together.
type config struct {
	listener *listenerSpec
	routes   map[string]*route.Config
	clusters map[string]bool
	members  map[string]assignment   // endpoints by cluster
	by       map[string]carriageSpec // clusters' carriages
	how      map[string]balanceSpec  // how clusters choose
	secrets  map[string]secret
}

func newConfig() *config {
	return &config{routes: map[string]*route.Config{}, clusters: map[string]bool{}, members: map[string]assignment{}, by: map[string]carriageSpec{}, how: map[string]balanceSpec{}, secrets: map[string]secret{}}
}

// chainPlace is the place of filters that no route overrides.
const chainPlace = "chain"

// complete reports whether everything that is referred to is there.
func (c *config) complete() bool {
	if c.listener == nil {
		return false
	}
	if !c.trusted(c.listener.tls) {
		return false
	}
	if c.listener.tcp != "" {
		return c.whole(c.listener.tcp)
	}
	routes, ok := c.routes[c.listener.routes]
	if !ok {
		return false
	}
	for _, e := range routes.Entries {
		if e.Cluster != "" && !c.whole(e.Cluster) {
			return false
		}
		for _, m := range e.Mirrors {
			if !c.whole(m.Cluster) {
				return false
			}
		}
	}
	return true
}

// whole reports whether all of a cluster is there.
func (c *config) whole(cluster string) bool {
	_, ok := c.members[cluster]
	return ok && c.clusters[cluster] && c.trusted(c.by[cluster].tls)
}

// trusted reports whether the secrets of one side are there.
func (c *config) trusted(s *tlsSpec) bool {
	return !slices.ContainsFunc(s.secrets(), func(name string) bool { _, ok := c.secrets[name]; return !ok })
}

// wantedSecrets are the names that the configuration refers to.
func (c *config) wantedSecrets() map[string]bool {
	wanted := map[string]bool{}
	note := func(s *tlsSpec) {
		for _, name := range s.secrets() {
			wanted[name] = true
		}
	}
	if c.listener != nil {
		note(c.listener.tls)
	}
	for _, by := range c.by {
		note(by.tls)
	}
	return wanted
}

// build puts a complete configuration together. Clusters that did not change
// go on with the turn that they were at.
func (c *config) build(p *proxy, f *filters, old map[string]*cluster) (*table, map[string]*cluster, []string) {
	clusters := map[string]*cluster{}
	var addrs []string
	for name := range c.clusters {
		clusters[name] = c.cluster(p, name, old[name])
		for _, m := range c.members[name].members {
			addrs = append(addrs, c.by[name].key()+m.Addr)
		}
	}
	t := &table{clusters: clusters, routes: c.routes[c.listener.routes]}
	if s := c.listener.log; s != nil {
		t.log = p.logs[*s]
	}
	t.chain = c.chain(f, nil)
	if t.routes != nil {
		for _, e := range t.routes.Entries {
			t.ways = append(t.ways, c.way(f, e, clusters))
		}
	}
	t.watched = t.watches()
	return t, clusters, addrs
}
