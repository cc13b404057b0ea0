package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/internal/process"
)

// The load of the comparison.
const (
	benchConns  = 32
	benchBody   = 64
	benchWindow = 1500 * time.Millisecond
	benchBlocks = 3 // of four windows, ABBA
)

// BenchmarkRouterBesideNginx holds the CPU time of a request through a proxy
// that only routes against nginx's, in the same run under the same load: one
// worker each, windows in the order ABBA, medians over the windows.
func BenchmarkRouterBesideNginx(b *testing.B) {
	l, err := process.NewLauncher("")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(l.Close)
	upstream := startUpstream(b, l)
	ours, ourPID := startEmbedded(b, upstream)
	theirs, theirPIDs := startNginx(b, upstream)
	for b.Loop() {
		var tare, nginx []float64
		measure := func(to *[]float64, addr string, pids []int) {
			*to = append(*to, window(b, l, addr, pids))
		}
		window(b, l, ours, []int{ourPID})
		window(b, l, theirs, theirPIDs)
		for range benchBlocks {
			measure(&nginx, theirs, theirPIDs)
			measure(&tare, ours, []int{ourPID})
			measure(&tare, ours, []int{ourPID})
			measure(&nginx, theirs, theirPIDs)
		}
		b.ReportMetric(median(nginx), "nginx-us/req")
		b.ReportMetric(median(tare), "tare-us/req")
		b.ReportMetric(median(tare)/median(nginx), "ratio")
	}
	before := cpu(b, []int{ourPID})
	<-time.After(benchWindow)
	b.ReportMetric(float64(cpu(b, []int{ourPID})-before)/1e3/benchWindow.Seconds(), "tare-idle-us/s")
	b.ReportMetric(privateMB(b, []int{ourPID}), "tare-private-MB")
	b.ReportMetric(privateMB(b, theirPIDs), "nginx-private-MB")
}

func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// window offers load for a while and returns the processes' CPU time per
// request in µs.
func window(b *testing.B, l *process.Launcher, addr string, pids []int) float64 {
	b.Helper()
	before := cpu(b, pids)
	p, err := l.Start(process.Command{Name: "load", Args: []string{"bench-load", addr, benchWindow.String()}, Input: []byte{}})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Stop(0)
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	line, err := p.Ready(ctx)
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(line)
	if err != nil || n == 0 {
		b.Fatalf("the load says %q", line)
	}
	return float64(cpu(b, pids)-before) / 1e3 / float64(n)
}

// cpu is the time that the processes have run, in ns.
func cpu(b *testing.B, pids []int) (sum int64) {
	b.Helper()
	for _, pid := range pids {
		var t unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
			b.Fatal(err)
		}
		sum += t.Nano()
	}
	return sum
}

func privateMB(b *testing.B, pids []int) (sum float64) {
	b.Helper()
	for _, pid := range pids {
		f, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(string(f)) {
			if strings.HasPrefix(line, "Private_") {
				kb, err := strconv.Atoi(strings.Fields(line)[1])
				if err != nil {
					b.Fatal(err)
				}
				sum += float64(kb) / 1024
			}
		}
	}
	return sum
}

func startUpstream(b *testing.B, l *process.Launcher) string {
	b.Helper()
	p, err := l.Start(process.Command{Name: "upstream", Args: []string{"bench-upstream"}, Input: []byte{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Stop(0) })
	addr, err := p.Ready(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return addr
}

func startEmbedded(b *testing.B, upstream string) (addr string, pid int) {
	b.Helper()
	i, err := newPlane(b).Start(b.Context(), dataplane.Options{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = i.Stop() })
	if addr, err = process.FreeAddr(); err != nil {
		b.Fatal(err)
	}
	if err := i.Configure(b.Context(), dataplanetest.ToAll(addr, upstream)); err != nil {
		b.Fatal(err)
	}
	return addr, i.PID()
}

// startNginx returns the ids of the master and its worker.
func startNginx(b *testing.B, upstream string) (addr string, pids []int) {
	b.Helper()
	exe, err := exec.LookPath("nginx")
	if err != nil {
		b.Fatalf("nginx is needed for the comparison: %v", err)
	}
	if addr, err = process.FreeAddr(); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("testdata/nginx.conf")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	conf := strings.NewReplacer("LISTEN;", addr+";", "UPSTREAM;", upstream+";", "DIR/", dir+"/").Replace(string(text))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe, "-c", file, "-p", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		if r, err := http.Get("http://" + addr + "/"); err == nil {
			r.Body.Close()
			break
		} else if time.Now().After(deadline) {
			b.Fatalf("nginx does not serve: %v", err)
		}
	}
	master := cmd.Process.Pid
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		b.Fatal(err)
	}
	pids = []int{master}
	for _, s := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return addr, pids
}

// benchUpstream answers every request with the same 64 bytes. Requests have no
// body and come one at a time on each connection.
func benchUpstream() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(l.Addr())
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", benchBody, strings.Repeat("x", benchBody)))
	for {
		c, err := l.Accept()
		if err != nil {
			return 1
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			for n := 0; ; {
				m, err := c.Read(buf[n:])
				if err != nil {
					return
				}
				if n += m; !strings.HasSuffix(string(buf[:n]), "\r\n\r\n") {
					continue
				}
				n = 0
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// benchLoad keeps every connection busy for a while and prints how many
// requests were answered.
func benchLoad(addr, window string) int {
	d, err := time.ParseDuration(window)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	var total atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range benchConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		wg.Go(func() {
			defer c.Close()
			total.Add(ask(c, addr, stop))
		})
	}
	time.AfterFunc(d, func() { close(stop) })
	wg.Wait()
	fmt.Println(total.Load())
	return 0
}

// ask sends one request after the other and counts the answers, which it reads
// as what nginx and we make of the upstream's.
func ask(c net.Conn, addr string, stop chan struct{}) (n int64) {
	request := []byte("GET / HTTP/1.1\r\nHost: " + addr + "\r\n\r\n")
	if _, err := c.Write(request); err != nil {
		return 0
	}
	in := bufio.NewReader(c)
	first, err := http.ReadResponse(in, nil)
	if err != nil || first.StatusCode != http.StatusOK {
		return 0
	}
	if body, err := io.ReadAll(first.Body); err != nil || len(body) != benchBody {
		return 0
	}
	// The first answer has shown what they look like: the rest is found by its
	// last line and its length.
	buf := make([]byte, 4096)
	for {
		select {
		case <-stop:
			return n
		default:
		}
		if _, err := c.Write(request); err != nil {
			return n
		}
		for have := 0; ; {
			m, err := c.Read(buf[have:])
			if err != nil {
				return n
			}
			have += m
			if i := strings.Index(string(buf[:have]), "\r\n\r\n"); i >= 0 && have == i+4+benchBody {
				break
			}
		}
		n++
	}
}
