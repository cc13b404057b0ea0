package balance_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taremesh/tare/internal/balance"
)

func outlier(change func(*balance.Outlier)) balance.Config {
	o := balance.DefaultOutlier()
	o.MostPercent, o.Interval, o.Base = 100, time.Second, 10*time.Second
	if change != nil {
		change(&o)
	}
	c := balance.DefaultConfig()
	c.Outlier, c.Panic = &o, 0
	return c
}

// end gives the group so many outcomes of the first host.
func end(g *balance.Group, status int, f balance.Fault, times int) {
	for range times {
		h := g.Host("10.0.0.1:80")
		g.Done(h, status, f)
	}
}

func ejected(g *balance.Group) bool { return g.States()[0].Ejected }

func TestEjection(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*balance.Outlier)
		do     func(g *balance.Group)
		want   bool
	}{
		{"four failures", nil, func(g *balance.Group) { end(g, 500, 0, 4) }, false},
		{"five failures", nil, func(g *balance.Group) { end(g, 500, 0, 5) }, true},
		{"a success between", nil, func(g *balance.Group) { end(g, 500, 0, 4); end(g, 404, 0, 1); end(g, 500, 0, 4) }, false},
		{"failures below HTTP count", nil, func(g *balance.Group) { end(g, 0, balance.Unreachable, 3); end(g, 0, balance.Slow, 2) }, true},
		{"a client that left does not", nil, func(g *balance.Group) { end(g, 500, 0, 4); end(g, 0, balance.NoConclusion, 9) }, false},
		{"not enforced", func(o *balance.Outlier) { o.Enforce5xx = 0 }, func(g *balance.Group) { end(g, 500, 0, 9) }, false},
		{"gateway failures", func(o *balance.Outlier) { o.Enforce5xx, o.EnforceGateway, o.ConsecutiveGateway = 0, 100, 3 },
			func(g *balance.Group) { end(g, 502, 0, 1); end(g, 503, 0, 1); end(g, 504, 0, 1) }, true},
		{"500 is no gateway failure", func(o *balance.Outlier) { o.Enforce5xx, o.EnforceGateway, o.ConsecutiveGateway = 0, 100, 3 },
			func(g *balance.Group) { end(g, 502, 0, 2); end(g, 500, 0, 1); end(g, 502, 0, 2) }, false},
		{"apart: below HTTP", func(o *balance.Outlier) { o.Split, o.ConsecutiveLocal = true, 3 },
			func(g *balance.Group) { end(g, 0, balance.Unreachable, 3) }, true},
		{"apart: not mixed", func(o *balance.Outlier) { o.Split = true },
			func(g *balance.Group) { end(g, 500, 0, 4); end(g, 0, balance.Unreachable, 4) }, false},
		{"apart: an answer ends the row", func(o *balance.Outlier) { o.Split = true },
			func(g *balance.Group) {
				end(g, 0, balance.Unreachable, 4)
				end(g, 500, 0, 1)
				end(g, 0, balance.Unreachable, 4)
			}, false},
		{"a third may go, of three", func(o *balance.Outlier) { o.MostPercent = 34 }, func(g *balance.Group) { end(g, 500, 0, 5) }, true},
		{"less than a third may go", func(o *balance.Outlier) { o.MostPercent = 33 }, func(g *balance.Group) { end(g, 500, 0, 50) }, false},
		{"but one in any case", func(o *balance.Outlier) { o.MostPercent, o.AlwaysOne = 0, true }, func(g *balance.Group) { end(g, 500, 0, 5) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := group(t, outlier(c.change), members(3, nil)...)
			c.do(g)
			if got := ejected(g); got != c.want {
				t.Errorf("ejected: %t", got)
			}
			if n := counts(picks(g, 30, nil))[1]; (n == 0) != c.want {
				t.Errorf("it was picked %d times", n)
			}
		})
	}
}

// Every ejection lasts longer than the last, and it ends at a review.
func TestEjectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := balance.NewGroup(nil)
		defer g.Close()
		g.Set(outlier(func(o *balance.Outlier) { o.Most = 15 * time.Second }), members(3, nil))
		for i, lasts := range []time.Duration{10 * time.Second, 15 * time.Second, 15 * time.Second} {
			end(g, 500, balance.NoFault, 5)
			<-time.After(lasts - time.Millisecond) // of the bubble's clock
			synctest.Wait()
			if !ejected(g) {
				t.Errorf("ejection %d is over before %v", i+1, lasts)
			}
			for late := time.Duration(0); ejected(g); late += time.Millisecond {
				if late > time.Second+time.Millisecond {
					t.Fatalf("ejection %d goes on after %v", i+1, lasts)
				}
				<-time.After(time.Millisecond)
			}
		}
		// A time without shortens the next one again.
		<-time.After(5 * time.Second)
		end(g, 500, balance.NoFault, 5)
		<-time.After(11 * time.Second)
		synctest.Wait()
		if ejected(g) || g.States()[0].Ejections != 4 {
			t.Errorf("after a good time: %+v", g.States()[0])
		}
		// Without the detection nobody is out.
		end(g, 500, balance.NoFault, 5)
		g.Set(balance.DefaultConfig(), members(3, nil))
		if ejected(g) {
			t.Error("it is out though nobody looks any more")
		}
	})
}

func TestSuccessRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := balance.NewGroup(nil)
		defer g.Close()
		g.Set(outlier(func(o *balance.Outlier) { o.Enforce5xx = 0 }), members(6, nil))
		for _, s := range g.States() {
			h := g.Host(s.Addr)
			for i := range 200 {
				status := 200
				if s.Addr == "10.0.0.1:80" && i%2 == 0 {
					status = 500
				}
				g.Done(h, status, balance.NoFault)
			}
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		for i, s := range g.States() {
			if s.Ejected != (i == 0) {
				t.Errorf("%s ejected: %t", s.Addr, s.Ejected)
			}
		}
	})
}

// clinic answers checks in memory.
type clinic struct {
	status atomic.Int64 // 0: nothing is answered
	asked  atomic.Int64
	host   atomic.Value
}

func (c *clinic) dial(ctx context.Context, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	one := &once{conn: far, done: make(chan struct{})}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked.Add(1)
		c.host.Store(r.Host + r.URL.Path)
		if s := c.status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		<-r.Context().Done()
	})}
	srv.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			close(one.done)
		}
	}
	go srv.Serve(one)
	return near, nil
}

// once is a listener of one connection.
type once struct {
	conn net.Conn
	done chan struct{}
}

func (o *once) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	<-o.done
	return nil, net.ErrClosed
}
func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return &net.TCPAddr{} }

func TestChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clinic
		c.status.Store(200)
		config := balance.DefaultConfig()
		config.Panic = 0
		config.Check = &balance.Check{Path: "/healthz", Host: "health.test", Timeout: time.Second, Interval: 2 * time.Second, Idle: time.Minute, Healthy: 2, Unhealthy: 3}
		g := balance.NewGroup(c.dial)
		defer g.Close()
		g.Set(config, members(1, nil))
		want := func(healthy bool, when string) {
			t.Helper()
			synctest.Wait()
			if h := g.Pick(balance.Key{}); (h != nil) != healthy {
				t.Errorf("%s: picked %v", when, h)
			} else if h != nil {
				g.Release(h)
			}
		}
		if err := g.Settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.host.Load(); got != "health.test/healthz" {
			t.Errorf("asked %v", got)
		}
		// One good check is enough at first; until a request comes, it is quiet.
		<-time.After(30 * time.Second)
		if n := c.asked.Load(); n != 1 {
			t.Errorf("%d checks before any request", n)
		}
		want(true, "after the first check")
		<-time.After(31 * time.Second)
		before := c.asked.Load()
		<-time.After(20 * time.Second)
		if n := c.asked.Load() - before; n < 9 || n > 11 {
			t.Errorf("%d checks in 20 s", n)
		}
		// Silence has to last; each check takes a second and then two.
		c.status.Store(0)
		<-time.After(6 * time.Second)
		want(true, "after two silent checks at most")
		<-time.After(5 * time.Second)
		want(false, "after three")
		c.status.Store(200)
		<-time.After(9 * time.Second)
		want(true, "well again")
		// A bad answer counts at once.
		c.status.Store(503)
		<-time.After(3 * time.Second)
		want(false, "after a bad answer")
		config.Check = nil
		g.Set(config, members(1, nil))
		want(true, "when nobody asks any more")
	})
}

// A new host whose first check fails is not asked; one that passes it is.
func TestFirstCheck(t *testing.T) {
	for status, want := range map[int64]bool{200: true, 204: true, 299: true, 300: false, 404: false, 0: false} {
		synctest.Test(t, func(t *testing.T) {
			var c clinic
			c.status.Store(status)
			config := balance.DefaultConfig()
			config.Panic = 0
			config.Check = &balance.Check{Path: "/", Statuses: []balance.Range{{From: 200, To: 300}}, Timeout: time.Second, Interval: time.Minute, Healthy: 9, Unhealthy: 9}
			g := balance.NewGroup(c.dial)
			defer g.Close()
			g.Set(config, members(1, nil))
			if err := g.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-time.After(2 * time.Second)
			if h := g.Pick(balance.Key{}); (h != nil) != want {
				t.Errorf("status %d: picked %v", status, h)
			}
		})
	}
}

// A connection is enough where no path is given.
func TestConnectionCheck(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	down, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	down.Close()
	config := balance.DefaultConfig()
	config.Panic = 0
	config.Check = &balance.Check{Timeout: 10 * time.Second, Interval: time.Hour, Healthy: 1, Unhealthy: 1}
	g := group(t, config, balance.Member{Addr: l.Addr().String()}, balance.Member{Addr: down.Addr().String()})
	if err := g.Settled(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, s := range g.States() {
		got = append(got, s.Healthy)
	}
	if !slices.Equal(got, []bool{true, false}) {
		t.Errorf("healthy: %v", got)
	}
}

// A good check takes an ejected host back, unless it shall not.
func TestCheckEndsEjection(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var c clinic
			c.status.Store(200)
			config := outlier(func(o *balance.Outlier) { o.KeepChecked = keep; o.Base = time.Hour; o.Most = time.Hour })
			config.Check = &balance.Check{Path: "/", Timeout: time.Second, Interval: 2 * time.Second, Healthy: 1, Unhealthy: 1}
			g := balance.NewGroup(c.dial)
			defer g.Close()
			g.Set(config, members(1, nil))
			if err := g.Settled(t.Context()); err != nil {
				t.Fatal(err)
			}
			end(g, 500, balance.NoFault, 5)
			if !ejected(g) {
				t.Fatal("it is not out")
			}
			<-time.After(3 * time.Second)
			synctest.Wait()
			if ejected(g) != keep {
				t.Errorf("keep %t: ejected %t", keep, ejected(g))
			}
		})
	}
}
