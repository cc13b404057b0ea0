package balance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Check is how hosts are asked for their health.
type Check struct {
	Path string // of a GET; empty: a connection is enough
	Host string // of the request; empty: its address
	// Statuses that are well; none means 200 alone.
	Statuses []Range
	// Ask asks instead of a GET, where it is set: whether the host at the address
	// is well, or an error where it did not answer.
	Ask func(ctx context.Context, addr string) (well bool, err error)

	Timeout  time.Duration
	Interval time.Duration
	Idle     time.Duration // instead of Interval until the first request has come
	// Healthy is how many checks in a row must succeed for an unhealthy host to
	// be healthy, and Unhealthy how many must fail for a healthy one not to be.
	// The first check alone decides for a new host. An answer that is not well
	// counts at once; only those that do not come are counted.
	Healthy, Unhealthy int
}

// Range is statuses from From up to, not with, To.
type Range struct{ From, To int }

func (c *Check) well(status int) bool {
	if len(c.Statuses) == 0 {
		return status == http.StatusOK
	}
	for _, r := range c.Statuses {
		if status >= r.From && status < r.To {
			return true
		}
	}
	return false
}

// watch starts the checks of a host. The group's mutex is held.
func (g *Group) watch(h *Host) {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop, h.gone = cancel, make(chan struct{})
	w := &watcher{g: g, host: h, check: *g.config.Check, keep: g.config.Outlier != nil && g.config.Outlier.KeepChecked}
	w.transport = &http.Transport{
		DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return g.dial(ctx, addr) },
		DisableKeepAlives: true, DisableCompression: true,
	}
	g.tasks.Add(1)
	go func(gone chan struct{}) {
		defer g.tasks.Done()
		defer close(gone)
		defer cancel()
		w.run(ctx)
	}(h.gone)
}

// watcher checks one host.
type watcher struct {
	g         *Group
	host      *Host
	check     Check
	keep      bool // ejections are not ended
	transport *http.Transport
	row       int // checks alike in a row against the present state
}

func (w *watcher) run(ctx context.Context) {
	for {
		result := w.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if w.take(result) {
			w.g.refresh()
		}
		pause := w.check.Interval
		if w.check.Idle > 0 && !w.g.used.Load() {
			pause = w.check.Idle
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// answer is the result of one check.
type answer uint8

const (
	fine   answer = iota
	bad           // it answered so
	silent        // it did not answer
)

// take counts a result and reports whether the host's fitness has changed.
func (w *watcher) take(a answer) (changed bool) {
	w.host.mu.Lock()
	first, unwell := w.host.unchecked, w.host.unwell
	w.host.mu.Unlock()
	needed := 1
	switch {
	case first:
	case unwell && a == fine:
		needed = w.check.Healthy
	case !unwell && a == silent:
		needed = w.check.Unhealthy
	}
	if same := unwell == (a != fine); same && !first {
		w.row = 0
	} else if w.row++; w.row >= needed {
		w.row = 0
		changed = w.host.mark(false, a != fine)
	}
	if a == fine && !w.keep {
		changed = w.host.forgive() || changed
	}
	return changed
}

// ask checks once.
func (w *watcher) ask(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, w.check.Timeout)
	defer cancel()
	if w.check.Ask != nil {
		return answerOf(w.check.Ask(ctx, w.host.Addr))
	}
	if w.check.Path == "" {
		c, err := w.g.dial(ctx, w.host.Addr)
		if err != nil {
			return silent
		}
		c.Close()
		return fine
	}
	status, err := w.get(ctx)
	return answerOf(w.check.well(status), err)
}

func answerOf(well bool, err error) answer {
	switch {
	case err != nil:
		return silent
	case !well:
		return bad
	}
	return fine
}

func (w *watcher) get(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.host.Addr+w.check.Path, nil)
	if err != nil {
		return 0, fmt.Errorf("check %s: %w", w.host.Addr, err)
	}
	r.Host = w.check.Host
	r.Header.Set("User-Agent", "tare-health-check")
	resp, err := w.transport.RoundTrip(r)
	if err != nil {
		return 0, fmt.Errorf("check %s: %w", w.host.Addr, err)
	}
	defer resp.Body.Close()
	// What is read is not looked at; a body that breaks off is no answer.
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, mostRead)); err != nil {
		return 0, fmt.Errorf("check %s: %w", w.host.Addr, err)
	}
	return resp.StatusCode, nil
}

// mostRead is how much of a check's answer is read.
const mostRead = 1 << 20

// Settled waits until every host has been checked once, or the context ends.
func (g *Group) Settled(ctx context.Context) error {
	t := time.NewTicker(time.Millisecond)
	defer t.Stop()
	for g.unsettled() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the first checks: %w", ctx.Err())
		}
	}
	return nil
}

func (g *Group) unsettled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.hosts {
		h.mu.Lock()
		waits := h.unchecked
		h.mu.Unlock()
		if waits {
			return true
		}
	}
	return false
}
