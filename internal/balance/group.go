package balance

import (
	"context"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Host is one host of a group. It stays the same through changes of the
// configuration that keep its address.
type Host struct {
	Addr  string
	Owner any // as the member that it was made for has it

	active atomic.Int64 // requests under way

	mu        sync.Mutex
	failures  failures
	rate      rate
	ejected   bool
	until     time.Time // of the ejection
	backoff   int       // ejections that count for the next one's length
	ejections int       // all there were

	unchecked bool // no check has ended yet
	unwell    bool // by checks
	stop      context.CancelFunc
	gone      chan struct{} // closed when its check has ended
}

// Group is the hosts of a cluster.
type Group struct {
	dial   Dial
	used   atomic.Bool // a request has come
	view   atomic.Pointer[view]
	closed chan struct{}
	tasks  sync.WaitGroup
	ticks  chan struct{} // closed when the present ticker is to end

	mu      sync.Mutex
	config  Config
	members []Member
	hosts   map[string]*Host
	// departed hosts have left with requests under way, which come back to them.
	departed map[string]*Host
	turns    []*atomic.Uint64 // by priority: whose turn it is
	ended    bool
}

// Dial opens a connection for a check.
type Dial func(ctx context.Context, addr string) (net.Conn, error)

// NewGroup makes a group without hosts. It starts nothing; checks are made
// through dial, which may be nil for TCP.
func NewGroup(dial Dial) *Group {
	if dial == nil {
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	g := &Group{dial: dial, closed: make(chan struct{}), hosts: map[string]*Host{}, departed: map[string]*Host{}}
	g.view.Store(&view{})
	return g
}

// Set says what the hosts are from now on and how they are chosen. An address
// that comes twice counts once. Hosts that stay keep what is known of them.
func (g *Group) Set(c Config, members []Member) {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		return
	}
	old := g.config
	g.config, g.members = c, nil
	seen := map[string]bool{}
	for _, m := range members {
		if seen[m.Addr] {
			continue
		}
		seen[m.Addr] = true
		g.members = append(g.members, m)
		if g.hosts[m.Addr] == nil {
			g.hosts[m.Addr] = g.arrive(m)
		}
	}
	leaving := g.depart(seen)
	g.adjust(old, leaving)
	g.rebuild()
	g.mu.Unlock()
	for _, h := range leaving {
		h.wait()
	}
}

// arrive is a new host, or one that comes back to its requests.
func (g *Group) arrive(m Member) *Host {
	if h := g.departed[m.Addr]; h != nil && h.Owner == m.Owner {
		delete(g.departed, m.Addr)
		return h
	}
	return &Host{Addr: m.Addr, Owner: m.Owner, unchecked: true}
}

// depart takes out the hosts that do not stay, and forgets those that left
// before and have nothing under way any more.
func (g *Group) depart(stay map[string]bool) (leaving []*Host) {
	for addr, h := range g.departed {
		if h.active.Load() <= 0 {
			delete(g.departed, addr)
		}
	}
	for addr, h := range g.hosts {
		if !stay[addr] {
			delete(g.hosts, addr)
			g.departed[addr] = h
			leaving = append(leaving, h)
		}
	}
	return leaving
}

// adjust starts and ends what runs beside the requests.
func (g *Group) adjust(old Config, leaving []*Host) {
	changed := !reflect.DeepEqual(old.Check, g.config.Check)
	for _, h := range g.hosts {
		if changed {
			leaving = append(leaving, h)
		}
	}
	for _, h := range leaving {
		if h.stop != nil {
			h.stop()
			h.stop = nil
		}
	}
	for _, h := range g.hosts {
		switch {
		case g.config.Check == nil:
			h.mark(false, false)
		case h.stop == nil:
			g.watch(h)
		}
	}
	if reflect.DeepEqual(old.Outlier, g.config.Outlier) {
		return
	}
	if g.ticks != nil {
		close(g.ticks)
		g.ticks = nil
	}
	if o := g.config.Outlier; o != nil && o.Interval > 0 {
		g.ticks = make(chan struct{})
		g.tasks.Add(1)
		go g.tick(o.Interval, g.ticks)
	}
	if g.config.Outlier == nil {
		for _, h := range g.hosts {
			h.forgive()
		}
	}
}

// Close ends the group's goroutines and waits for them. Hosts can still be
// picked, for requests that are under way.
func (g *Group) Close() {
	g.mu.Lock()
	if !g.ended {
		g.ended = true
		close(g.closed)
		for _, h := range g.hosts {
			if h.stop != nil {
				h.stop()
			}
		}
	}
	g.mu.Unlock()
	g.tasks.Wait()
}

// Key is what a host may be chosen by.
type Key struct {
	Hash    uint64
	Hashed  bool // there is a hash
	Attempt int  // how many hosts were picked for the same request before
}

// Pick gives a host for a request, which Done gives back; nil when there is none
// that may be asked.
func (g *Group) Pick(k Key) *Host {
	if !g.used.Load() {
		g.used.Store(true)
	}
	h := g.view.Load().pick(k)
	if h != nil {
		h.active.Add(1)
	}
	return h
}

// Release gives back a host that was not asked after all.
func (g *Group) Release(h *Host) { h.active.Add(-1) }

// Host is the one of the address, or the one that has left; nil when it is not
// known any more.
func (g *Group) Host(addr string) *Host {
	return g.view.Load().hosts[addr]
}

// State is what is known of a host.
type State struct {
	Addr      string
	Active    int  // requests under way
	Healthy   bool // it may be asked, panic aside
	Unwell    bool // by its checks
	Ejected   bool
	Ejections int // all there were
}

// States are those of the hosts, in the configuration's order.
func (g *Group) States() []State {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []State
	for _, m := range g.members {
		h := g.hosts[m.Addr]
		h.mu.Lock()
		all = append(all, State{Addr: m.Addr, Active: int(h.active.Load()), Healthy: !m.Down && h.fit(),
			Unwell: h.unwell || h.unchecked, Ejected: h.ejected, Ejections: h.ejections})
		h.mu.Unlock()
	}
	return all
}

// fit reports whether the host may be asked; its mutex is held.
func (h *Host) fit() bool { return !h.ejected && !h.unwell && !h.unchecked }

// mark says what checks have found, and reports whether that is a change.
func (h *Host) mark(unchecked, unwell bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.unchecked || h.unwell
	h.unchecked, h.unwell = unchecked, unwell
	return was != (unchecked || unwell)
}

// wait returns when the check of a host that has left has ended.
func (h *Host) wait() {
	if h.gone != nil {
		<-h.gone
	}
}

// refresh makes the view anew when a host's health has changed.
func (g *Group) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rebuild()
}
