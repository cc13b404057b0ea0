package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestLoadClosed(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer server.Close()
	r := tare(t, t.TempDir(), "load", server.URL, "--closed", "--connections", "3", "--requests", "2000", "-o", "json")
	var got struct {
		Closed            bool
		Rate, Seconds     float64
		Requests, Errors  int
		PerSecond         float64                               `json:"requests_per_second"`
		LatencyUS         struct{ P50, P90, P99, Max *float64 } `json:"latency_us"`
		LatenessUS        struct{ P50, P90, P99, Max *float64 } `json:"lateness_us"`
		ConnectionsOpened int                                   `json:"connections_opened"`
		Saturated, Capped bool
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
	if r.code != 0 || !got.Closed || got.Rate != 0 || got.Requests != 2000 || seen.Load() != 2000 || got.Errors != 0 || got.ConnectionsOpened != 3 {
		t.Errorf("exit %d, the server saw %d: %+v", r.code, seen.Load(), got)
	}
	if want := 2000 / got.Seconds; got.PerSecond < 0.99*want || got.PerSecond > 1.01*want {
		t.Errorf("%v requests/s, want %v", got.PerSecond, want)
	}
	if got.LatencyUS.P50 == nil || got.LatenessUS.P50 != nil || got.LatenessUS.Max != nil {
		t.Errorf("a latency and no lateness wanted: %+v", got)
	}
	r = tare(t, t.TempDir(), "load", server.URL, "--closed", "--duration", "100ms")
	for _, want := range []string{"closed loop for", "requests/s:", "(closed loop: not comparable with open-loop latencies)"} {
		if r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, %q is not in:\n%s%s", r.code, want, r.out, r.err)
		}
	}
	if strings.Contains(r.out, "lateness") || strings.Contains(r.out, "Poisson") {
		t.Errorf("words of the open loop:\n%s", r.out)
	}
	r = tare(t, t.TempDir(), "load", server.URL, "--rate", "2000", "--requests", "100", "-o", "json")
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || r.code != 0 || got.Closed || got.Requests != 100 || got.PerSecond <= 0 {
		t.Errorf("exit %d, %v: %s%s", r.code, err, r.out, r.err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"give --closed or --rate", []string{"--closed", "--rate", "5"}},
		{"give --requests or --duration", []string{"--requests", "5", "--duration", "1s"}},
		{"--requests 0", []string{"--requests", "0"}},
		{"at most 8388608", []string{"--closed", "--requests", "8388609"}},
		{"the duration is -1s", []string{"--closed", "--duration", "-1s"}},
		{"a pool of 0 connections", []string{"--closed", "--connections", "0"}},
	} {
		r := tare(t, t.TempDir(), append([]string{"load", "http://127.0.0.1:9/"}, c.args...)...)
		if r.code != 2 || !strings.Contains(r.err, c.want) {
			t.Errorf("%v: exit %d, %s, want %q", c.args, r.code, r.err, c.want)
		}
	}
}
