package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// These are the project's bars on whole runs. Each takes minutes, so b.N is 1.

// studyRun is one run of an example as a process of its own.
type studyRun struct {
	report         shownReport
	took           time.Duration
	median, spread time.Duration // until the first medians, the first intervals
}

func runExample(b *testing.B, example string, args ...string) studyRun {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(exe, append([]string{"run", filepath.Join("..", "examples", example), "-o", "json"}, args...)...)
	c.Env = append(os.Environ(), "TARE_DATA="+b.TempDir())
	var out bytes.Buffer
	c.Stdout = &out
	progress, err := c.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	var r studyRun
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		switch {
		case r.spread == 0 && strings.Contains(lines.Text(), "±"):
			r.spread = time.Since(began)
		case r.median == 0 && strings.Contains(lines.Text(), "µs"):
			r.median = time.Since(began)
		}
	}
	if err := c.Wait(); err != nil {
		b.Fatal(err)
	}
	r.took = time.Since(began)
	if err := json.Unmarshal(out.Bytes(), &r.report); err != nil {
		b.Fatal(err)
	}
	return r
}

// widest is the greatest half-width of the primary comparisons at p50.
func (r studyRun) widest() float64 {
	var w float64
	for _, c := range r.report.Comparisons {
		if c.Primary && c.Endpoint == "p50" {
			w = max(w, (c.High-c.Low)/2)
		}
	}
	return w
}

func (r studyRun) print(b *testing.B) {
	b.Helper()
	for _, c := range r.report.Comparisons {
		if c.Primary {
			b.Logf("%s against %s by %s: %.2f (%.2f to %.2f) µs, %s", c.Treatment, c.Baseline, c.Endpoint, c.Estimate, c.Low, c.High, c.Verdict)
		}
	}
	for _, aa := range r.report.AA {
		a := aa.P50
		b.Logf("A/A of %s %.2f (%.2f to %.2f) µs, margin %.2f", aa.Baseline, a.Estimate, a.Low, a.High, a.Margin)
	}
	b.Logf("%d blocks, %d voids, %v", r.report.Blocks, r.report.Voids, r.took)
}

func medianOf(xs []float64) float64 {
	slices.Sort(xs)
	return (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
}

// BenchmarkPlanted: half-width at p50 in 60 s, median of five runs; bar 2 µs.
func BenchmarkPlanted(b *testing.B) {
	for range b.N {
		var widths, aa []float64
		for i := range 5 {
			r := runExample(b, "planted.yaml", "--seed", fmt.Sprint(i+1))
			r.print(b)
			widths = append(widths, r.widest())
			aa = append(aa, math.Abs(r.report.AA[0].P50.Estimate))
		}
		b.ReportMetric(medianOf(widths), "half-width-us")
		b.ReportMetric(medianOf(aa), "aa-us")
	}
}

// BenchmarkPlantedProxied: the same through embedded proxies in 3 min; bar 5 µs.
func BenchmarkPlantedProxied(b *testing.B) {
	for range b.N {
		r := runExample(b, "planted-proxied.yaml")
		r.print(b)
		b.ReportMetric(r.widest(), "half-width-us")
		b.ReportMetric(math.Abs(r.report.AA[0].P50.Estimate), "aa-us")
	}
}

// BenchmarkPlantedBusy: with something else on every core it still ends, wider.
func BenchmarkPlantedBusy(b *testing.B) {
	for range b.N {
		var stop atomic.Bool
		for range runtime.NumCPU() {
			go func() {
				for !stop.Load() {
				}
			}()
		}
		r := runExample(b, "planted.yaml")
		stop.Store(true)
		r.print(b)
		b.ReportMetric(r.widest(), "half-width-us")
	}
}

// BenchmarkMainJob: the first command of the README after the build; bars 90 s
// in all, 10 s to the first medians, 20 s to the first intervals.
func BenchmarkMainJob(b *testing.B) {
	for range b.N {
		r := runExample(b, "imagehub.yaml")
		r.print(b)
		b.ReportMetric(r.took.Seconds(), "seconds")
		b.ReportMetric(r.median.Seconds(), "first-medians-s")
		b.ReportMetric(r.spread.Seconds(), "first-intervals-s")
		b.ReportMetric(r.widest(), "half-width-us")
	}
}

// BenchmarkColdBuild: with an empty build cache; bar 120 s on two cores.
func BenchmarkColdBuild(b *testing.B) {
	for range b.N {
		c := exec.Command("go", "build", "-o", filepath.Join(b.TempDir(), "tare"), "../cmd/tare")
		c.Env = append(os.Environ(), "GOCACHE="+b.TempDir())
		began := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		b.ReportMetric(time.Since(began).Seconds(), "seconds")
	}
}

// BenchmarkVersionMemory: peak resident memory of tare version; bar 30 MB.
func BenchmarkVersionMemory(b *testing.B) {
	exe := builtTare(b)
	var peak int64
	for b.Loop() {
		c := exec.Command(exe, "version")
		if err := c.Run(); err != nil {
			b.Fatal(err)
		}
		u, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			b.Fatalf("no resource usage of the child: %T", c.ProcessState.SysUsage())
		}
		peak = max(peak, u.Maxrss)
	}
	b.ReportMetric(float64(peak)/1024, "peak-MB")
}

// builtTare is the program as users build it: a test's own is larger.
func builtTare(b *testing.B) string {
	b.Helper()
	exe := filepath.Join(b.TempDir(), "tare")
	c := exec.Command("go", "build", "-trimpath", "-o", exe, "../cmd/tare")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return exe
}
