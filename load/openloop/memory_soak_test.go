//go:build soak

package openloop_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var length = flag.Duration("length", time.Hour, "how long TestSoakMemory's load is")

const (
	soakRate = 20_000
	// settling is left out: programs start, pools open.
	settling = 10 * time.Second
	// steepest is the slope of memory that is allowed, in bytes per minute.
	steepest = 1e6
)

// TestSoakMemory: the memory of both processes of a long "tare load" does not
// grow with its length, while it keeps every sample.
func TestSoakMemory(t *testing.T) {
	exe := builtTare(t)
	dir := t.TempDir() // what is spilled
	c := exec.Command(exe, "load", "http://"+echoOnCore(t)+"/", "--rate", strconv.Itoa(soakRate), "--duration", length.String(), "--connections", "64", "--no-floor", "-o", "json",
		"--fail", "errors<100%")
	c.Env = append(os.Environ(), "TMPDIR="+dir)
	var out, words bytes.Buffer
	c.Stdout, c.Stderr = &out, &words
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- c.Wait() }()
	var minutes, parent, child []float64
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("%v\n%s", err, words.Bytes())
			}
			checkKept(t, out.Bytes())
			judgeMemory(t, "parent", minutes, parent)
			judgeMemory(t, "child", minutes, child)
			return
		case <-tick.C:
			since := time.Since(began)
			if since < settling || since > *length { // after its end it reports
				continue
			}
			minutes = append(minutes, since.Minutes())
			parent = append(parent, resident(c.Process.Pid))
			child = append(child, resident(childOf(c.Process.Pid)))
		}
	}
}

// judgeMemory holds the slope against its limit.
func judgeMemory(t *testing.T, name string, minutes, bytes []float64) {
	t.Helper()
	if len(bytes) < 10 {
		t.Fatalf("%s: %d looks are too few", name, len(bytes))
	}
	slope := slopeOf(minutes, bytes)
	t.Logf("%s: %.1f MB at first, %.1f at last, slope %.3f MB/min over %d looks", name, bytes[0]/1e6, bytes[len(bytes)-1]/1e6, slope/1e6, len(bytes))
	if slope > steepest {
		t.Errorf("%s: memory grows by %.2f MB/min, more than %.0f", name, slope/1e6, steepest/1e6)
	}
}

// slopeOf is the least-squares slope.
func slopeOf(x, y []float64) float64 {
	mx, my := 0.0, 0.0
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(y))
	}
	xy, xx := 0.0, 0.0
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
	}
	return xy / xx
}

// checkKept: all samples were kept, beyond memory on disk.
func checkKept(t *testing.T, out []byte) {
	t.Helper()
	var result struct {
		Requests int
		Samples  struct {
			Where  string
			Memory int `json:"memory_samples"`
			Disk   int `json:"disk_samples"`
			Exact  bool
		}
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v:\n%.500s", err, out)
	}
	want := soakRate * length.Seconds()
	if got := float64(result.Requests); got < 0.98*want || got > 1.02*want {
		t.Errorf("%.0f requests, want about %.0f", got, want)
	}
	s := result.Samples
	t.Logf("kept: %+v", s)
	if !s.Exact || s.Memory+s.Disk < result.Requests || want > 2e6 && s.Where != "disk" {
		t.Errorf("of %d requests these samples were kept: %+v", result.Requests, s)
	}
}

// resident is a process's memory in RAM, in bytes; 0 once it is gone.
func resident(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages float64
	_, _ = fmt.Sscan(string(text), &size, &pages)
	return pages * float64(os.Getpagesize())
}

// childOf is the child of a process, or -1.
func childOf(parent int) int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			return pid
		}
	}
	return -1
}
