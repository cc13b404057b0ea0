package embedded

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// proxy is the part that carries requests: a listener, its connections, and
// the table that they look at.
type proxy struct {
	watch   *watch // of clients that go; nil: none
	table   atomic.Pointer[table]
	limits  limits
	sweeps  atomic.Uint32
	ending  atomic.Bool
	done    chan struct{}
	cutting chan struct{}   // closed when what is left is cut off
	life    context.Context // ends when the proxy does
	stop    context.CancelFunc
	tasks   sync.WaitGroup

	configured sync.Once // for the first time

	entrance   atomic.Pointer[entrance] // of new connections
	handshakes atomic.Uint64            // that failed
	h2conns    atomic.Int64             // open ones
	tunnels    atomic.Int64             // open ones of bare TCP

	mu           sync.Mutex
	listener     net.Listener
	conns        map[*conn]struct{}
	endpoints    map[string]*endpoint // by carriage and address
	carriages    map[string]*carriage // but HTTP/1.1 in clear text
	ended        stats
	endedTallies map[string]*tally
	swept        bool // the sweeper runs
	closed       bool // nothing begins any more
	entrances    []*entrance

	caller *http.Transport // of plugins' own requests

	logs map[logSpec]*accessLog // those that were ever wanted; the subscription's
	lost func(error)            // told of lines that could not be written; may be nil
}

func newProxy(l limits) *proxy {
	life, stop := context.WithCancel(context.Background())
	// Without it, which takes a kernel out of descriptors, the sweep finds out.
	w, _ := newWatch()
	return &proxy{
		watch:        w,
		life:         life,
		stop:         stop,
		limits:       l,
		done:         make(chan struct{}),
		cutting:      make(chan struct{}),
		conns:        map[*conn]struct{}{},
		endpoints:    map[string]*endpoint{},
		endedTallies: map[string]*tally{},
		logs:         map[logSpec]*accessLog{},
		caller:       &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: maxIdle},
	}
}

// openLog opens a log that is wanted, unless it is open. It stays open until
// the proxy ends, since requests may be under way that look at an old table.
func (p *proxy) openLog(s *logSpec) error {
	if s == nil || p.logs[*s] != nil {
		return nil
	}
	l, err := openLog(*s, p.lost)
	if err != nil {
		return err
	}
	p.logs[*s] = l
	return nil
}

// listen takes connections from l, and from no earlier listener.
func (p *proxy) listen(l net.Listener) {
	p.mu.Lock()
	old := p.listener
	p.listener = l
	p.mu.Unlock()
	if old != nil {
		old.Close()
	}
	p.tasks.Add(1)
	go p.accept(l)
}

// enterBy makes new connections come in as the listener says, with the secrets
// as they are now.
func (p *proxy) enterBy(s *listenerSpec, secrets map[string]secret) {
	now := p.entrance.Load()
	if now != nil && now.key == s.entrance() {
		now.renew(secrets)
		return
	}
	next := newEntrance(p, s)
	next.renew(secrets)
	p.entrance.Store(next)
	p.mu.Lock()
	p.entrances = append(p.entrances, next)
	p.mu.Unlock()
	if now != nil {
		p.tasks.Go(now.drain)
	}
}

// unlisten closes the listener; connections stay.
func (p *proxy) unlisten() {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l != nil {
		l.Close()
	}
}

func (p *proxy) accept(l net.Listener) {
	defer p.tasks.Done()
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			p.admit(c.(*net.TCPConn))
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// Out of descriptors: others have to end first.
			select {
			case <-time.After(100 * time.Millisecond):
			case <-p.done:
				return
			}
		}
	}
}

// admit lets a connection in by the entrance that there is now.
func (p *proxy) admit(tcp *net.TCPConn) {
	e := p.entrance.Load()
	if e == nil || e.plain() {
		p.adopt(plain(tcp), tcp, e)
		return
	}
	p.tasks.Go(func() { e.receive(tcp) })
}

// adopt starts a connection of HTTP/1.1 over src, which runs over tcp.
func (p *proxy) adopt(src net.Conn, tcp *net.TCPConn, e *entrance) {
	c := &conn{p: p, tcp: tcp, from: e, in: reader{src: src}, probe: newProbe(tcp), x: exchange{tcp: src}}
	if e != nil {
		c.unsure, c.shaken = e.codec == anyHTTP && e.keys == nil, e.told(src)
		c.x.tls = c.peer
	}
	if !p.enter(c) {
		src.Close()
		return
	}
	if p.watch != nil {
		p.watch.add(c, tcp)
	}
	p.tasks.Go(func() {
		c.serve()
		p.leave(c)
		if p.watch != nil {
			p.watch.drop(c)
		}
	})
}

// embody makes the connection of one stream of HTTP/2; nil when the proxy ends.
func (p *proxy) embody(s *stream, e *entrance) *conn {
	c := &conn{p: p, from: e, in: reader{src: s}, probe: s, x: exchange{tcp: s, http2: true}, shaken: e.toldOf(s.r)}
	c.x.tls, c.note.http2 = c.peer, true
	if !p.enter(c) {
		return nil
	}
	return c
}

// enter takes the connection up among those that are looked after, and reports
// whether there are any more.
func (p *proxy) enter(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = struct{}{}
	if !p.swept {
		p.swept = true
		p.tasks.Go(p.sweeping)
	}
	return true
}

func (p *proxy) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	p.ended.add(&c.stats)
	for _, t := range c.tallies {
		sum(p.endedTallies, t)
	}
}

// grace is how long requests may take to end when the proxy does.
const grace = 2 * time.Second

// close ends the proxy: nothing is accepted any more, resting connections are
// closed, the others after their response or the grace.
func (p *proxy) close() {
	p.ending.Store(true)
	p.unlisten()
	p.mu.Lock()
	for c := range p.conns {
		if c.tcp != nil && phase(c.beat.Load()&(1<<phaseBits-1)) == resting {
			_ = c.in.src.SetReadDeadline(past)
		}
	}
	entrances := p.entrances
	p.mu.Unlock()
	p.stop()
	left := time.AfterFunc(grace, p.abort)
	for _, e := range entrances {
		e.end()
	}
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	close(p.done)
	p.tasks.Wait()
	if !left.Stop() {
		<-p.cutting
	}
	if p.watch != nil {
		p.watch.close()
	}
	p.caller.CloseIdleConnections()
	for _, l := range p.logs {
		l.close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		e.shut()
	}
}

func (p *proxy) abort() {
	defer close(p.cutting)
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.in.src.SetDeadline(past)
		c.cancel(clientGone)
	}
}

// use puts a new table in force.
func (p *proxy) use(t *table, addrs []string) {
	p.table.Store(t)
	p.configured.Do(giveBack)
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, e := range p.endpoints {
		if !slices.Contains(addrs, addr) {
			delete(p.endpoints, addr)
			e.shut()
		}
	}
}

// endpoint is the one of that address in clear text.
func (p *proxy) endpoint(addr string) *endpoint { return p.endpointBy(addr, carriageSpec{}) }

// endpointBy is the one of that address and carriage, which keeps its
// connections through changes of the configuration.
func (p *proxy) endpointBy(addr string, by carriageSpec) *endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := by.key() + addr
	e, ok := p.endpoints[key]
	if !ok {
		e = &endpoint{addr: addr, by: p.carriages[by.key()]}
		p.endpoints[key] = e
	}
	return e
}

// carriagesOf makes the carriages that there shall be, with the secrets as they
// are now; those that are there go on.
func (p *proxy) carriagesOf(specs map[string]carriageSpec, secrets map[string]secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := map[string]*carriage{}
	for _, s := range specs {
		key := s.key()
		c, ok := p.carriages[key]
		if key == "" || now[key] != nil {
			continue
		}
		if !ok {
			c = newCarriage(s)
		}
		if c.keys != nil {
			c.keys.refresh(secrets, clientSide)
		}
		now[key] = c
	}
	p.carriages = now
}
