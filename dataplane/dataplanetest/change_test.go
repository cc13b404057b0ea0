package dataplanetest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/function/mtls"
)

// load asks without a pause, each lane on connections of its own, until stop is
// called, which returns how often; any failure is the test's.
func load(t *testing.T, lanes int, fresh func() *http.Client, url string, right func(int, string) bool) (stop func() int64) {
	t.Helper()
	var wg sync.WaitGroup
	var over atomic.Bool
	var n atomic.Int64
	for lane := range lanes {
		wg.Go(func() {
			client := fresh()
			defer client.CloseIdleConnections()
			for k := 0; !over.Load(); k++ {
				if lane%2 == 1 && k%5 == 4 {
					client.CloseIdleConnections() // so that it shakes hands again
				}
				r, err := client.Get(url)
				if err != nil {
					t.Errorf("after %d requests: %v", n.Load(), err)
					return
				}
				body, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || !right(r.StatusCode, string(body)) {
					t.Errorf("after %d requests: got %d %q, %v", n.Load(), r.StatusCode, body, err)
					return
				}
				n.Add(1)
			}
		})
	}
	return func() int64 {
		over.Store(true)
		wg.Wait()
		return n.Load()
	}
}

// rotation is a proxy whose identity changes under load.
func rotation(t *testing.T, plane dataplane.DataPlane, c carrier, every, during time.Duration) {
	a, err := mtls.NewAuthority("both.test")
	if err != nil {
		t.Fatal(err)
	}
	client := mtls.ClientTLS(mtls.Renewed(a, clientID, time.Minute), proxyID)
	who := newPeople(t)
	s := h1.serve(t, who, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	addr := free(t)
	wanted := func() (dataplane.Proxy, *big.Int) {
		i, err := a.Issue(proxyID, 2*every+time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		p := dataplanetest.ToAll(addr, s.addr)
		p.Shapes = []dataplane.Shape{mtls.Shape(i, mtls.Called, clientID)}
		return p, i.Certificate.Leaf.SerialNumber
	}
	p, _ := wanted()
	i := begin(t, plane, p)
	fresh := func() *http.Client {
		return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: client.Clone(), Protocols: c.protocols()}}
	}
	stop := load(t, 4, fresh, "https://"+addr+"/", func(status int, body string) bool { return status == 200 && body == "ok" })
	tick := time.NewTicker(every)
	defer tick.Stop()
	rotated := 0
	for end := time.Now().Add(during); time.Now().Before(end); <-tick.C {
		p, serial := wanted()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := i.Configure(ctx, p); err != nil {
			t.Error(err)
		}
		cancel()
		shows(t, addr, client, serial)
		rotated++
	}
	if n := stop(); n == 0 || rotated < 2 {
		t.Errorf("%d requests, %d rotations", n, rotated)
	} else {
		t.Logf("%s, %s: %d requests without a fault over %d rotations", plane.Name(), c.name, n, rotated)
	}
}

// shows waits until new handshakes show the certificate; only a plane that
// never does so meets the end of patience.
func shows(t *testing.T, addr string, client *tls.Config, serial *big.Int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		c, err := tls.Dial("tcp", addr, client)
		if err != nil {
			t.Error(err)
			return
		}
		shown := c.ConnectionState().PeerCertificates[0].SerialNumber
		c.Close()
		if shown.Cmp(serial) == 0 {
			return
		}
	}
	t.Errorf("new handshakes never show certificate %v", serial)
}

// TestRotation: new certificates are used at once, and no request fails.
func TestRotation(t *testing.T) {
	t.Parallel()
	for _, plane := range planes(t) {
		for _, c := range []carrier{h1tls, h2tls} {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) { rotation(t, plane, c, 50*time.Millisecond, 500*time.Millisecond) })
		}
	}
}

// TestRouteChange: a route that changes under load is obeyed at once, and no
// request fails.
func TestRouteChange(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	for _, plane := range planes(t) {
		for _, c := range []carrier{h1, h2} {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) {
				one := c.serve(t, who, say("one"))
				two := c.serve(t, who, say("two"))
				addr := free(t)
				wanted := func(k int) dataplane.Proxy {
					p := between(c, c, who, addr, one.addr)
					p.Clusters = append(p.Clusters, dataplane.Cluster{Name: "other", Endpoints: []string{two.addr}, HTTP2: c.http2})
					p.Hosts[0].Routes[0].Cluster = []string{dataplane.ServiceCluster, "other"}[k%2]
					return p
				}
				i := begin(t, plane, wanted(0))
				stop := load(t, 4, func() *http.Client { return c.client(t, who) }, "http://"+addr+"/",
					func(status int, body string) bool { return status == 200 && (body == "one" || body == "two") })
				for k := range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					if err := i.Configure(ctx, wanted(k+1)); err != nil {
						t.Error(err)
					}
					cancel()
					becomes(t, c.client(t, who), "http://"+addr+"/", []string{"two", "one"}[k%2])
				}
				if stop() == 0 {
					t.Error("nothing was asked meanwhile")
				}
			})
		}
	}
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// becomes waits until an answer is the one that is wanted.
func becomes(t *testing.T, client *http.Client, url, body string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		r, err := client.Get(url)
		if err != nil {
			t.Error(err)
			return
		}
		got, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if string(got) == body {
			return
		}
	}
	t.Errorf("the answer never becomes %q", body)
}

// TestListenerChange: a listener that from now on demands TLS. New connections
// obey; one that stands serves once more and then ends.
func TestListenerChange(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	for _, plane := range planes(t) {
		for _, c := range []carrier{h1, h2} {
			t.Run(plane.Name()+" "+c.name, func(t *testing.T) {
				s := h1.serve(t, who, say("ok"))
				addr := free(t)
				i := begin(t, plane, between(c, h1, who, addr, s.addr))
				old := c.client(t, who)
				becomes(t, old, "http://"+addr+"/", "ok")
				secured := carrier{http2: c.http2, tls: true}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				if err := i.Configure(ctx, between(secured, h1, who, addr, s.addr)); err != nil {
					t.Fatal(err)
				}
				shakes(t, secured.client(t, who), "https://"+addr+"/")
				// The connection that stands serves once more, and then no more: a
				// new one would have to shake hands.
				r, err := old.Get("http://" + addr + "/")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				if r.StatusCode != 200 {
					t.Errorf("the old connection: got %d", r.StatusCode)
				}
				if plane.Name() == "embedded" { // Envoy drains by chance, over minutes
					ends(t, old, "http://"+addr+"/")
				}
			})
		}
	}
}

// shakes waits until a listener speaks TLS.
func shakes(t *testing.T, client *http.Client, url string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if r, err := client.Get(url); err == nil {
			r.Body.Close()
			return
		}
	}
	t.Fatal("the listener never speaks TLS")
}

// ends waits until a client's old connection is gone.
func ends(t *testing.T, client *http.Client, url string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		r, err := client.Get(url)
		if err != nil {
			return
		}
		r.Body.Close()
	}
	t.Error("the old connection never ends")
}

// TestDrain: a proxy that is told to end ends what is under way, for a while.
func TestDrain(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	plane := planes(t)[1] // Envoy ends at once
	for _, c := range []carrier{h1, h2, h1tls, h2tls} {
		t.Run(c.name, func(t *testing.T) {
			begun, goOn := make(chan struct{}), make(chan struct{})
			s := h1.serve(t, who, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					close(begun)
					<-goOn
				}
				_, _ = io.WriteString(w, "ok")
			})
			addr := free(t)
			i := begin(t, plane, between(c, h1, who, addr, s.addr))
			client := c.client(t, who)
			answered := make(chan string, 1)
			go func() {
				r, err := client.Get(c.scheme() + "://" + addr + "/slow")
				if err != nil {
					answered <- err.Error()
					return
				}
				defer r.Body.Close()
				body, err := io.ReadAll(r.Body)
				answered <- fmt.Sprintf("%d %s %v", r.StatusCode, body, err)
			}()
			<-begun
			stopped := make(chan error, 1)
			go func() { stopped <- i.Stop() }()
			refuses(t, addr)
			close(goOn)
			if got := <-answered; got != "200 ok <nil>" {
				t.Errorf("the request under way got %s", got)
			}
			if err := <-stopped; err != nil {
				t.Error(err)
			}
			<-i.Done()
			if err := i.Err(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// refuses waits until nobody takes connections any more.
func refuses(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		c.Close()
	}
	t.Errorf("%s still takes connections", addr)
}

// TestDrainIsBounded: what never ends does not keep a proxy from ending.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	plane := planes(t)[1]
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	for name, hang := range map[string]func(t *testing.T, addr string){
		"h1": func(t *testing.T, addr string) { go h1.client(t, who).Get("http://" + addr + "/") },
		"h2": func(t *testing.T, addr string) { go h2.client(t, who).Get("http://" + addr + "/") },
		"websocket": func(t *testing.T, addr string) {
			if _, err := fmt.Fprintf(dial(t, addr), upgrade, "/switch"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := make(chan struct{})
			s := h1.serve(t, who, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/switch" {
					c, rw, err := w.(http.Hijacker).Hijack()
					if err != nil {
						return
					}
					defer c.Close()
					fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
					_ = rw.Flush()
				}
				close(begun)
				<-over
			})
			addr := free(t)
			p := between(h1, h1, who, addr, s.addr)
			p.Shapes = append(p.Shapes, upgraded)
			i := begin(t, plane, p)
			hang(t, addr)
			<-begun
			if err := i.Stop(); err != nil {
				t.Error(err)
			}
			<-i.Done()
			if err := i.Err(); err != nil {
				t.Errorf("it did not end by itself: %v", err)
			}
		})
	}
}
