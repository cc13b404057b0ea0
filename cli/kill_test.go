package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eventually polls until the condition holds; a condition on other processes
// cannot be waited for otherwise.
func eventually(t *testing.T, within time.Duration, what func() string) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		left := what()
		if left == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after %v: %s", within, left)
		}
	}
}

func gone(t *testing.T, mark string) func() string {
	return func() string { return strings.Join(marked(t, mark), "\n") }
}

// startLong starts a study that would go on for a minute, and returns when its
// first block is finished.
func startLong(t *testing.T, dir, mark string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	long := strings.Replace(tiny, "blocks: 3", "blocks: 40", 1)
	c := command(t, dir, mark, "run", write(t, long))
	var all bytes.Buffer
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		fmt.Fprintln(&all, lines.Text())
		if strings.Contains(lines.Text(), "1 of 40 blocks") {
			go io.Copy(io.Discard, pipe)
			return c, &all
		}
	}
	t.Fatalf("no block was finished: %v\n%s", c.Wait(), all.String())
	return nil, nil
}

type journalled struct {
	State   string
	Journal []struct {
		Block   int
		ID      string
		Started string
		SHA256  string
	}
}

func journal(t *testing.T, dir string) journalled {
	t.Helper()
	r := tare(t, dir, "show", "last", "-o", "json")
	if r.code != 0 {
		t.Fatalf("show: exit %d, %s", r.code, r.err)
	}
	var j journalled
	if err := json.Unmarshal([]byte(r.out), &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestInterruptKeepsWhatWasDone(t *testing.T) {
	dir, mark := t.TempDir(), "interrupt"
	c, _ := startLong(t, dir, mark)
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = c.Wait(); c.ProcessState.ExitCode() != 130 {
		t.Errorf("exit %d, want 130", c.ProcessState.ExitCode())
	}
	eventually(t, 2*time.Second, gone(t, mark))
	if j := journal(t, dir); j.State != "interrupted" || len(j.Journal) == 0 {
		t.Errorf("%+v", j)
	}
}

// After kill -9 or Ctrl-C at any moment nothing of tare is left to run after
// 2 s, no temporary file stays, and what was finished can be read.
func TestEndAtRandomMomentsLeavesNothingBehind(t *testing.T) {
	long := strings.Replace(tiny, "blocks: 3", "blocks: 40", 1)
	study := write(t, long)
	for i := range 20 {
		signal, code := syscall.SIGKILL, -1
		if i%2 == 1 {
			signal, code = syscall.SIGINT, 130
		}
		moment := time.Duration(rand.IntN(3000)) * time.Millisecond
		t.Run(fmt.Sprintf("%v after %v", signal, moment), func(t *testing.T) {
			t.Parallel()
			dir, tmp, mark := t.TempDir(), t.TempDir(), fmt.Sprintf("end-%d-%d", os.Getpid(), i)
			c := command(t, dir, mark, "run", study)
			c.Env = append(c.Env, "TMPDIR="+tmp)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			at := time.NewTimer(moment)
			<-at.C
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			// A SIGINT before the program can catch it ends it without a code.
			if got := c.ProcessState.ExitCode(); got != code && got != -1 {
				t.Errorf("exit %d, want %d", got, code)
			}
			eventually(t, 2*time.Second, gone(t, mark))
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("temporary files are left: %v, %v", left, err)
			}
			if r := tare(t, dir, "list"); r.code != 0 {
				t.Errorf("list: exit %d, %s", r.code, r.err)
			}
		})
	}
}

// Stopped processes die too: kill -9 inside a solo window.
func TestKillInsideAControlWindow(t *testing.T) {
	dir, mark := t.TempDir(), fmt.Sprintf("window-%d", os.Getpid())
	long := strings.Replace(tiny, "solo: 100ms", "solo: 20s", 1)
	c := command(t, dir, mark, "run", write(t, long))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() string {
		for _, p := range marked(t, mark) {
			pid, _, _ := strings.Cut(p, " ")
			if stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat")); err == nil && bytes.Contains(stat, []byte(") T ")) {
				return ""
			}
		}
		return "no process has been stopped for a control window"
	})
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	eventually(t, 2*time.Second, gone(t, mark))
}

func TestResumeKeepsEveryFinishedBlock(t *testing.T) {
	dir, mark := t.TempDir(), fmt.Sprintf("resume-%d", os.Getpid())
	// Long enough to be killed in its middle, short enough to be finished.
	c := command(t, dir, mark, "run", write(t, strings.Replace(tiny, "blocks: 3", "blocks: 4", 1)))
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && !strings.Contains(lines.Text(), "2 of 4 blocks") {
	}
	if err := c.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	eventually(t, 2*time.Second, gone(t, mark))
	before := journal(t, dir)
	if before.State != "killed" || len(before.Journal) < 2 {
		t.Fatalf("after kill -9: %+v", before)
	}
	if r := tare(t, dir, "run", "--resume", "last"); r.code != 0 {
		t.Fatalf("resume: exit %d, %s", r.code, r.err)
	}
	after := journal(t, dir)
	if after.State != "done" || len(after.Journal) < 4 {
		t.Fatalf("after resume: %+v", after)
	}
	for i, b := range before.Journal {
		if after.Journal[i] != b {
			t.Errorf("block %d was %+v, is %+v", i, b, after.Journal[i])
		}
	}
	if r := tare(t, dir, "run", "--resume", "last"); r.code != 2 || !strings.Contains(r.err, "it is done") {
		t.Errorf("resume of a finished run: exit %d, %s", r.code, r.err)
	}
}

func TestSecondRunIsRefusedAndNamesTheFirst(t *testing.T) {
	dir, mark := t.TempDir(), fmt.Sprintf("second-%d", os.Getpid())
	c, _ := startLong(t, dir, mark)
	second := tare(t, dir, "run", write(t, tiny))
	if second.code != 3 || !strings.Contains(second.err, fmt.Sprintf("process %d", c.Process.Pid)) || !strings.Contains(second.err, "study tiny") {
		t.Errorf("exit %d, %s", second.code, second.err)
	}
	if list := tare(t, dir, "list"); list.code != 0 || !strings.Contains(list.out, "running") {
		t.Errorf("a run under way keeps others from reading: %+v", list)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	eventually(t, 2*time.Second, gone(t, mark))
}

// A run that goes on with another program says so, in the result too.
func TestResumeWarnsOfAnotherProgram(t *testing.T) {
	dir, mark := t.TempDir(), fmt.Sprintf("other-%d", os.Getpid())
	c, _ := startLong(t, dir, mark)
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	eventually(t, 2*time.Second, gone(t, mark))
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "tare")
	if err := os.WriteFile(other, append(text, 0), 0o700); err != nil {
		t.Fatal(err)
	}
	again := command(t, dir, mark, "run", "--resume", "last")
	again.Path = other
	pipe, err := again.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	before, warned := len(journal(t, dir).Journal), false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		warned = warned || strings.Contains(lines.Text(), "warning: resumed from here on; the program changed")
		if strings.Contains(lines.Text(), fmt.Sprintf("%d of 40 blocks", before+1)) {
			break
		}
	}
	if err := again.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, pipe)
	_ = again.Wait()
	if !warned {
		t.Error("no warning on standard error")
	}
	if show := tare(t, dir, "show", "last"); !strings.Contains(show.out, "the program changed since the run began") {
		t.Errorf("no warning in the result:\n%s", show.out)
	}
}
