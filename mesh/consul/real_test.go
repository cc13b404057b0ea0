//go:build mesh

package consul_test

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/mesh/consul"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// site is everything that a test on a real mesh needs.
type site struct {
	bench  *catalog.Bench
	plan   *study.Plan
	app    *experiment.Apparatus
	fn     function.Function
	spec   function.Spec
	people map[string][]int // users by subscription
}

// newSite looks up a study of Image Hub with these treatments.
func newSite(t *testing.T, treatments string) *site {
	t.Helper()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s, err := study.Parse("test.yaml", []byte(head+treatments))
	if err != nil {
		t.Fatal(err)
	}
	p := &site{bench: b, people: map[string][]int{}}
	if p.plan, err = study.MakePlan(*s, study.Options{}); err != nil {
		t.Fatal(err)
	}
	if p.app, err = experiment.NewApparatus(p.plan, b.Catalog); err != nil {
		t.Fatal(err)
	}
	if p.fn, err = b.Functions.Get("ratelimit"); err != nil {
		t.Fatal(err)
	}
	if p.spec, err = p.fn.Decode(s.Function.Params); err != nil {
		t.Fatal(err)
	}
	k := 0
	for i, n := range s.Load.Users.Sizes() {
		for range n {
			name := s.Load.Users.Mix[i].Subscription
			p.people[name] = append(p.people[name], k)
			k++
		}
	}
	return p
}

const head = `tare: study/1
name: real
dataplane: envoy
testbed: consul
workload: {name: imagehub, params: {response: 100B}}
function:
  name: ratelimit
  params:
    limits: {Personal: 10/min, Team: 100/min, Enterprise: 1000/min}
    paths: [/pull]
load:
  rate: 50/s
  users:
    count: 12
    mix:
      - {subscription: Personal, share: 50%, weight: 10}
      - {subscription: Team, share: 25%, weight: 100}
      - {subscription: Enterprise, share: 25%, weight: 1000}
treatments:
  - {name: direct, control: direct}
  - {name: mesh, control: router, baseline: direct}
`

const both = `
  - {name: token, control: token, baseline: mesh}
  - {name: wasm, form: wasm, baseline: token}
  - {name: library, form: library, baseline: token}
`

// up brings the topologies up and takes them down at the test's end.
func (p *site) up(t *testing.T) testbed.Setup {
	t.Helper()
	order := make([]int, len(p.app.Topologies))
	for i := range order {
		order[i] = i
	}
	s, err := p.app.Testbed.Up(t.Context(), p.app.Topologies, order)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (p *site) index(t *testing.T, name string) int {
	t.Helper()
	i := p.plan.Study.Index(name)
	if i < 0 {
		t.Fatalf("no treatment %s", name)
	}
	return i
}

// token is the bearer token of a user.
func (p *site) token(user int) string { return p.app.Population.Users[user].Header[0][1] }

// pull asks once and returns the status and the body.
func pull(addr, authorization string, header ...string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+addr+"/pull?image=library/tare:1.0", nil)
	if err != nil {
		return 0, "", err
	}
	req.Close = true
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// press sends n pulls of a user, some at a time, and returns what was seen.
func (p *site) press(t *testing.T, addr string, user, n int, began time.Time) []function.Observation {
	t.Helper()
	subscription := ""
	for name, is := range p.people {
		if slices.Contains(is, user) {
			subscription = name
		}
	}
	caller := function.Caller{User: userName(user), Subscription: subscription}
	seen := make([]function.Observation, n)
	errs := make([]error, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range next {
				o := function.Observation{Path: "/pull", Caller: caller, Earliest: time.Since(began)}
				status, text, err := pull(addr, p.token(user))
				o.Latest = time.Since(began)
				switch {
				case err != nil:
					errs[i] = err
				case status == http.StatusOK:
					o.Outcome = function.Allowed
				case status == http.StatusTooManyRequests:
					o.Outcome = function.Refused
				default:
					errs[i] = errors.New(http.StatusText(status) + ": " + text)
				}
				seen[i] = o
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return seen
}

func userName(i int) string { return "user-0000" + string(rune('0'+i)) }

func allowed(seen []function.Observation) (n int) {
	for _, o := range seen {
		if o.Outcome == function.Allowed {
			n++
		}
	}
	return n
}

// Every subscription gets its minute's worth and what flows back meanwhile,
// to the request, by the module in the sidecar and by the library in the
// service.
func TestSubscriptionsAreEnforced(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	for _, name := range []string{"wasm", "library"} {
		t.Run(name, func(t *testing.T) {
			i := p.index(t, name)
			began := time.Now()
			var all []function.Observation
			for _, c := range []struct {
				subscription string
				limit, send  int
			}{{"Personal", 10, 30}, {"Team", 100, 150}, {"Enterprise", 1000, 1100}} {
				from := time.Since(began)
				seen := p.press(t, s.Addr(i), p.people[c.subscription][0], c.send, began)
				gained := int((time.Since(began)-from).Minutes()*float64(c.limit)) + 1
				if got := allowed(seen); got < c.limit || got > min(c.send, c.limit+gained) {
					t.Errorf("%s: %d of %d allowed, want %d and at most %d that flowed back", c.subscription, got, c.send, c.limit, gained)
				}
				all = append(all, seen...)
			}
			st, err := s.Stats(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(all, func(a, b function.Observation) int { return int(a.Earliest - b.Earliest) })
			served := int(st.Served) - 1 // the probe
			if err := p.fn.Judge(p.spec, function.Evidence{Observations: all, Served: served}); err != nil {
				t.Error(err)
			}
		})
	}
	if n := len(s.Processes(p.index(t, "wasm"))); n != 3 {
		t.Errorf("%d processes of a treatment on the mesh, want service and two sidecars", n)
	}
	if n := len(s.Processes(p.index(t, "direct"))); n != 1 {
		t.Errorf("%d processes of a treatment off the mesh", n)
	}
}

// A user cannot borrow another's subscription by sending the headers that hand
// on claims: neither the forwarded payload nor those of other planes.
func TestClaimsCannotBeForged(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	i := p.index(t, "wasm")
	poor := p.people["Personal"][1]
	payload, err := json.Marshal(map[string]string{"sub": userName(p.people["Enterprise"][1]), "subscription": "Enterprise"})
	if err != nil {
		t.Fatal(err)
	}
	began, n := time.Now(), 0
	for range 30 {
		status, text, err := pull(s.Addr(i), p.token(poor), "x-token-payload", base64.RawURLEncoding.EncodeToString(payload),
			"x-user", "somebody", "x-subscription", "Enterprise")
		if err != nil || status != http.StatusOK && status != http.StatusTooManyRequests {
			t.Fatalf("%d %s, %v", status, text, err)
		}
		if status == http.StatusOK {
			n++
		}
	}
	if most := 10 + int(time.Since(began).Seconds()/6) + 1; n < 10 || n > most {
		t.Errorf("%d of 30 allowed with forged claims, want 10 to %d", n, most)
	}
}

// A request without a good token gets as far as the sidecar.
func TestSidecarChecksTokens(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	good := p.token(p.people["Team"][0])
	for _, name := range []string{"token", "wasm", "library"} {
		i := p.index(t, name)
		before, err := s.Stats(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		for what, authorization := range map[string]string{
			"no token": "", "no scheme": strings.TrimPrefix(good, "Bearer "), "another signature": good[:len(good)-8] + "AAAAAAAA", "nonsense": "Bearer x.y.z",
		} {
			status, text, err := pull(s.Addr(i), authorization)
			if err != nil || status != http.StatusForbidden && status != http.StatusUnauthorized || !strings.Contains(text, "RBAC") {
				t.Errorf("%s, %s: %d %q, %v; want the sidecar's refusal", name, what, status, text, err)
			}
		}
		after, err := s.Stats(t.Context(), i)
		if err != nil || after != before {
			t.Errorf("%s: the service's count went from %+v to %+v, %v", name, before, after, err)
		}
		if status, text, err := pull(s.Addr(i), good); err != nil || status != http.StatusOK {
			t.Errorf("%s, a good token: %d %q, %v", name, status, text, err)
		}
	}
	// Off the check, the service refuses by itself.
	if status, text, err := pull(s.Addr(p.index(t, "mesh")), ""); err != nil || status != http.StatusUnauthorized || strings.Contains(text, "RBAC") {
		t.Errorf("mesh without the check: %d %q, %v", status, text, err)
	}
}

// The sidecar's port takes mutual TLS and nothing else.
func TestPlaintextIsRefused(t *testing.T) {
	p := newSite(t, "")
	s := p.up(t)
	i := p.index(t, "mesh")
	addr, user := consul.Public(s, i), p.people["Team"][0]
	if status, text, err := pull(addr, p.token(user)); err == nil {
		t.Errorf("plain HTTP was answered: %d %q", status, text)
	}
	if err := withoutCertificate(addr); err == nil {
		t.Error("TLS without a client's certificate was answered")
	}
	if status, text, err := pull(s.Addr(i), p.token(user)); err != nil || status != http.StatusOK {
		t.Errorf("through the front end's sidecar: %d %q, %v", status, text, err)
	}
}

func withoutCertificate(addr string) error {
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /pull HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1)) // with TLS 1.3 the refusal comes here
	return err
}

// An intention that denies takes effect, and is taken back. Who has none is
// denied.
func TestDeniedIntention(t *testing.T) {
	p := newSite(t, "")
	s := p.up(t)
	i, user := p.index(t, "mesh"), p.people["Team"][0]
	for _, c := range []struct {
		web, action string
		status      int
	}{
		{"web-mesh", "deny", http.StatusForbidden},
		{"web-mesh", "allow", http.StatusOK},
		{"web-other", "allow", http.StatusForbidden},
	} {
		if err := consul.Intention(t.Context(), s, "mesh", c.web, c.action); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() string {
			status, text, err := pull(s.Addr(i), p.token(user))
			if err == nil && status == c.status {
				return ""
			}
			return c.action + " " + c.web + ": " + http.StatusText(status) + " " + text
		})
	}
}

// A module that is none: what Envoy says of it is the error, and nothing stays.
func TestRefusedModule(t *testing.T) {
	p := newSite(t, both)
	i := p.index(t, "wasm")
	broken, err := xds.WasmFilter("broken", []byte("\x00asm and nothing else"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x := p.app.Topologies[i]
	x.Proxy.Filters[len(x.Proxy.Filters)-1] = broken
	s, err := p.app.Testbed.Up(t.Context(), []testbed.Topology{x}, []int{0})
	if err == nil {
		s.Down()
		t.Fatal("it stands")
	}
	if !strings.Contains(err.Error(), "refused what Consul told it") || !strings.Contains(err.Error(), "wasm") {
		t.Errorf("%v", err)
	}
}

// A process that ends by itself is told of, be it a sidecar or the agent.
func TestDeathIsTold(t *testing.T) {
	p := newSite(t, "")
	for name, victim := range map[string]func(testbed.Setup) int{
		"envoy api-mesh-sidecar": func(s testbed.Setup) int { return s.Processes(p.index(t, "mesh"))[1].PID },
		"the Consul agent":       consul.AgentPID,
	} {
		s := p.up(t)
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(victim(s), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Died():
		case <-time.After(time.Minute):
			t.Fatalf("%s: nobody told", name)
		}
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), name+" ended") {
			t.Errorf("%v", err)
		}
		if err := s.Down(); err != nil {
			t.Error(err)
		}
	}
}

// A paused treatment does not answer; the others do, and it does again.
func TestPause(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	mesh, token, user := p.index(t, "mesh"), p.index(t, "token"), p.people["Team"][0]
	if err := s.Pause(mesh); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Addr(mesh))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /pull?image=a HTTP/1.1\r\nHost: a\r\nAuthorization: "+p.token(user)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if status, text, err := pull(s.Addr(token), p.token(user)); err != nil || status != http.StatusOK {
		t.Errorf("another treatment: %d %q, %v", status, text, err)
	}
	first := make([]byte, 12)
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(first); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a paused treatment answered: %q, %v", first, err)
	}
	if err := s.Resume(mesh); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" {
		t.Errorf("%q, %v", first, err)
	}
}
