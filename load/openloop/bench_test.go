package openloop_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/openloop"
)

// echo is the cheapest server that answers: the floor.
func echo(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n" + string(bytes.Repeat([]byte{'x'}, 64)))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := make([]byte, 4096)
				for {
					if _, err := c.Read(in); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func openEcho(b *testing.B, connections, most int) load.Session {
	b.Helper()
	targets := []load.Target{{Name: "echo", Addr: echo(b), Connections: connections, MaxConnections: most}}
	session, err := newGenerator(b, openloop.Config{}).Open(context.Background(), targets, load.Population{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	return session
}

// BenchmarkSaturated offers more than can be answered: the CPU time of the
// generator's process per request, as wrk's is given in method.md §4.
func BenchmarkSaturated(b *testing.B) {
	session := openEcho(b, 32, 32)
	n := max(b.N, 1000)
	b.ResetTimer()
	samples, stats, err := load.Collect(context.Background(), session, load.Load{Rate: 5e5, Each: n, Timeout: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(stats.CPU-stats.Spin)/1e3/float64(len(samples)), "cpu-µs/req")
	b.ReportMetric(float64(len(samples))/stats.Wall.Seconds(), "req/s")
}

// BenchmarkPaced offers 500 to 20,000 requests/s: how late they are written, what the
// spinning takes, and the floor of the response time against an echo.
func BenchmarkPaced(b *testing.B) {
	for _, rate := range []float64{500, 2000, 7000, 20000} {
		b.Run(fmt.Sprintf("%.0f-per-s", rate), func(b *testing.B) {
			session := openEcho(b, 32, 64)
			b.ResetTimer()
			samples, stats, err := load.Collect(context.Background(), session, load.Load{Rate: rate, Each: max(b.N, 500)})
			if err != nil {
				b.Fatal(err)
			}
			late := quantiles(samples, load.Sample.Lateness, .5, .9, .99)
			response := quantiles(samples, load.Sample.Response, .5, .99)
			service := quantiles(samples, load.Sample.Service, .5, .99)
			b.ReportMetric(micros(late[0]), "late-p50-µs")
			b.ReportMetric(micros(late[1]), "late-p90-µs")
			b.ReportMetric(micros(late[2]), "late-p99-µs")
			b.ReportMetric(micros(response[0]), "response-p50-µs")
			b.ReportMetric(micros(response[1]), "response-p99-µs")
			b.ReportMetric(micros(service[0]), "service-p50-µs")
			b.ReportMetric(100*stats.Spin.Seconds()/stats.Wall.Seconds(), "spin-%")
			b.ReportMetric(micros(stats.CPU-stats.Spin)/float64(len(samples)), "cpu-µs/req")
			b.ReportMetric(micros(stats.Margin), "margin-µs")
		})
	}
}

// BenchmarkWrk is the yardstick: wrk's CPU time per request on the same server.
func BenchmarkWrk(b *testing.B) {
	addr := echo(b)
	for b.Loop() {
		requests, seconds, cpu := wrk(b, addr, 2*time.Second)
		b.ReportMetric(micros(cpu)/float64(requests), "cpu-µs/req")
		b.ReportMetric(float64(requests)/seconds, "req/s")
	}
}

// BenchmarkClosed is closed loops of 32 connections beside wrk's on the same
// server: each round is wrk, ours, ours, wrk, so that a drift of the machine
// falls on both alike. The figures are sums over all rounds.
func BenchmarkClosed(b *testing.B) {
	const window = time.Second
	addr := echo(b)
	targets := []load.Target{{Name: "echo", Addr: addr, Connections: 32, MaxConnections: 32}}
	session, err := newGenerator(b, openloop.Config{}).Open(context.Background(), targets, load.Population{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	type sum struct {
		requests int
		seconds  float64
		cpu      time.Duration
	}
	var theirs, ours sum
	for b.Loop() {
		for _, wrkTurn := range []bool{true, false, false, true} {
			if wrkTurn {
				requests, seconds, cpu := wrk(b, addr, window)
				theirs = sum{theirs.requests + requests, theirs.seconds + seconds, theirs.cpu + cpu}
				continue
			}
			samples, stats, err := load.Collect(context.Background(), session, load.Load{Closed: true, Duration: window})
			if err != nil || len(samples) == 0 || stats.Sent != len(samples) {
				b.Fatalf("%d samples, %+v, %v", len(samples), stats, err)
			}
			ours = sum{ours.requests + len(samples), ours.seconds + stats.Wall.Seconds(), ours.cpu + stats.CPU}
		}
	}
	for _, r := range []struct {
		name string
		sum
	}{{"ours", ours}, {"wrk", theirs}} {
		b.ReportMetric(float64(r.requests)/r.seconds, r.name+"-req/s")
		b.ReportMetric(micros(r.cpu)/float64(r.requests), r.name+"-cpu-µs/req")
	}
}

// wrk runs it with one thread and 32 connections.
func wrk(b *testing.B, addr string, d time.Duration) (requests int, seconds float64, cpu time.Duration) {
	b.Helper()
	path, err := exec.LookPath("wrk")
	if err != nil {
		b.Fatalf("the yardstick is not here: %v", err)
	}
	cmd := exec.Command(path, "-t1", "-c32", fmt.Sprintf("-d%.0fs", d.Seconds()), "http://"+addr+"/")
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		if _, err := fmt.Sscanf(string(line), " %d requests in %fs", &requests, &seconds); err == nil {
			break
		}
	}
	if requests == 0 || seconds == 0 {
		b.Fatalf("wrk did not say how many requests it made:\n%s", out)
	}
	return requests, seconds, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func quantiles(samples []load.Sample, of func(load.Sample) time.Duration, at ...float64) []time.Duration {
	all := make([]time.Duration, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	slices.Sort(all)
	got := make([]time.Duration, len(at))
	for i, q := range at {
		got[i] = all[int(q*float64(len(all)-1))]
	}
	return got
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }
