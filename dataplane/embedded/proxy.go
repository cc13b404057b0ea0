package embedded

import (
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
	table  atomic.Pointer[table]
	limits limits
	sweeps atomic.Uint32
	ending atomic.Bool
	done   chan struct{}
	tasks  sync.WaitGroup

	mu        sync.Mutex
	listener  net.Listener
	conns     map[*conn]struct{}
	endpoints map[string]*endpoint // by address
	ended     stats
	swept     bool // the sweeper runs

	caller *http.Transport // of plugins' own requests

	logs map[logSpec]*accessLog // those that were ever wanted; the subscription's
	lost func(error)            // told of lines that could not be written; may be nil
}

func newProxy(l limits) *proxy {
	return &proxy{
		limits:    l,
		done:      make(chan struct{}),
		conns:     map[*conn]struct{}{},
		endpoints: map[string]*endpoint{},
		logs:      map[logSpec]*accessLog{},
		caller:    &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: maxIdle},
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
			p.adopt(c.(*net.TCPConn))
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

// adopt starts a connection.
func (p *proxy) adopt(tcp *net.TCPConn) {
	c := &conn{p: p, tcp: tcp, in: reader{src: tcp}, probe: newProbe(tcp), x: exchange{tcp: tcp}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ending.Load() {
		tcp.Close()
		return
	}
	p.conns[c] = struct{}{}
	if !p.swept {
		p.swept = true
		p.tasks.Add(1)
		go p.sweeping()
	}
	p.tasks.Add(1)
	go func() {
		defer p.tasks.Done()
		c.serve()
		p.leave(c)
	}()
}

func (p *proxy) leave(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	p.ended.add(&c.stats)
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
		if phase(c.beat.Load()&(1<<phaseBits-1)) == resting {
			_ = c.in.src.SetReadDeadline(past)
		}
	}
	p.mu.Unlock()
	left := time.AfterFunc(grace, p.abort)
	close(p.done)
	p.tasks.Wait()
	left.Stop()
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
	p.mu.Lock()
	defer p.mu.Unlock()
	for addr, e := range p.endpoints {
		if !slices.Contains(addrs, addr) {
			delete(p.endpoints, addr)
			e.shut()
		}
	}
}

// endpoint is the one of that address, which keeps its connections through
// changes of the configuration.
func (p *proxy) endpoint(addr string) *endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.endpoints[addr]
	if !ok {
		e = &endpoint{addr: addr}
		p.endpoints[addr] = e
	}
	return e
}
