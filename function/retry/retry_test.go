package retry

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"
)

func decode(t *testing.T, text string) (Spec, error) {
	t.Helper()
	p, err := study.JSONParams("p", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return s.(Spec), nil
}

func must(t *testing.T, text string) Spec {
	t.Helper()
	s, err := decode(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"on": ["5xx"]}`:                                          "",
		`{"statuses": [409], "per_try": "1s"}`:                     "",
		`{"on": ["reset"], "budget": {"percent": 20, "least": 3}}`: "",
		`{}`:                                              "no condition",
		`{"on": ["4xx"]}`:                                 `on[0]: "4xx"`,
		`{"on": ["5xx", "5xx"]}`:                          "on[1]",
		`{"statuses": [200]}`:                             "statuses[0]",
		`{"on": ["5xx"], "retries": 0}`:                   "retries: 0",
		`{"on": ["5xx"], "retries": 101}`:                 "retries: 101",
		`{"on": ["5xx"], "base": "1us"}`:                  "base: 1µs",
		`{"on": ["5xx"], "base": "1s", "longest": "1ms"}`: "longest: 1ms",
		`{"on": ["5xx"], "per_try": "-1s"}`:               "per_try",
		`{"on": ["5xx"], "budget": {"percent": 101}}`:     "budget: percent",
		`{"on": ["5xx"], "budget": {"least": -1}}`:        "budget: least",
		`{"on": ["5xx"], "jitter": 1}`:                    "jitter",
	} {
		if _, err := decode(t, text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	if s := must(t, `{"on": ["5xx"]}`); s.Retries != 1 || s.Base.Std() != 25*time.Millisecond || s.Longest != 10*s.Base {
		t.Errorf("the defaults are %+v", s)
	}
}

func TestShapeBoundsOnlyClustersOfRoutes(t *testing.T) {
	r := &dataplane.Resources{
		Routes: &routev3.RouteConfiguration{VirtualHosts: []*routev3.VirtualHost{{Routes: []*routev3.Route{{
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "a"}}}}}}}},
		Clusters: []*clusterv3.Cluster{{Name: "a"}, {Name: "b"}},
	}
	if err := shape(must(t, `{"on": ["5xx", "reset"], "statuses": [409], "budget": {"percent": 20, "least": 3}}`), r); err != nil {
		t.Fatal(err)
	}
	if on := r.Routes.VirtualHosts[0].Routes[0].GetRoute().GetRetryPolicy().GetRetryOn(); on != "5xx,reset,retriable-status-codes" {
		t.Errorf("the route retries on %s", on)
	}
	if got := r.Clusters[0].GetCircuitBreakers().GetThresholds()[0].GetRetryBudget().GetMinRetryConcurrency().GetValue(); got != 3 || r.Clusters[1].CircuitBreakers != nil {
		t.Errorf("the budget is %d, the other cluster has %v", got, r.Clusters[1].CircuitBreakers)
	}
}

// TestBackoffIsFullJitter: between nothing and its bound, which doubles until
// it is the longest.
func TestBackoffIsFullJitter(t *testing.T) {
	const base, longest = 10 * time.Millisecond, 50 * time.Millisecond
	for n, bound := range []time.Duration{base, 2 * base, 4 * base, longest, longest, longest} {
		var low, high time.Duration = longest, 0
		for range 1000 {
			d := backoff(base, longest, n, nil)
			low, high = min(low, d), max(high, d)
		}
		if high >= bound || high < bound*9/10 || low > bound/10 { // by chance once in 10^40
			t.Errorf("before retry %d: from %v to %v, want from 0 to %v", n+1, low, high, bound)
		}
	}
	if d := backoff(time.Millisecond, time.Hour, 1000, nil); d < 0 || d >= time.Hour {
		t.Errorf("before the thousandth: %v", d)
	}
}

// counted closes what it must.
type counted struct {
	io.Reader
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return nil
}

// TestAnswersGivenUpAreClosed, or their connections would be lost; and the body
// of the request is closed, as a round tripper has to.
func TestAnswersGivenUpAreClosed(t *testing.T) {
	var open atomic.Int64
	n := 0
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		n++
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "again" {
			t.Errorf("attempt %d has the body %q, error %v", n, body, err)
		}
		open.Add(1)
		return &http.Response{StatusCode: 503, Header: http.Header{}, Body: &counted{Reader: strings.NewReader("busy"), open: &open}}, nil
	})
	sent := &counted{Reader: bytes.NewBufferString("again"), open: &open}
	open.Add(1)
	r := httptest.NewRequest(http.MethodPost, "http://service/", sent)
	resp, err := Transport(must(t, `{"on": ["5xx"], "retries": 3, "base": "1ms"}`), nil, next).RoundTrip(r)
	if err != nil || resp.StatusCode != 503 || n != 4 {
		t.Fatalf("%d attempts, %v, error %v", n, resp, err)
	}
	if open.Load() != 1 {
		t.Errorf("%d bodies are open, want the last answer's", open.Load())
	}
	resp.Body.Close()
	if open.Load() != 0 {
		t.Errorf("%d bodies are open at the end", open.Load())
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRetriesGoElsewhere: to the next address, with the host that was asked for.
func TestRetriesGoElsewhere(t *testing.T) {
	var hosts []string
	next := roundTrip(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host+" "+r.Host)
		return &http.Response{StatusCode: 502, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rt := Transport(must(t, `{"on": ["gateway-error"], "retries": 3, "base": "1ms"}`), []string{"a:1", "b:2", "c:3"}, next)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://b:2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(hosts, ", "); got != "b:2 b:2, c:3 b:2, a:1 b:2, b:2 b:2" {
		t.Errorf("the attempts went to %s", got)
	}
}

// TestBudgetIsGivenBack, whatever becomes of the attempts.
func TestBudgetIsGivenBack(t *testing.T) {
	n := 0
	next := roundTrip(func(*http.Request) (*http.Response, error) {
		n++
		return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rt := Transport(must(t, `{"on": ["5xx"], "retries": 2, "base": "1ms", "budget": {"percent": 0, "least": 1}}`), nil, next)
	for i := range 5 {
		r := httptest.NewRequest(http.MethodGet, "http://service/", nil)
		if _, err := rt.RoundTrip(r); err != nil || n != 3*(i+1) {
			t.Fatalf("request %d: %d attempts in all, error %v", i, n, err)
		}
	}
	if held := rt.(*transport).retries.Load(); held != 0 {
		t.Errorf("%d places are held", held)
	}
}

// TestUpgradedConnectionsLast: a switched protocol is no response that takes
// its time.
func TestUpgradedConnectionsLast(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("connection", "upgrade")
		w.Header().Set("upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := io.Copy(c, c); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	const limit = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 3*limit) // which says when the limit is over for sure
	defer cancel()
	r, err := http.NewRequest(http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("connection", "upgrade")
	r.Header.Set("upgrade", "echo")
	resp, err := Transport(must(t, `{"on": ["5xx"], "per_try": "100ms"}`), nil, http.DefaultTransport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-ctx.Done()
	echo, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("the body is a %T", resp.Body)
	}
	answer := make([]byte, 5)
	if _, err := io.WriteString(echo, "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(echo, answer); err != nil || string(answer) != "hello" {
		t.Errorf("%q, error %v", answer, err)
	}
}
