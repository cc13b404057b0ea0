package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
)

// In these the test binary is started again: as a holder of the directory, and
// as a child of that holder which outlives it.
const (
	holderEnv = "TARE_STORE_HOLDER"
	idlerEnv  = "TARE_STORE_IDLER"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(idlerEnv) != "":
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test closes the pipe
		os.Exit(0)
	case os.Getenv(holderEnv) != "":
		os.Exit(hold(os.Getenv(holderEnv)))
	}
	os.Exit(m.Run())
}

// hold acquires the directory, starts a child, says so, and waits to be killed.
func hold(dir string) int {
	l, err := Acquire(dir, "first", "imagehub")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	idler := exec.Command(os.Args[0])
	idler.Env = append(os.Environ(), idlerEnv+"=1")
	idler.Stdin = os.Stdin
	if err := idler.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	err = idler.Wait()
	fmt.Println("not killed:", err, l.Release())
	return 1
}

func TestAcquireAfterKill(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprintf("stopped %v", stopped), func(t *testing.T) { acquireAfterKill(t, stopped) })
	}
}

func acquireAfterKill(t *testing.T, stopped bool) {
	dir := t.TempDir()
	lives, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close() // ends the holder's child
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holderEnv+"="+dir)
	holder.Stdin = lives
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	lives.Close()
	defer holder.Wait()         //nolint:errcheck // it was killed
	defer holder.Process.Kill() //nolint:errcheck // it may be gone
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q (%v)", line, err)
	}

	seen := func(id string, kept, want experiment.State) {
		t.Helper()
		now := (watched{dir: dir}).watch()
		if got := stateOf(id, kept, now, now); got != want {
			t.Errorf("%s, kept as %s, is seen as %s, want %s", id, kept, got, want)
		}
	}
	seen("first", experiment.Running, experiment.Running)
	seen("earlier", experiment.Running, experiment.Killed)
	seen("earlier", experiment.Interrupted, experiment.Interrupted)

	_, err = Acquire(dir, "second", "other")
	var held *HeldError
	if !errors.As(err, &held) {
		t.Fatalf("got error %v, want a HeldError", err)
	}
	if h := held.Holder; h.PID != holder.Process.Pid || h.Experiment != "first" || h.Study != "imagehub" || time.Since(h.Since) < 0 || time.Since(h.Since) > time.Hour {
		t.Errorf("the holder is %+v, want process %d with experiment first of imagehub, since just now", h, holder.Process.Pid)
	}

	if stopped {
		if err := holder.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	seen("first", experiment.Running, experiment.Killed)
	seen("first", experiment.Done, experiment.Done)
	l, err := Acquire(dir, "second", "other")
	if err != nil {
		t.Fatalf("acquire after the holder was killed, while its child lives: %v", err)
	}
	if _, err := Acquire(dir, "third", "s"); !errors.As(err, &held) || held.Holder.Experiment != "second" {
		t.Errorf("got error %v, want one that names the second", err)
	}
	seen("first", experiment.Running, experiment.Killed)
	seen("second", experiment.Running, experiment.Running) // by its own process, too
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	seen("second", experiment.Running, experiment.Killed)
}

func TestAcquire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	first, err := Acquire(dir, "a-long-id-of-the-first", "imagehub")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir, "2", "s")
	for _, want := range []string{dir, fmt.Sprint(os.Getpid()), "a-long-id-of-the-first", "imagehub", time.Now().UTC().Format("2006-01-02"), "--data"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %q", err, want)
		}
	}
	for range 2 {
		if err := first.Release(); err != nil {
			t.Fatal(err)
		}
	}
	second, err := Acquire(dir, "2", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release() //nolint:errcheck // the test is over
	var held *HeldError
	if _, err := Acquire(dir, "3", "s"); !errors.As(err, &held) || held.Holder.Experiment != "2" {
		t.Errorf("got error %v, want one that names the second", err)
	}
}

func TestAcquireUnsigned(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if held, err := flock(f, syscall.LOCK_EX); held || err != nil {
		t.Fatal(held, err)
	}
	if !(watched{dir: dir}).watch().holds("1") || (watched{dir: t.TempDir()}).watch().holds("1") {
		t.Error("one who has not signed may hold it for any experiment, and nobody what was never held")
	}
	var held *HeldError
	_, err = Acquire(dir, "2", "s")
	if !errors.As(err, &held) || held.Holder != (Holder{}) || !strings.Contains(err.Error(), "not said who") {
		t.Errorf("got error %v, want one that says that the holder is not known", err)
	}
}

func TestAcquireNoDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "data")} {
		_, err := Acquire(dir, "1", "s")
		if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "--data") {
			t.Errorf("acquire %s: got error %v", dir, err)
		}
	}
}
