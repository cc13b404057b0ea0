package process_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
)

// The test binary plays the children: the word in this variable says which.
const role = "TARE_PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "ready":
		fmt.Println("here I am")
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		<-signals
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("here I am")
		select {}
	case "crash":
		fmt.Fprintln(os.Stderr, "out of cheese")
		os.Exit(7)
	case "silent":
		os.Exit(0)
	case "mute": // closes what it should be ready on, and lives
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "I say no more")
		os.Stdout.Close()
		<-signals
	case "heir": // leaves a child that holds its standard error
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), role+"=ready")
		c.Stderr = os.Stderr
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: 0}
		if err := c.Start(); err != nil {
			panic(err)
		}
		fmt.Println(c.Process.Pid)
	case "parent": // starts a child of its own, stops it, and waits to be killed
		p := start("ready")
		if _, err := p.Ready(context.Background()); err != nil {
			panic(err)
		}
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			panic(err)
		}
		fmt.Println(p.PID())
		select {}
	}
}

func start(child string) *process.Process {
	l, err := process.NewLauncher("")
	if err != nil {
		panic(err)
	}
	p, err := l.Start(process.Command{Name: child, Env: []string{role + "=" + child}, Input: []byte{}})
	if err != nil {
		panic(err)
	}
	return p
}

func Example() {
	l, err := process.NewLauncher("/bin/echo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	p, err := l.Start(process.Command{Name: "echo", Args: []string{"ready"}, Input: []byte{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	line, err := p.Ready(context.Background())
	fmt.Println(line, err)
	p.Stop(time.Second)
	// Output: ready <nil>
}

func TestReadyThenStop(t *testing.T) {
	p := start("ready")
	line, err := p.Ready(context.Background())
	if err != nil || line != "here I am" {
		t.Fatalf("%q, %v", line, err)
	}
	p.Stop(10 * time.Second)
	p.Stop(0) // again is nothing
	if err := p.Err(); err != nil {
		t.Errorf("a process that was stopped has an error: %v", err)
	}
}

func TestStopEndsStubbornAndStoppedProcesses(t *testing.T) {
	for _, child := range []string{"stubborn", "ready"} {
		p := start(child)
		if _, err := p.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		p.Stop(20 * time.Millisecond)
		select {
		case <-p.Done():
		default:
			t.Errorf("%s lives on", child)
		}
	}
}

func TestCrashShowsTheLastLines(t *testing.T) {
	p := start("crash")
	_, err := p.Ready(context.Background())
	if err == nil || !strings.Contains(err.Error(), "out of cheese") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("Ready: %v", err)
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Errorf("Err: %v", err)
	}
	if _, err := start("silent").Ready(context.Background()); err == nil || !strings.Contains(err.Error(), "printed nothing") {
		t.Errorf("a child that says nothing: %v", err)
	}
}

func TestReadyOfAChildThatClosesItsOutput(t *testing.T) {
	p := start("mute")
	defer p.Stop(0)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan error, 1)
	go func() {
		_, err := p.Ready(ctx)
		got <- err
	}()
	// Nothing tells that a pipe has been closed but the kernel's list of files.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for open := true; open; <-tick.C {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/1", p.PID()))
		open = err == nil
	}
	cancel()
	if err := <-got; err == nil || !strings.Contains(err.Error(), "mute") {
		t.Errorf("got %v", err)
	}
}

// A grandchild that keeps the pipe does not keep its parent from being gone.
func TestEndIsSeenThoughAGrandchildLives(t *testing.T) {
	p := start("heir")
	line, err := p.Ready(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	select {
	case <-p.Done():
	case <-deadline.C:
		t.Error("the child has ended and is waited for")
	}
}

func TestReadyGivesUpWithTheContext(t *testing.T) {
	l, err := process.NewLauncher("/bin/cat")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := l.Start(process.Command{Name: "cat"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Ready(ctx); err == nil || !strings.Contains(err.Error(), "cat") {
		t.Errorf("got %v", err)
	}
}

func TestMissingProgramIsNamed(t *testing.T) {
	l, err := process.NewLauncher("/no/such/program")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Start(process.Command{Name: "ghost"}); err == nil || !strings.Contains(err.Error(), "start ghost") {
		t.Errorf("got %v", err)
	}
}

func TestClosedLauncherStartsNothing(t *testing.T) {
	l, err := process.NewLauncher("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	l.Close()
	if _, err := l.Start(process.Command{Name: "late"}); err == nil {
		t.Error("a closed launcher started a process")
	}
}

// A stopped grandchild dies with the child that started it.
func TestStoppedChildrenDieWithTheirParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), role+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	deadline := time.NewTimer(2 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("process %d outlives its parent by 2 s", pid)
		}
	}
}

// alive: a zombie that nobody has reaped yet is dead.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// What is chosen is listened on later: no two may get the same.
func TestFreeAddrComesOnce(t *testing.T) {
	const draws = 2000
	all := make([]string, draws)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			a, err := process.FreeAddr()
			if err != nil || !strings.HasPrefix(a, "127.0.0.1:") {
				t.Errorf("%q, %v", a, err)
			}
			all[i] = a
		})
	}
	wg.Wait()
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != draws {
		t.Errorf("%d draws gave %d addresses", draws, n)
	}
}
