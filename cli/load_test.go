package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/load"
)

// loaded is what the tests look at of a load's JSON.
type loaded struct {
	Tare, Protocol, Verdict, Outcome string
	Closed, TLS                      bool
	Arrivals                         string
	Rate, Seconds                    float64
	Scheduled, Requests, Errors      int
	PerSecond                        float64                               `json:"requests_per_second"`
	LatencyUS                        struct{ P50, P90, P99, Max *float64 } `json:"latency_us"`
	LatenessUS                       struct{ P50, P90, P99, Max *float64 } `json:"lateness_us"`
	CPU                              *float64                              `json:"cpu_us_per_request"`
	SpinShare                        *float64                              `json:"spin_share"`
	Parts                            struct {
		Load   float64 `json:"generator_load_us"`
		Around float64 `json:"generator_around_us"`
		Parent float64 `json:"parent_us"`
	} `json:"cpu"`
	ConnectionsOpened      int `json:"connections_opened"`
	Saturated, Interrupted bool
	Outcomes               map[string]int
	Kinds                  []struct {
		Name  string
		Count int
	}
	Floor *struct {
		Requests int
		Latency  struct{ P50 *float64 } `json:"latency_us"`
	}
	Checks []struct {
		Name, State   string
		Figure, Limit *float64
	}
	Conditions []struct{ Condition, State, Why string }
}

// loadJSON runs a load and reads its JSON, whatever its exit code.
func loadJSON(t *testing.T, args ...string) (loaded, result) {
	t.Helper()
	r := tare(t, t.TempDir(), append([]string{"load", "-o", "json"}, args...)...)
	var got loaded
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v: exit %d, %v: %s%s", args, r.code, err, r.out, r.err)
	}
	return got, r
}

func TestLoadOpen(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer server.Close()
	got, r := loadJSON(t, server.URL, "--rate", "500", "--requests", "300", "--seed", "7")
	if r.code != 0 || got.Tare != "load/1" || got.Closed || got.Arrivals != "poisson" || got.Rate != 500 || got.Requests != 300 || seen.Load() != 300 || got.Errors != 0 || got.PerSecond <= 0 {
		t.Errorf("exit %d, the server saw %d: %+v", r.code, seen.Load(), got)
	}
	if got.LatencyUS.P50 == nil || got.LatencyUS.P99 != nil || got.LatenessUS.P50 == nil || got.CPU == nil || got.SpinShare == nil {
		t.Errorf("a median, no p99 and the generator's own figures are wanted: %+v", got)
	}
	if sum := got.Parts.Load + got.Parts.Around + got.Parts.Parent; got.Parts.Load <= 0 || got.Parts.Around <= 0 || got.Parts.Parent <= 0 || sum < 0.999**got.CPU || sum > 1.001**got.CPU {
		t.Errorf("CPU %v of %+v", *got.CPU, got.Parts)
	}
	if got.Floor == nil || got.Floor.Requests < 200 || got.Floor.Latency.P50 == nil {
		t.Errorf("no floor: %+v", got.Floor)
	}
	states := map[string]string{}
	for _, c := range got.Checks {
		states[c.Name] = c.State
	}
	for _, name := range []string{"lateness p50", "lateness p99", "work", "spin", "sent", "arrivals", "floor", "goodput"} {
		if states[name] == "" {
			t.Errorf("no check %s in %v", name, states)
		}
	}
	if states["sent"] != "ok" || states["lateness p99"] != "not possible" {
		t.Errorf("checks: %v", states)
	}
}

func TestLoadClosed(t *testing.T) {
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer server.Close()
	got, r := loadJSON(t, server.URL, "--closed", "--connections", "3", "--requests", "2000", "--no-floor")
	if r.code != 0 || !got.Closed || got.Rate != 0 || got.Requests != 2000 || seen.Load() != 2000 || got.Errors != 0 || got.ConnectionsOpened != 3 || got.Floor != nil {
		t.Errorf("exit %d, the server saw %d: %+v", r.code, seen.Load(), got)
	}
	if want := 2000 / got.Seconds; got.PerSecond < 0.99*want || got.PerSecond > 1.01*want {
		t.Errorf("%v requests/s, want %v", got.PerSecond, want)
	}
	if got.LatencyUS.P50 == nil || got.LatenessUS.P50 != nil || got.LatenessUS.Max != nil {
		t.Errorf("a latency and no lateness wanted: %+v", got)
	}
	r = tare(t, t.TempDir(), "load", server.URL, "--closed", "--duration", "100ms", "--no-floor")
	for _, want := range []string{"closed loop for", "requests/s:", "(closed loop: not comparable with open-loop latencies)"} {
		if r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("exit %d, %q is not in:\n%s%s", r.code, want, r.out, r.err)
		}
	}
	if strings.Contains(r.out, "\nlateness  ") || strings.Contains(r.out, "poisson") {
		t.Errorf("words of the open loop:\n%s", r.out)
	}
}

// A load whose answers are errors is a failure, by the limit that holds when
// nobody sets one.
func TestLoadFails(t *testing.T) {
	var n atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/500" || r.URL.Path == "/one" && n.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	for _, c := range []struct {
		name, path, fail string
		code             int
		err              string
	}{
		{"all errors", "/500", "", 1, "failed: errors<1%"},
		{"errors are allowed", "/500", "errors<100%,server-error>99%", 1, "failed: errors<100%"},
		{"one error is below the limit", "/one", "", 0, ""},
		{"a latency nobody reaches", "/", "p50<1us", 1, "failed: p50<1us"},
		{"too few for a quantile", "/", "p99<10s", 4, "undecided: p99<10s (p99 needs 10000 samples, there are 300)"},
		{"failed goes before undecided", "/", "p99<10s,p50<1us", 1, "failed: p50<1us"},
		{"met", "/", "p50<10s,rate>1/s,max<20s,lateness.p50<10s", 0, ""},
	} {
		args := []string{server.URL + c.path, "--rate", "2000", "--requests", "300", "--no-floor"}
		if c.fail != "" {
			args = append(args, "--fail", c.fail)
		}
		got, r := loadJSON(t, args...)
		if want := map[int]string{0: "ok", 1: "failed", 4: "undecided"}[c.code]; r.code != c.code || got.Outcome != want || !strings.Contains(r.err, c.err) || got.Requests != 300 {
			t.Errorf("%s: exit %d, %s: %s", c.name, r.code, got.Outcome, r.err)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	same := filepath.Join(t.TempDir(), "x")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--rate and --closed exclude", []string{"--closed", "--rate", "5"}},
		{"--requests and --duration exclude", []string{"--requests", "5", "--duration", "1s"}},
		{"--rate and --profile exclude", []string{"--rate", "5", "--profile", "1/s for 1s"}},
		{"--requests 0", []string{"--requests", "0"}},
		{"--duration -1s: it takes", []string{"--closed", "--duration", "-1s"}},
		{"--connections 0: it takes", []string{"--closed", "--connections", "0"}},
		{`unknown figure "p99ms"`, []string{"--fail", "p99ms<5"}},
		{"5 has no unit", []string{"--fail", "p99<5"}},
		{"there is no condition", []string{"--fail", ""}},
		{"write it as 'Name: value'", []string{"--header", "Accept"}},
		{"write it as name=value", []string{"--cookie", "a"}},
		{"--insecure is of TLS", []string{"--insecure"}},
		{"--think is of a closed loop", []string{"--think", "10ms"}},
		{"read the pause", []string{"--closed", "--think", "soon"}},
		{"read the profile", []string{"--profile", "fast"}},
		{"no such file", []string{"--trace", "/nowhere"}},
		{"no such file", []string{"--body-file", "/nowhere"}},
		{"no such file", []string{"--mix", "/nowhere"}},
		{"arrivals", []string{"--arrivals", "bursty"}},
		{"streams", []string{"--streams", "4"}},
		{"both want standard output", []string{"--html", "-", "--csv", "-"}},
		{"both want standard output", []string{"--html", "-", "-o", "json"}},
		{"name the same file", []string{"--html", same, "--csv", same}},
		{"unknown output format", []string{"-o", "xml"}},
	} {
		r := tare(t, t.TempDir(), append([]string{"load", "http://127.0.0.1:9/"}, c.args...)...)
		if r.code != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%v: exit %d, %s, want %q", c.args, r.code, r.err, c.want)
		}
	}
}

// Only a host that is named exactly is loaded beyond loopback and private
// networks.
func TestLoadGuard(t *testing.T) {
	for _, args := range [][]string{{"http://192.0.2.1/"}, {"http://192.0.2.1/", "--allow-target", "192.0.2.2"}, {"http://192.0.2.1/", "--allow-target", "*"}, {"http://169.254.169.254/"}} {
		r := tare(t, t.TempDir(), append([]string{"load"}, args...)...)
		if r.code != 2 || !strings.Contains(r.err, "give --allow-target") {
			t.Errorf("%v: exit %d, %s", args, r.code, r.err)
		}
	}
	// What is allowed gets as far as the next thing that is wrong.
	r := tare(t, t.TempDir(), "load", "http://192.0.2.1/", "--allow-target", "192.0.2.1", "--body", "x", "--method", "GET")
	if r.code != 2 || !strings.Contains(r.err, "a body with the method GET") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

func TestLoadNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close()
	r := tare(t, t.TempDir(), "load", url, "--duration", "100ms")
	if r.code != 3 || !strings.Contains(r.err, "refused; is a server listening there?") || r.out != "" {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}

// What was asked for is what the server sees.
func TestLoadRequests(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen[strings.Join([]string{r.Method, r.URL.Path, r.Host, r.Header.Get("X-A"), r.Header.Get("Cookie"), body.String()}, "|")]++
	}))
	defer server.Close()
	got, r := loadJSON(t, server.URL+"/a", "--rate", "1000", "--requests", "40", "--no-floor", "--header", "X-A: b", "--header", "Host: shop", "--cookie", "c=d", "--cookie", "e=f", "--body", "hi")
	if r.code != 0 || got.Requests != 40 || seen["POST|/a|shop|b|c=d; e=f|hi"] != 40 {
		t.Errorf("exit %d: %v %s", r.code, seen, r.err)
	}
	clear(seen)
	dir := t.TempDir()
	for name, text := range map[string]string{"order": "an order", "mix": "# two kinds\n3 GET /x/{pick:a|b}\n1 PUT /orders\n\tX-A: z\n\t@order\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, r = loadJSON(t, server.URL, "--rate", "2000", "--requests", "400", "--no-floor", "--mix", filepath.Join(dir, "mix"), "--template")
	host := strings.TrimPrefix(server.URL, "http://")
	a, b, put := seen["GET|/x/a|"+host+"|||"], seen["GET|/x/b|"+host+"|||"], seen["PUT|/orders|"+host+"|z||an order"]
	if r.code != 0 || a+b+put != 400 || a < 50 || b < 50 || put < 50 || len(got.Kinds) != 2 || got.Kinds[1].Count != put || got.Kinds[1].Name != "PUT /orders" {
		t.Errorf("exit %d: %v, %+v", r.code, seen, got.Kinds)
	}
}

// Shapes of load that are no constant Poisson rate.
func TestLoadShapes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	kept := filepath.Join(t.TempDir(), "kept.samples")
	first, r := loadJSON(t, server.URL, "--arrivals", "uniform", "--rate", "400", "--duration", "250ms", "--no-floor", "--samples", kept)
	if r.code != 0 || first.Requests < 99 || first.Requests > 101 || first.Arrivals != "uniform" {
		t.Errorf("uniform: exit %d, %+v", r.code, first)
	}
	file, err := os.Open(kept)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if samples, err := load.DecodeSamples(file); err != nil || len(samples) != first.Requests {
		t.Errorf("%d samples were kept, %v", len(samples), err)
	}
	if again, r := loadJSON(t, server.URL, "--trace", kept, "--no-floor"); r.code != 0 || again.Requests != first.Requests || again.Arrivals != "trace" {
		t.Errorf("trace: exit %d, %+v %s", r.code, again, r.err)
	}
	if got, r := loadJSON(t, server.URL, "--profile", "100/s..1000/s for 200ms, 1000/s for 100ms"); r.code != 0 || got.Scheduled < 100 || got.Scheduled > 400 || got.Requests != got.Scheduled || got.Floor == nil {
		t.Errorf("profile: exit %d, %+v %s", r.code, got, r.err)
	}
	if got, r := loadJSON(t, server.URL, "--new-connections", "--rate", "500", "--requests", "50", "--no-floor"); r.code != 0 || got.ConnectionsOpened < 50 {
		t.Errorf("new connections: exit %d, %+v %s", r.code, got, r.err)
	}
	if got, r := loadJSON(t, server.URL, "--churn", "50", "--rate", "500", "--requests", "250", "--no-floor"); r.code != 0 || got.ConnectionsOpened < 20 {
		t.Errorf("churn: exit %d, %+v %s", r.code, got, r.err)
	}
}

func TestLoadTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(200 + r.ProtoMajor) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		protocol string
		args     []string
	}{
		{"http/1.1", []string{"--cacert", ca, "--server-name", "example.com"}},
		{"http/2", []string{"--http2", "--insecure", "--streams", "4", "--connections", "2"}},
	} {
		got, r := loadJSON(t, append([]string{server.URL, "--rate", "300", "--requests", "60"}, c.args...)...)
		if r.code != 0 || got.Protocol != c.protocol || !got.TLS || got.Requests != 60 || got.Floor == nil || got.Floor.Requests < 200 {
			t.Errorf("%s: exit %d, %+v %s", c.protocol, r.code, got, r.err)
		}
	}
	if r := tare(t, t.TempDir(), "load", server.URL, "--requests", "5", "--no-floor"); r.code == 0 || !strings.Contains(r.out+r.err, "certificate") && !strings.Contains(r.out, "tls") {
		t.Errorf("an unknown authority: exit %d, %s%s", r.code, r.out, r.err)
	}
}

// Every file that can be asked for is written, and the page needs nothing else.
func TestLoadFiles(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dir := t.TempDir()
	args := []string{"load", server.URL, "--rate", "2000", "--requests", "1500", "--no-floor"}
	begins := map[string]string{"html": "<!DOCTYPE html>", "csv": "start_s,seconds,requests,errors", "hgrm": "Value"}
	for name := range begins {
		args = append(args, "--"+name, filepath.Join(dir, name))
	}
	if r := tare(t, dir, args...); r.code != 0 || !strings.Contains(r.out, "condition  errors<1%") {
		t.Fatalf("exit %d: %s%s", r.code, r.out, r.err)
	}
	for name, begin := range begins {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(strings.TrimSpace(string(text)), begin) {
			t.Errorf("%s: %v, %.60q", name, err, text)
		}
	}
	if r := tare(t, dir, "load", server.URL, "--requests", "50", "--no-floor", "--html", "-"); r.code != 0 || !strings.HasPrefix(r.out, "<!DOCTYPE html>") {
		t.Errorf("exit %d: %.80s%s", r.code, r.out, r.err)
	}
}

// An interrupted load reports what was done.
func TestLoadInterrupted(t *testing.T) {
	began := make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { once.Do(func() { close(began) }) }))
	defer server.Close()
	c := command(t, t.TempDir(), "", "load", server.URL, "--rate", "300", "--duration", "10m", "-o", "json")
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	select {
	case <-began:
	case <-ctx.Done():
		t.Fatalf("no request came: %s", errOut.String())
	}
	if err := c.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("ended with %v: %s", err, errOut.String())
	}
	var got loaded
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || !got.Interrupted || got.Requests < 1 || !strings.Contains(errOut.String(), "interrupted after") {
		t.Errorf("%v: %+v\n%s", err, got, errOut.String())
	}
}
