package embedded

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// stats are the counters of one connection, or the sum of those that have
// ended. A connection's are touched by its own goroutine, so that counting
// costs an uncontended add; they are summed up when somebody asks.
type stats struct {
	requests, malformed, aborted, timeouts atomic.Uint64
	connects, connectFails, retries        atomic.Uint64
	upstreamBad, upstreamResets            atomic.Uint64
	pluginFailures                         atomic.Uint64
	class1, class2, class3, class4, class5 atomic.Uint64
}

func (s *stats) answered(status int) {
	switch status / 100 {
	case 2:
		s.class2.Add(1)
	case 3:
		s.class3.Add(1)
	case 4:
		s.class4.Add(1)
	case 5:
		s.class5.Add(1)
	default:
		s.class1.Add(1)
	}
}

// metric is one line of /metrics.
type metric struct {
	name, labels, help string
	of                 func(*stats) *atomic.Uint64
}

var metrics = []metric{
	{"tare_requests_total", "", "Requests whose head was read.", func(s *stats) *atomic.Uint64 { return &s.requests }},
	{"tare_responses_total", `{class="2xx"}`, "Responses by class.", func(s *stats) *atomic.Uint64 { return &s.class2 }},
	{"tare_responses_total", `{class="3xx"}`, "", func(s *stats) *atomic.Uint64 { return &s.class3 }},
	{"tare_responses_total", `{class="4xx"}`, "", func(s *stats) *atomic.Uint64 { return &s.class4 }},
	{"tare_responses_total", `{class="5xx"}`, "", func(s *stats) *atomic.Uint64 { return &s.class5 }},
	{"tare_responses_total", `{class="other"}`, "", func(s *stats) *atomic.Uint64 { return &s.class1 }},
	{"tare_malformed_requests_total", "", "Requests refused as malformed or ambiguous.", func(s *stats) *atomic.Uint64 { return &s.malformed }},
	{"tare_aborted_requests_total", "", "Requests whose client or upstream went away in the middle.", func(s *stats) *atomic.Uint64 { return &s.aborted }},
	{"tare_plugin_failures_total", "", "Requests that a proxy-wasm plugin failed.", func(s *stats) *atomic.Uint64 { return &s.pluginFailures }},
	{"tare_upstream_connects_total", "", "Connections opened to upstreams.", func(s *stats) *atomic.Uint64 { return &s.connects }},
	{"tare_upstream_connect_failures_total", "", "Connections to upstreams that failed.", func(s *stats) *atomic.Uint64 { return &s.connectFails }},
	{"tare_upstream_retries_total", "", "Requests sent again because a resting connection had ended.", func(s *stats) *atomic.Uint64 { return &s.retries }},
	{"tare_upstream_resets_total", "", "Upstreams that ended a connection before the response.", func(s *stats) *atomic.Uint64 { return &s.upstreamResets }},
	{"tare_upstream_malformed_total", "", "Responses refused as malformed or ambiguous.", func(s *stats) *atomic.Uint64 { return &s.upstreamBad }},
	{"tare_upstream_timeouts_total", "", "Responses that did not come in time.", func(s *stats) *atomic.Uint64 { return &s.timeouts }},
}

// add adds the counts of another.
func (s *stats) add(other *stats) {
	for _, m := range metrics {
		m.of(s).Add(m.of(other).Load())
	}
}

// total is the sum over all connections, living and ended.
func (p *proxy) total() *stats {
	t := new(stats)
	p.mu.Lock()
	defer p.mu.Unlock()
	t.add(&p.ended)
	for c := range p.conns {
		t.add(&c.stats)
	}
	return t
}

func (p *proxy) writeMetrics(w io.Writer) error {
	t := p.total()
	for _, m := range metrics {
		if m.help != "" {
			if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", m.name, m.help, m.name); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s%s %d\n", m.name, m.labels, m.of(t).Load()); err != nil {
			return err
		}
	}
	for _, f := range p.families() {
		if err := f.write(w); err != nil {
			return err
		}
	}
	return nil
}

// admin serves /metrics and /ready.
func (p *proxy) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		// A scraper that hangs up is no fault of ours.
		_ = p.writeMetrics(w)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if p.table.Load() == nil {
			http.Error(w, "no configuration yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	return mux
}
