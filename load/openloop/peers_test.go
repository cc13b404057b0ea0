package openloop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	floor "github.com/taremesh/tare/internal/echo"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/openloop"
)

// cost is what a generator took for its requests.
type cost struct {
	requests int
	seconds  float64
	cpu      time.Duration
}

func (c cost) plus(d cost) cost {
	return cost{c.requests + d.requests, c.seconds + d.seconds, c.cpu + d.cpu}
}

func (c cost) report(b *testing.B, name string) {
	b.ReportMetric(float64(c.requests)/c.seconds, name+"-req/s")
	b.ReportMetric(micros(c.cpu)/float64(c.requests), name+"-cpu-µs/req")
}

// beside gives closed loops of a target and another generator their turns: each
// round is theirs, ours, ours, theirs, so that a drift of the machine falls on
// both alike. The figures are sums over all rounds, CPU time is the process's.
func beside(b *testing.B, target load.Target, p load.Population, peer string, turn func(window time.Duration) cost) {
	b.Helper()
	const window = 2 * time.Second
	session, err := newGenerator(b, openloop.Config{}).Open(context.Background(), []load.Target{target}, p)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Close() })
	var theirs, ours cost
	for b.Loop() {
		for _, their := range []bool{true, false, false, true} {
			if their {
				theirs = theirs.plus(turn(window))
				continue
			}
			samples, stats, err := load.Collect(context.Background(), session, load.Load{Closed: true, Duration: window})
			if err != nil || len(samples) == 0 {
				b.Fatalf("%d samples, %+v, %v", len(samples), stats, err)
			}
			for _, s := range samples {
				if s.Class != load.OK {
					b.Fatalf("%+v", s)
				}
			}
			ours = ours.plus(cost{len(samples), stats.Wall.Seconds(), stats.CPU})
		}
	}
	ours.report(b, "ours")
	theirs.report(b, peer)
	b.ReportMetric(float64(ours.cpu)/float64(ours.requests)*float64(theirs.requests)/float64(theirs.cpu), "ratio")
}

func listenEcho(b *testing.B, k floor.Kind) string {
	b.Helper()
	server, err := floor.Listen(k)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	return server.Addr()
}

// BenchmarkHTTP2 is beside h2load: 32 connections with one stream each, and
// with ten.
func BenchmarkHTTP2(b *testing.B) {
	for _, streams := range []int{1, 10} {
		b.Run(fmt.Sprintf("%d-streams", streams), func(b *testing.B) {
			addr := listenEcho(b, floor.HTTP2)
			target := load.Target{Name: "echo", Addr: addr, Protocol: load.HTTP2, Connections: 32, MaxConnections: 32, Streams: streams}
			beside(b, target, load.Population{}, "h2load", func(window time.Duration) cost { return h2load(b, addr, streams, window) })
		})
	}
}

func h2load(b *testing.B, addr string, streams int, window time.Duration) cost {
	b.Helper()
	path, err := exec.LookPath("h2load")
	if err != nil {
		b.Fatalf("the yardstick is not here (apt-get install nghttp2-client): %v", err)
	}
	cmd := exec.Command(path, "-t1", "-c32", fmt.Sprintf("-m%d", streams), fmt.Sprintf("-D%.0f", window.Seconds()), "http://"+addr+"/")
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(err)
	}
	c := cost{seconds: window.Seconds(), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	for line := range bytes.Lines(out) {
		var total, started int
		if _, err := fmt.Sscanf(string(line), "requests: %d total, %d started, %d done", &total, &started, &c.requests); err == nil {
			break
		}
	}
	if c.requests == 0 {
		b.Fatalf("h2load did not say how many requests it made:\n%s", out)
	}
	return c
}

// BenchmarkGRPC is beside ghz: 32 connections with a unary call each.
func BenchmarkGRPC(b *testing.B) {
	addr := listenEcho(b, floor.GRPC)
	const text = "hello"
	message := append([]byte{0x0a, byte(len(text))}, text...) // field 1
	target := load.Target{Name: "echo", Addr: addr, Protocol: load.GRPC, Connections: 32, MaxConnections: 32}
	p := load.Ask(load.Request{Method: "POST", Path: "/test.Echo/Unary", Content: message})
	proto := filepath.Join(b.TempDir(), "echo.proto")
	const source = `syntax = "proto3"; package test; message M { string text = 1; } service Echo { rpc Unary(M) returns (M); }`
	if err := os.WriteFile(proto, []byte(source), 0o600); err != nil {
		b.Fatal(err)
	}
	beside(b, target, p, "ghz", func(window time.Duration) cost {
		path, err := exec.LookPath("ghz")
		if err != nil {
			b.Fatalf("the yardstick is not here (go install github.com/bojand/ghz/cmd/ghz@v0.120.0): %v", err)
		}
		cmd := exec.Command(path, "--insecure", "--proto", proto, "--call", "test.Echo.Unary", "-d", `{"text":"`+text+`"}`, "-c", "32", "--connections", "32",
			"--cpus", "1", "-z", window.String(), "--duration-stop", "wait", "-O", "json", addr)
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var said struct {
			Count  int            `json:"count"`
			Status map[string]int `json:"statusCodeDistribution"`
		}
		if err := json.Unmarshal(out, &said); err != nil || said.Count == 0 || said.Status["OK"] != said.Count {
			b.Fatalf("ghz: %v, %+v", err, said)
		}
		return cost{said.Count, window.Seconds(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	})
}
