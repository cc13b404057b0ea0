package dataplanetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
)

// pace asks at a rate, whatever the answers take: request k is sent k/rate
// after the start, by whichever of many lanes is free.
func pace(t *testing.T, rate int, url string, right func(int, string) bool) (stop func() paced) {
	t.Helper()
	const lanes = 64
	var p paced
	var wg sync.WaitGroup
	var late atomic.Int64
	done := make(chan struct{})
	due := make(chan time.Time, 1<<20)
	wg.Go(func() {
		defer close(due)
		start := time.Now()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for k := 0; ; {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			for ; time.Duration(k)*time.Second/time.Duration(rate) <= time.Since(start); k++ {
				due <- start.Add(time.Duration(k) * time.Second / time.Duration(rate))
			}
		}
	})
	tr := &http.Transport{MaxIdleConnsPerHost: lanes, DisableCompression: true}
	client := &http.Client{Transport: tr, Timeout: patience}
	for range lanes {
		wg.Go(func() {
			for at := range due {
				if d := int64(time.Since(at)); d > late.Load() {
					late.Store(d)
				}
				p.sent.Add(1)
				r, err := client.Get(url)
				if err != nil {
					p.fail(err.Error())
					continue
				}
				body, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || !right(r.StatusCode, string(body)) {
					p.fail(fmt.Sprintf("got %d %q, %v", r.StatusCode, body, err))
				}
			}
		})
	}
	return func() paced {
		close(done)
		wg.Wait()
		tr.CloseIdleConnections()
		return paced{latest: time.Duration(late.Load()), failures: p.failures, asked: p.sent.Load()}
	}
}

// paced is what became of a paced load.
type paced struct {
	sent   atomic.Int64
	asked  int64
	latest time.Duration // after its time that a request was sent

	mu       sync.Mutex
	failures []string
}

func (p *paced) fail(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, why)
}

// step is a configuration, and who may answer under it.
type step struct {
	wanted dataplane.Proxy
	who    []string
}

// steps go round: routes that change, endpoints that come and go.
func steps(t *testing.T, addr string) []step {
	at := map[string]string{}
	for _, name := range []string{"a1", "a2", "b1", "b2"} {
		at[name] = h1.serve(t, people{}, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }).addr
	}
	one := func(route string, a, b []string) step {
		p := dataplane.Proxy{Listen: addr, Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"},
			Routes: []dataplane.Route{{Path: "/", Cluster: route}}}}}
		for name, members := range map[string][]string{"a": a, "b": b} {
			c := dataplane.Cluster{Name: name}
			for _, m := range members {
				c.Endpoints = append(c.Endpoints, at[m])
			}
			p.Clusters = append(p.Clusters, c)
		}
		slices.SortFunc(p.Clusters, func(x, y dataplane.Cluster) int { return int(x.Name[0]) - int(y.Name[0]) })
		return step{p, map[string][]string{"a": a, "b": b}[route]}
	}
	a1, a12, a2, b1, b12 := []string{"a1"}, []string{"a1", "a2"}, []string{"a2"}, []string{"b1"}, []string{"b1", "b2"}
	return []step{one("a", a1, b1), one("b", a1, b1), one("a", a1, b1), one("a", a12, b1), one("a", a2, b1), one("b", a2, b12), one("b", a2, b1)}
}

// underPace changes the configuration so often while requests come at the rate.
// No request may fail, and a connection that is opened when a change has been
// acknowledged is answered by who may answer then. How many connections were
// answered by somebody else before is returned.
func underPace(t *testing.T, plane dataplane.DataPlane, rate, changes int, every time.Duration) (disobeyed int) {
	addr := free(t)
	all := steps(t, addr)
	i := begin(t, plane, all[0].wanted)
	stop := pace(t, rate, "http://"+addr+"/", func(status int, body string) bool {
		return status == http.StatusOK && slices.Contains([]string{"a1", "a2", "b1", "b2"}, body)
	})
	var slowest time.Duration
	tick := time.NewTicker(every)
	defer tick.Stop()
	for k := 1; k <= changes; k++ {
		<-tick.C
		s := all[k%len(all)]
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := i.Configure(ctx, s.wanted); err != nil {
			t.Error(err)
		}
		cancel()
		took, tries := obeyed(t, addr, s.who)
		slowest, disobeyed = max(slowest, took), disobeyed+tries-1
	}
	got := stop()
	if len(got.failures) > 0 {
		t.Errorf("%d of %d requests failed, the first: %s", len(got.failures), got.asked, got.failures[0])
	}
	t.Logf("%s: %d requests at %d/s under %d changes, %d failed; new connections obeyed after %v at most, %d of theirs were answered as before; the latest request was sent %v late",
		plane.Name(), got.asked, rate, changes, len(got.failures), slowest.Round(10*time.Microsecond), disobeyed, got.latest.Round(time.Millisecond))
	return disobeyed
}

// obeyed asks over fresh connections until one of these answers, and returns how
// long that took and how often it asked.
func obeyed(t *testing.T, addr string, who []string) (took time.Duration, tries int) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: tr, Timeout: patience}
	began := time.Now()
	for time.Since(began) < patience {
		tries++
		r, err := client.Get("http://" + addr + "/")
		if err != nil {
			t.Error(err)
			return time.Since(began), tries
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err == nil && slices.Contains(who, string(body)) {
			return time.Since(began), tries
		}
	}
	t.Errorf("no answer of %v in %v", who, patience)
	return patience, tries
}

// TestChangesUnderPace: routes and endpoints change under load without a failed
// request. The bar's rate is in TestSoakChanges.
func TestChangesUnderPace(t *testing.T) {
	for _, plane := range planes(t) {
		t.Run(plane.Name(), func(t *testing.T) {
			// Envoy tells its threads after it has acknowledged: one connection may
			// be sooner than that on a busy machine.
			if n := underPace(t, plane, 200, 14, 100*time.Millisecond); n > 1 {
				t.Errorf("%d new connections were answered as before", n)
			}
		})
	}
}
