package imagehub

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

const childEnv = "IMAGEHUB_TEST_CHILD"

// The kinds of child that the test binary can be.
const (
	realService = "real"
	unverified  = "unverified" // all of the service but the ES256 verification
)

// TestMain lets the test binary be a service process, as a study starts one.
func TestMain(m *testing.M) {
	kind := os.Getenv(childEnv)
	if kind == "" {
		os.Exit(m.Run())
	}
	serve := map[string]func(context.Context, workload.Config) error{
		realService: func(ctx context.Context, cfg workload.Config) error {
			return Serve(ctx, cfg, nil, workload.Announce(os.Stdout))
		},
		unverified: serveUnverified,
	}[kind]
	cfg, err := workload.ReadConfig(os.Stdin)
	if err == nil {
		err = serve(context.Background(), cfg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveUnverified is Serve with everything but the verification of signatures:
// what it takes less CPU than the real one is what the verification costs there.
func serveUnverified(ctx context.Context, cfg workload.Config) error {
	var c config
	if err := json.Unmarshal(cfg.Service, &c); err != nil {
		return err
	}
	key, err := parseJWKS(c.JWKS)
	if err != nil {
		return err
	}
	v := newVerifier(key, time.Now)
	p := newPuller(c.Response)
	routes := router{"/pull": {[]string{http.MethodGet}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := bearer(r.Header["Authorization"])
		if err != nil {
			refuse(w, err)
			return
		}
		header, rest, _ := strings.Cut(token, ".")
		payload, _, _ := strings.Cut(rest, ".")
		if header != v.ours {
			refuse(w, errKey)
			return
		}
		caller, err := v.checkClaims(payload)
		if err != nil {
			refuse(w, err)
			return
		}
		p.ServeHTTP(w, r.WithContext(function.WithCaller(r.Context(), caller)))
	})}}
	return workload.Run(ctx, cfg, workload.Service{Handler: routes, Stats: p.stats}, workload.Announce(os.Stdout))
}

// prepared is a study's service with users to pull.
func prepared(t testing.TB, users int) (*workload.Prepared, json.RawMessage) {
	t.Helper()
	all := make([]workload.User, users)
	for i := range all {
		all[i] = workload.User{Name: fmt.Sprintf("user-%05d", i), Subscription: Subscriptions()[i%3].Name}
	}
	w := Workload()
	p, err := w.Prepare(all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Service(p, study.Params{})
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// startProcess starts a service process and returns its address.
func startProcess(t testing.TB, kind string, service json.RawMessage) (pid int, addr string) {
	t.Helper()
	cfg, err := json.Marshal(workload.Config{Listen: "127.0.0.1:0", Workers: 1, Service: service})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(cfg), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	var r workload.Ready
	if err := json.NewDecoder(out).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, r.Addr
}

// verifyCost is the CPU time of one bare ES256 verification in a tight loop.
func verifyCost(b *testing.B, p *workload.Prepared) time.Duration {
	b.Helper()
	key, err := parseJWKS(p.Check.JWKS)
	if err != nil {
		b.Fatal(err)
	}
	v := newVerifier(key, time.Now)
	dot := strings.LastIndexByte(p.Tokens[0], '.')
	signed, signature := p.Tokens[0][:dot], p.Tokens[0][dot+1:]
	const batches, times = 5, 400
	least := time.Duration(1<<63 - 1)
	for range batches {
		start := processCPU(b, os.Getpid())
		for range times {
			if err := v.checkSignature(signed, signature); err != nil {
				b.Fatal(err)
			}
		}
		least = min(least, (processCPU(b, os.Getpid())-start)/times)
	}
	return least
}

func processCPU(t testing.TB, pid int) time.Duration {
	t.Helper()
	d, err := measure.CPU(pid)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// BenchmarkPull gives the CPU time of GET /pull, what of it is the ES256
// verification (verify-us) and what is beside it: in the handler alone, and of
// a service process on loopback, the kernel's share included. There the
// same service without the verification is loaded in turns with the real one,
// so that both see the same machine; their difference is more than a
// verification in a tight loop (verify-alone-us), since caches are colder and
// the Go runtime's monitor thread runs for as long as the process is busy.
func BenchmarkPull(b *testing.B) {
	p, service := prepared(b, 500)
	b.Run("handler", func(b *testing.B) { benchmarkHandler(b, p) })
	b.Run("loopback", func(b *testing.B) { benchmarkLoopback(b, p, service) })
}

func report(b *testing.B, all, verify time.Duration) {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	b.ReportMetric(us(all), "cpu-us/op")
	b.ReportMetric(us(verify), "verify-us/op")
	b.ReportMetric(us(all-verify), "beside-verify-us/op")
}

func benchmarkHandler(b *testing.B, p *workload.Prepared) {
	key, err := parseJWKS(p.Check.JWKS)
	if err != nil {
		b.Fatal(err)
	}
	v := newVerifier(key, time.Now)
	routes, _, err := newPullAPI(v, defaultResponse, nil)
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]*http.Request, len(p.Tokens))
	for i, token := range p.Tokens {
		requests[i] = httptest.NewRequest(p.Method, p.Path, nil)
		requests[i].Header.Set("Authorization", "Bearer "+token)
	}
	verify := verifyCost(b, p)
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	before := processCPU(b, os.Getpid())
	for i := 0; b.Loop(); i++ {
		routes.ServeHTTP(w, requests[i%len(requests)])
	}
	report(b, (processCPU(b, os.Getpid())-before)/time.Duration(b.N), verify)
	if w.status != 0 {
		b.Fatalf("status %d", w.status)
	}
}

func benchmarkLoopback(b *testing.B, p *workload.Prepared, service json.RawMessage) {
	const turn = 200 // requests
	alone := verifyCost(b, p)
	var used [2]time.Duration
	var pids [2]int
	var pulls [2]*connections
	for i, kind := range []string{realService, unverified} {
		pid, addr := startProcess(b, kind, service)
		pids[i], pulls[i] = pid, newConnections(b, 8, addr, p)
		pulls[i].pull(b, 1000) // warm
	}
	turns := (b.N + turn - 1) / turn
	for range turns {
		for i := range used {
			before := processCPU(b, pids[i])
			pulls[i].pull(b, turn)
			used[i] += processCPU(b, pids[i]) - before
		}
	}
	n := time.Duration(turns * turn)
	report(b, used[0]/n, (used[0]-used[1])/n)
	b.ReportMetric(float64(alone.Nanoseconds())/1e3, "verify-alone-us/op")
}

// discard takes a response without keeping it.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// connections sends prebuilt requests on connections that stay open; the
// client's cost is not the service's.
type connections struct {
	conns    []net.Conn
	readers  []*bufio.Reader
	requests [][]byte
	next     int
}

func newConnections(b *testing.B, n int, addr string, p *workload.Prepared) *connections {
	c := &connections{}
	for _, token := range p.Tokens {
		c.requests = append(c.requests, fmt.Appendf(nil,
			"%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", p.Method, p.Path, p.Host, token))
	}
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		c.conns, c.readers = append(c.conns, conn), append(c.readers, bufio.NewReader(conn))
	}
	return c
}

// pull makes n requests, one at a time on each connection.
func (c *connections) pull(b *testing.B, n int) {
	for ; n > 0; n -= len(c.conns) {
		c.round(b, min(n, len(c.conns)))
	}
}

// round writes a request on each of the first n connections, then reads the answers.
func (c *connections) round(b *testing.B, n int) {
	for _, conn := range c.conns[:n] {
		c.next = (c.next + 1) % len(c.requests)
		if _, err := conn.Write(c.requests[c.next]); err != nil {
			b.Fatal(err)
		}
	}
	for _, r := range c.readers[:n] {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			b.Fatalf("pull: %s, %v", resp.Status, err)
		}
	}
}
