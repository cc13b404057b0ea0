package openloop_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var window = flag.Duration("window", 10*time.Second, "how long each turn of BenchmarkWholeProcess takes")

// The cores of BenchmarkWholeProcess: one for the generator, whichever it is,
// and one for the server.
const (
	generatorCore = "0"
	serverCore    = "1"
)

// BenchmarkWholeProcess is what a request costs as people use the program: the
// CPU time, user's and system's, of all processes of "tare load" from its start
// to its end, report included and samples kept, beside wrk's from its start to
// its end, on the same core and against the same server on another. Each round
// is wrk, ours, ours, wrk, so that a drift of the machine falls on both alike;
// the figures are sums over all rounds. The floor, a second load of its own,
// is left out. With -window it can be made shorter than the bar's 10 s.
func BenchmarkWholeProcess(b *testing.B) {
	if runtime.NumCPU() < 2 {
		b.Fatal("this needs a core for the generator and another for the server")
	}
	exe := builtTare(b)
	url := "http://" + echoOnCore(b) + "/"
	type sum struct {
		requests int
		cpu      time.Duration
	}
	var theirs, ours sum
	for b.Loop() {
		for _, wrkTurn := range []bool{true, false, false, true} {
			if wrkTurn {
				n, cpu := wholeWrk(b, url)
				theirs = sum{theirs.requests + n, theirs.cpu + cpu}
				continue
			}
			n, cpu := wholeTare(b, exe, url)
			ours = sum{ours.requests + n, ours.cpu + cpu}
		}
	}
	each := func(s sum) float64 { return micros(s.cpu) / float64(s.requests) }
	b.ReportMetric(each(ours), "ours-cpu-µs/req")
	b.ReportMetric(each(theirs), "wrk-cpu-µs/req")
	b.ReportMetric(each(ours)/each(theirs), "ours/wrk")
	b.ReportMetric(float64(ours.requests)/float64(theirs.requests), "ours/wrk-requests")
}

// builtTare is the program as people run it.
func builtTare(tb testing.TB) string {
	tb.Helper()
	exe := filepath.Join(tb.TempDir(), "tare")
	build := exec.Command("go", "build", "-trimpath", "-o", exe, "../../cmd/tare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	return exe
}

// onCore runs a program to its end and returns its output and the CPU time of it
// and of its children.
func onCore(b *testing.B, core, program string, args ...string) ([]byte, time.Duration) {
	b.Helper()
	c := exec.Command("taskset", append([]string{"-c", core, program}, args...)...)
	var words bytes.Buffer
	c.Stderr = &words
	out, err := c.Output()
	if err != nil {
		b.Fatalf("%v\n%s%s", err, out, words.Bytes())
	}
	return out, c.ProcessState.UserTime() + c.ProcessState.SystemTime()
}

func wholeWrk(b *testing.B, url string) (int, time.Duration) {
	b.Helper()
	out, cpu := onCore(b, generatorCore, "wrk", "-t1", "-c32", fmt.Sprintf("-d%.0fs", window.Seconds()), url)
	for line := range bytes.Lines(out) {
		requests, seconds := 0, 0.0
		if _, err := fmt.Sscanf(string(line), " %d requests in %fs", &requests, &seconds); err == nil && requests > 0 {
			return requests, cpu
		}
	}
	b.Fatalf("wrk did not say how many requests it made:\n%s", out)
	return 0, 0
}

func wholeTare(b *testing.B, exe, url string) (int, time.Duration) {
	b.Helper()
	out, cpu := onCore(b, generatorCore, exe, "load", url, "--closed", "--connections", "32", "--duration", window.String(), "--no-floor", "-o", "json")
	var result struct {
		Requests, Errors int
		LatencyUS        struct{ P999 *float64 } `json:"latency_us"`
	}
	if err := json.Unmarshal(out, &result); err != nil || result.Requests == 0 || result.Errors > 0 || result.LatencyUS.P999 == nil {
		b.Fatalf("%v, %+v:\n%s", err, result, out)
	}
	return result.Requests, cpu
}

// echoOnCore is a server in a process and on a core of its own.
func echoOnCore(tb testing.TB) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	c := exec.Command("taskset", "-c", serverCore, self)
	c.Env = append(os.Environ(), childEnv+"=echo")
	in, err := c.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		if err := c.Wait(); err != nil {
			tb.Error(err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(addr)
}
