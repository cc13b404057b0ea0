package route

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Config is a route configuration.
type Config struct {
	Name    string
	Entries []*Entry // of all hosts; an Entry's Index is its place here

	exact    map[string]*host
	suffixes []*domain // longest first
	prefixes []*domain
	any      *host
	places   map[string]int // of routes that match the same, while decoding
}

type domain struct {
	text string
	host *host
}

// host is the routes of a virtual host.
type host struct{ routes []choice }

// choice is a route: its one entry, or several to draw from.
type choice struct {
	match   match
	entries []*Entry
	weights []uint64 // sums; nil: there is one entry
	header  string   // that has the number to draw by
	hashed  bool     // the hash is the number to draw by
}

// Entry is a route, or one of the clusters that a route draws from. One of
// Forward, Redirect and Direct is set.
type Entry struct {
	Index int
	// Place says where in the configuration it is, for messages.
	Place string
	Forward
	Redirect *Redirect
	Direct   *Direct
	Filters  map[string]Filter // what filters do here, by name

	match     *match
	requests  []Changes // from the most special to the most general
	responses []Changes
}

// Filter is what a filter does on some routes.
type Filter struct {
	Config *anypb.Any
	// Place is where it was said: routes that inherit it from one place share
	// it. It does not change with routes that come before.
	Place string
}

// Plain reports whether requests go to their cluster as they came, and their
// responses back so.
func (e *Entry) Plain() bool {
	f := &e.Forward
	return e.Redirect == nil && e.Direct == nil && f.ClusterHeader == "" && f.path.none() && f.host.none() &&
		len(e.requests)+len(e.responses)+len(f.Mirrors)+len(f.Hash) == 0 && f.Retry == nil &&
		!f.Times.Set && f.Times.Idle == nil && f.Times.Stream == 0 && !f.Times.GRPC && f.Times.Caller == nil
}

// level is what routes inherit.
type level struct {
	requests, responses Changes
	filters             map[string]*anypb.Any
	place               string
	retry               *Retry
	mirrors             []Mirror
}

// Decode compiles a configuration.
func Decode(rc *routev3.RouteConfiguration) (*Config, error) {
	c := &Config{Name: rc.GetName(), exact: map[string]*host{}, places: map[string]int{}}
	all, err := newLevel(rc)
	if err != nil {
		return nil, err
	}
	all.filters, all.place = rc.GetTypedPerFilterConfig(), "route configuration"
	if all.mirrors, err = newMirrors(rc.GetRequestMirrorPolicies()); err != nil {
		return nil, err
	}
	for i, vh := range rc.GetVirtualHosts() {
		if vh.GetName() == "" || len(vh.GetDomains()) == 0 {
			return nil, fmt.Errorf("field virtual_hosts[%d]: a name and domains are required", i)
		}
		if err := c.add(vh, all); err != nil {
			return nil, fmt.Errorf("virtual host %s: %w", vh.GetName(), err)
		}
	}
	byLength := func(a, b *domain) int { return len(b.text) - len(a.text) }
	slices.SortStableFunc(c.suffixes, byLength)
	slices.SortStableFunc(c.prefixes, byLength)
	return c, nil
}

// changing is a message that says what is changed in heads.
type changing interface {
	GetRequestHeadersToAdd() []*corev3.HeaderValueOption
	GetRequestHeadersToRemove() []string
	GetResponseHeadersToAdd() []*corev3.HeaderValueOption
	GetResponseHeadersToRemove() []string
}

func newLevel(m changing) (l level, err error) {
	if l.requests, err = newChanges(m.GetRequestHeadersToAdd(), m.GetRequestHeadersToRemove(), "request"); err != nil {
		return l, err
	}
	l.responses, err = newChanges(m.GetResponseHeadersToAdd(), m.GetResponseHeadersToRemove(), "response")
	return l, err
}

func (c *Config) add(vh *routev3.VirtualHost, all level) error {
	h := &host{}
	for _, d := range vh.GetDomains() {
		if err := c.domain(d, h); err != nil {
			return err
		}
	}
	its, err := newLevel(vh)
	if err != nil {
		return err
	}
	its.filters, its.place = vh.GetTypedPerFilterConfig(), "virtual host "+vh.GetName()
	if its.retry, err = newRetry(vh.GetRetryPolicy()); err != nil {
		return fmt.Errorf("field retry_policy.%w", err)
	}
	if its.mirrors, err = newMirrors(vh.GetRequestMirrorPolicies()); err != nil {
		return err
	}
	h.routes = make([]choice, len(vh.GetRoutes()))
	for i, r := range vh.GetRoutes() {
		place := fmt.Sprintf("virtual host %s: field routes[%d]", vh.GetName(), i)
		if err := c.route(&h.routes[i], place, r, its, all); err != nil {
			return fmt.Errorf("field routes[%d]: %w", i, err)
		}
	}
	return nil
}

func (c *Config) domain(text string, h *host) error {
	d := strings.ToLower(text)
	twice := false
	switch {
	case d == "*":
		twice, c.any = c.any != nil, h
	case len(d) > 1 && d[0] == '*' && !strings.Contains(d[1:], "*"):
		twice = known(c.suffixes, d[1:])
		c.suffixes = append(c.suffixes, &domain{d[1:], h})
	case len(d) > 1 && d[len(d)-1] == '*' && !strings.Contains(d[:len(d)-1], "*"):
		twice = known(c.prefixes, d[:len(d)-1])
		c.prefixes = append(c.prefixes, &domain{d[:len(d)-1], h})
	case d == "" || strings.Contains(d, "*"):
		return fmt.Errorf("field domains: %q is neither a name nor *, nor has * at one of its ends", text)
	default:
		_, twice = c.exact[d]
		c.exact[d] = h
	}
	if twice {
		return fmt.Errorf("field domains: %q is given twice", text)
	}
	return nil
}

func known(all []*domain, text string) bool {
	return slices.ContainsFunc(all, func(d *domain) bool { return d.text == text })
}

func (c *Config) route(to *choice, place string, r *routev3.Route, up ...level) (err error) {
	if r.GetMatch() == nil {
		return errors.New("field match: is required")
	}
	if to.match, err = newMatch(r.GetMatch()); err != nil {
		return fmt.Errorf("field match: %w", err)
	}
	its, err := newLevel(r)
	if err != nil {
		return err
	}
	its.filters, its.place = r.GetTypedPerFilterConfig(), c.placeOf(r, up[0])
	e := &Entry{match: &to.match, Place: place}
	switch a := r.GetAction().(type) {
	case *routev3.Route_Route:
		return c.forward(to, e, a.Route, append([]level{its}, up...))
	case *routev3.Route_Redirect:
		redirect, err := newRedirect(a.Redirect)
		if err != nil {
			return fmt.Errorf("field redirect: %w", err)
		}
		e.Redirect = &redirect
	case *routev3.Route_DirectResponse:
		direct, err := newDirect(a.DirectResponse)
		if err != nil {
			return fmt.Errorf("field direct_response: %w", err)
		}
		e.Direct = &direct
	default:
		return errors.New("field route: is required, or redirect, or direct_response")
	}
	c.keep(to, e, append([]level{its}, up...))
	return nil
}

// placeOf names a route by what it matches, and by how many such come before.
func (c *Config) placeOf(r *routev3.Route, host level) string {
	match, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.GetMatch())
	if err != nil {
		match = []byte(r.GetName()) // what came over the wire can be marshalled
	}
	place := host.place + " route " + string(match)
	c.places[place]++
	return fmt.Sprintf("%s %d", place, c.places[place])
}

func (c *Config) forward(to *choice, e *Entry, a *routev3.RouteAction, levels []level) (err error) {
	if e.Forward, err = newForward(a); err != nil {
		return fmt.Errorf("field route.%w", err)
	}
	if e.Retry, err = newRetry(a.GetRetryPolicy()); err != nil {
		return fmt.Errorf("field route.retry_policy.%w", err)
	}
	if e.Mirrors, err = newMirrors(a.GetRequestMirrorPolicies()); err != nil {
		return fmt.Errorf("field route.%w", err)
	}
	// What stands nearest counts, alone.
	for _, l := range levels[1:] {
		if e.Retry == nil {
			e.Retry = l.retry
		}
		if len(e.Mirrors) == 0 {
			e.Mirrors = l.mirrors
		}
	}
	w := a.GetWeightedClusters()
	if w == nil {
		c.keep(to, e, levels)
		return nil
	}
	if err := c.weigh(to, e, w, levels); err != nil {
		return fmt.Errorf("field route.weighted_clusters.%w", err)
	}
	return nil
}

// weigh makes an entry of each cluster of a route.
func (c *Config) weigh(to *choice, e *Entry, w *routev3.WeightedCluster, levels []level) error {
	switch s := w.GetRandomValueSpecifier().(type) {
	case nil:
	case *routev3.WeightedCluster_HeaderName:
		to.header = strings.ToLower(s.HeaderName)
	case *routev3.WeightedCluster_UseHashPolicy:
		to.hashed = s.UseHashPolicy.GetValue()
	default:
		return fmt.Errorf("field random_value_specifier: %T is not supported", s)
	}
	sum := uint64(0)
	for i, cluster := range w.GetClusters() {
		if cluster.GetName() == "" {
			return fmt.Errorf("clusters[%d].name: is required", i)
		}
		its, err := newLevel(cluster)
		if err != nil {
			return fmt.Errorf("clusters[%d].%w", i, err)
		}
		its.filters, its.place = cluster.GetTypedPerFilterConfig(), fmt.Sprintf("%s cluster %d", levels[0].place, i)
		one := *e
		one.Cluster = cluster.GetName()
		one.Place = fmt.Sprintf("%s cluster %d", e.Place, i)
		if cluster.GetHostRewriteLiteral() != "" {
			one.host.literal = []byte(cluster.GetHostRewriteLiteral())
		}
		sum += uint64(cluster.GetWeight().GetValue())
		to.weights = append(to.weights, sum)
		c.keep(to, &one, append([]level{its}, levels...))
	}
	if sum == 0 || sum > 1<<32-1 {
		return fmt.Errorf("clusters: the sum of their weights is %d, and must be from 1 to 2^32-1", sum)
	}
	return nil
}

// keep finishes an entry by what it inherits.
func (c *Config) keep(to *choice, e *Entry, levels []level) {
	for _, l := range levels {
		if !l.requests.none() {
			e.requests = append(e.requests, l.requests)
		}
		if !l.responses.none() {
			e.responses = append(e.responses, l.responses)
		}
	}
	for _, l := range slices.Backward(levels) {
		if len(l.filters) > 0 && e.Filters == nil {
			e.Filters = map[string]Filter{}
		}
		for name, a := range l.filters {
			e.Filters[name] = Filter{a, l.place}
		}
	}
	e.Index = len(c.Entries)
	c.Entries = append(c.Entries, e)
	to.entries = append(to.entries, e)
}

// Random draws between clusters and shares.
type Random func() uint64

// Match finds the entry of a request; nil when there is none.
func (c *Config) Match(x Facts, random Random) *Entry {
	h := c.host(x.Host())
	if h == nil {
		return nil
	}
	path := x.Path()
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	for i := range h.routes {
		if r := &h.routes[i]; r.match.matches(x, path) {
			if r.weights == nil {
				return r.entries[0]
			}
			return r.draw(x, random)
		}
	}
	return nil
}

// host finds the routes of a name, which is compared with its port.
func (c *Config) host(name []byte) *host {
	if len(c.exact)+len(c.suffixes)+len(c.prefixes) == 0 {
		return c.any
	}
	if bytes.ContainsAny(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		name = bytes.ToLower(name)
	}
	if h, ok := c.exact[string(name)]; ok {
		return h
	}
	for _, d := range c.suffixes {
		if n := len(name) - len(d.text); n > 0 && string(name[n:]) == d.text {
			return d.host
		}
	}
	for _, d := range c.prefixes {
		if len(name) > len(d.text) && string(name[:len(d.text)]) == d.text {
			return d.host
		}
	}
	return c.any
}

// draw takes one of the entries by their weights.
func (r *choice) draw(x Facts, random Random) *Entry {
	sum := r.weights[len(r.weights)-1]
	at := r.number(x, random) % sum
	for i, w := range r.weights {
		if at < w {
			return r.entries[i]
		}
	}
	return r.entries[0]
}

func (r *choice) number(x Facts, random Random) uint64 {
	if r.header != "" {
		if v, ok := pseudo(x, r.header, 0); ok {
			if n, ok := number(v); ok {
				return n
			}
		}
	}
	if r.hashed {
		if n, ok := r.entries[0].Sum(x, func(string) {}); ok {
			return n
		}
	}
	return random()
}

func number(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// Out is a request on its way to a cluster.
type Out interface {
	Head
	Facts
	SetPath(target []byte)
	SetHost(host []byte)
}

// Prepare changes a request as its route says.
func (e *Entry) Prepare(x Out) {
	for i := range e.requests {
		e.requests[i].Apply(x, x)
	}
	if host := e.host.name(x); len(host) > 0 {
		if e.host.keep {
			x.AddHeader("x-forwarded-host", x.Host())
		}
		x.SetHost(host)
	}
	if !e.path.none() {
		x.SetPath(e.path.append(nil, x.Path(), e.match))
	}
}

// Answer changes a response as its route says.
func (e *Entry) Answer(h Head, x Facts) {
	for i := range e.responses {
		e.responses[i].Apply(h, x)
	}
}

// Answers reports whether it does anything to responses.
func (e *Entry) Answers() bool { return len(e.responses) > 0 }
