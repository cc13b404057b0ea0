package echo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

func config(t *testing.T, text string) json.RawMessage {
	t.Helper()
	p, err := study.JSONParams("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Workload().Service(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start serves in this process until the test ends.
func start(t *testing.T, service json.RawMessage, middlewares ...workload.Middleware) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ready, end := make(chan workload.Ready, 1), make(chan error, 1)
	go func() {
		end <- Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: service}, middlewares, func(r workload.Ready) { ready <- r })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	select {
	case r := <-ready:
		return "http://" + r.Addr
	case err := <-end:
		t.Fatal(err)
	}
	return ""
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", url, resp.Status)
	}
	return string(body)
}

func stats(t *testing.T, url string) workload.Stats {
	t.Helper()
	var s workload.Stats
	if err := json.Unmarshal([]byte(get(t, url+workload.StatsPath)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlainAnswersAndCounts(t *testing.T) {
	url := start(t, config(t, `{"response": "1KiB"}`))
	const requests = 20
	for range requests {
		if got := len(get(t, url+"/any/path?x=1")); got != 1024 {
			t.Errorf("%d bytes, want 1024", got)
		}
	}
	if got, want := stats(t, url), (workload.Stats{Served: requests}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// A body is read to its end, counted, and leaves its connection of use, also
// one that net/http would not read by itself.
func TestBodiesAreReadAndCounted(t *testing.T) {
	for _, given := range []string{`{}`, `{"work": "1us"}`} {
		url := start(t, config(t, given))
		want := int64(0)
		var from string
		for _, size := range []int{1, 5000, 1 << 20} {
			want += int64(size)
			var reused bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
				reused, from = from == "" || i.Conn.LocalAddr().String() == from, i.Conn.LocalAddr().String()
			}})
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(strings.Repeat(".", size)))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || !reused {
				t.Errorf("%d bytes: %s, on the same connection: %t", size, resp.Status, reused)
			}
		}
		if got := stats(t, url); got.Received != want || got.Served != 3 {
			t.Errorf("%s: stats %+v, want %d bytes received of 3 requests", given, got, want)
		}
	}
}

func TestWorkIsDoneAndWitnessed(t *testing.T) {
	const work, requests, clients = 300 * time.Microsecond, 40, 4
	url := start(t, config(t, `{"work": "300us"}`))
	before, err := measure.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests / clients {
				get(t, url)
			}
		})
	}
	wg.Wait()
	after, err := measure.CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	s := stats(t, url)
	if s.Served != requests || s.Worked != requests {
		t.Errorf("stats %+v, want %d served and worked", s, requests)
	}
	each := time.Duration(s.WorkCPU / s.Worked)
	if each < work {
		t.Errorf("the witness says %v a request, want at least %v", each, work)
	}
	if used := after - before; used < requests*work {
		t.Errorf("the process used %v for %d requests of %v", used, requests, work)
	}
	if s.WorkCPU > int64(after-before) {
		t.Errorf("the witness %v exceeds what the process used, %v", time.Duration(s.WorkCPU), after-before)
	}
}

func TestMiddlewaresStandBeforeTheHandler(t *testing.T) {
	refuse := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "refused") })
	}
	url := start(t, nil, refuse)
	if got := get(t, url); got != "refused" {
		t.Errorf("answer %q, want the middleware's", got)
	}
	if s := stats(t, url); s.Served != 0 {
		t.Errorf("stats %+v: a request that a function answered counts as served", s)
	}
}

func TestParameters(t *testing.T) {
	for text, want := range map[string]params{
		`{}`:                                   {Response: 64},
		`{"work": "5us"}`:                      {Work: 5 * time.Microsecond, Response: 64},
		`{"work": "0s", "response": "0B"}`:     {},
		`{"work": "1ms", "response": "16MiB"}`: {Work: time.Millisecond, Response: workload.MaxSize},
	} {
		var got params
		if err := json.Unmarshal(config(t, text), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, bad := range []string{
		`{"wrok": "5us"}`, `{"work": 5}`, `{"work": "5"}`, `{"work": "-5us"}`, `{"work": "2s"}`, `{"response": 64}`, `{"response": "-1B"}`,
	} {
		p, err := study.JSONParams("test", []byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		if c, err := Workload().Service(nil, p); err == nil {
			t.Errorf("%s is taken as %s, want an error", bad, c)
		}
	}
}

func TestServeRefusesBadConfiguration(t *testing.T) {
	for _, bad := range []string{`{"work_ns": -1}`, `{"unknown": 1}`, `[]`, `{"response": 64}`} {
		cfg := workload.Config{Listen: "127.0.0.1:0", Service: json.RawMessage(bad)}
		err := Serve(t.Context(), cfg, nil, func(workload.Ready) { t.Errorf("ready with %s", bad) })
		if err == nil || !strings.Contains(err.Error(), "configuration of echo") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

func Example() {
	p, err := study.JSONParams("example", []byte(`{"work": "20us", "response": "64B"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	service, err := Workload().Service(nil, p)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = Serve(ctx, workload.Config{Listen: "127.0.0.1:0", Service: service}, nil, func(r workload.Ready) {
		resp, err := http.Get("http://" + r.Addr)
		if err == nil {
			fmt.Println(resp.Status, resp.ContentLength)
			resp.Body.Close()
		}
		cancel()
	})
	fmt.Println(err)
	// Output:
	// 200 OK 64
	// <nil>
}

func BenchmarkLabour(b *testing.B) {
	for _, work := range []time.Duration{5 * time.Microsecond, 20 * time.Microsecond, 100 * time.Microsecond} {
		b.Run(work.String(), func(b *testing.B) {
			e := newEcho(params{Work: work})
			before, err := measure.CPU(os.Getpid())
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				e.labour()
			}
			after, err := measure.CPU(os.Getpid())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64((after-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(e.workCPU.Load())/float64(e.worked.Load()), "witness-ns/op")
		})
	}
}
