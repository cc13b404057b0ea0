package embedded

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
)

// The page is what Prometheus reads, whatever the names of clusters, and says
// what came of the requests.
func TestMetricsAreRead(t *testing.T) {
	var tried atomic.Int64
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case r.URL.Path == "/third" && tried.Add(1) < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer up.Close()
	const odd = "a \"cluster\"\\\nof two lines"
	p := newProxy(envoyLimits)
	t.Cleanup(p.close)
	at := up.Listener.Addr().String()
	c := &cluster{name: odd, endpoints: []*endpoint{p.endpoint(at)}}
	table := tableOf(t, c, nil, dataplane.AnyPath(), &routev3.RouteAction{RetryPolicy: &routev3.RetryPolicy{RetryOn: "5xx", NumRetries: wrapperspb.UInt32(2)}})
	table.clusters = map[string]*cluster{odd: c}
	p.use(table, []string{at})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.listen(l)
	addr := l.Addr().String()
	for _, path := range []string{"/", "/", "/teapot", "/third"} {
		r, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	// An answer is read before the proxy is done with its request.
	began := time.Now()
	var text strings.Builder
	for look := time.NewTicker(time.Millisecond); ; <-look.C {
		text.Reset()
		if err := p.writeMetrics(&text); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "\ntare_requests_active 0\n") {
			look.Stop()
			break
		}
		if time.Since(began) > 10*time.Second {
			t.Fatalf("requests stay under way:\n%s", text.String())
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	// value is that of the line whose labels have all of these values.
	value := func(name string, labels ...string) float64 {
		t.Helper()
		for _, m := range families[name].GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetValue())
			}
			if strings.Join(has, "|") == strings.Join(labels, "|") {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		t.Fatalf("no %s of %v in\n%s", name, labels, text.String())
		return 0
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"tare_requests_total", nil, 4},
		{"tare_responses_total", []string{"2xx"}, 3},
		{"tare_cluster_responses_total", []string{odd, "2xx"}, 3},
		{"tare_cluster_responses_total", []string{odd, "4xx"}, 1},
		{"tare_cluster_responses_total", []string{odd, "5xx"}, 2},
		{"tare_cluster_failures_total", []string{odd, "connect"}, 0},
		{"tare_cluster_retries_total", []string{odd}, 2},
		{"tare_cluster_connections", []string{odd}, 1},
		{"tare_connections", []string{"http1"}, 1},
		{"tare_connections", []string{"http2"}, 0},
		{"tare_requests_active", nil, 0},
		{"tare_handshake_failures_total", nil, 0},
	} {
		if got := value(c.name, c.labels...); got != c.want {
			t.Errorf("%s %v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

// Administration is this machine's alone.
func TestAdminOnLoopbackOnly(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "127.8.8.8:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "192.0.2.1:0": false, "localhost:0": false, "127.0.0.1": false, "": true,
	} {
		p := newProxy(envoyLimits)
		_, stop, err := p.administer(addr)
		if ok && err != nil && !strings.Contains(err.Error(), "cannot assign") || !ok && (err == nil || !strings.Contains(err.Error(), addr)) {
			t.Errorf("%q: got %v", addr, err)
		}
		if err == nil {
			stop()
		}
		p.close()
	}
}
