// Package process starts child processes that cannot outlive tare.
//
// Every child gets PR_SET_PDEATHSIG = SIGKILL, set from one OS thread that is
// locked for as long as the Launcher lives: the signal is tied to the thread
// that forked (golang/go#27505), and SIGKILL ends stopped processes too. A
// child says that it is ready by its first line on standard output. The cores
// that it may run on are chosen by that thread too, before it forks.
package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Launcher starts children. Close it last: it ends the thread that they are
// tied to, and with it the children.
type Launcher struct {
	exe   string
	start chan func()
	done  chan struct{}
	close sync.Once
}

// NewLauncher makes a launcher whose children run the given executable; empty
// means this one.
func NewLauncher(exe string) (*Launcher, error) {
	if exe == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program to start it as a child: %w", err)
		}
		exe = self
	}
	l := &Launcher{exe: exe, start: make(chan func()), done: make(chan struct{})}
	go l.thread()
	return l, nil
}

// thread forks every child. It never unlocks: when it returns, its OS thread ends.
func (l *Launcher) thread() {
	runtime.LockOSThread()
	for {
		select {
		case f := <-l.start:
			f()
		case <-l.done:
			return
		}
	}
}

// Close ends the launcher and kills what children are left.
func (l *Launcher) Close() { l.close.Do(func() { close(l.done) }) }

// Command is what to start.
type Command struct {
	Name string   // for messages: "service of native"
	Exe  string   // empty: the launcher's
	Args []string // without the program's name
	Env  []string // added to the environment
	// Input is written to the child's standard input, which is then closed.
	// Nil leaves Process.Stdin open for the caller.
	Input []byte
	// Files are inherited as the descriptors 3, 4, …; the caller's stay open.
	Files []*os.File
	// Cores is how many of the allowed cores the child may run on, the lowest
	// ones; 0: all.
	Cores int
}

// Process is a started child.
type Process struct {
	Name   string
	Stdin  io.WriteCloser // nil when the command had an Input
	Stdout *bufio.Reader  // after the first line has been read by Ready

	cmd  *exec.Cmd
	tail *tail
	done chan struct{}
	err  error // of Wait; set before done is closed

	mu      sync.Mutex
	stopped bool // Stop was called: the end is no fault
}

// pipeGrace is how long standard error is read after the child has ended: a
// grandchild may hold it open for ever.
const pipeGrace = time.Second

// Start starts a command.
func (l *Launcher) Start(c Command) (*Process, error) {
	exe := c.Exe
	if exe == "" {
		exe = l.exe
	}
	p := &Process{Name: c.Name, cmd: exec.Command(exe, c.Args...), tail: &tail{}, done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Stderr = p.tail
	p.cmd.ExtraFiles = c.Files
	p.cmd.WaitDelay = pipeGrace
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	// A pipe of our own: cmd.StdoutPipe is closed by Wait before the reader is done.
	out, child, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p.cmd.Stdout = child
	if c.Input != nil {
		p.cmd.Stdin = strings.NewReader(string(c.Input))
	} else if p.Stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	p.Stdout = bufio.NewReaderSize(out, 1<<16)
	started := make(chan error, 1)
	fork := func() { started <- onCores(c.Cores, p.cmd.Start) }
	select {
	case l.start <- fork:
		err = <-started
	case <-l.done:
		err = errors.New("the launcher is closed")
	}
	child.Close()
	if err != nil {
		if p.cmd.Process != nil { // it runs, but not as it was to
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		out.Close()
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
		// What the child had written stays readable in the pipe's buffer; the
		// reader sees its end of file, so out is left to the collector.
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ready waits for the first line on standard output. When the child ends
// before, the error shows its last lines.
func (p *Process) Ready(ctx context.Context) (string, error) {
	type line struct {
		s   string
		err error
	}
	got := make(chan line, 1)
	go func() {
		s, err := p.Stdout.ReadString('\n')
		got <- line{strings.TrimSpace(s), err}
	}()
	select {
	case l := <-got:
		if l.err == nil {
			return l.s, nil
		}
		select {
		case <-p.done:
			return "", fmt.Errorf("%s ended before it was ready: %w", p.Name, p.failure())
		case <-ctx.Done():
			return "", fmt.Errorf("wait until %s is ready: it closed its standard output, and runs: %w%s", p.Name, ctx.Err(), p.lastLines())
		}
	case <-ctx.Done():
		return "", fmt.Errorf("wait until %s is ready: %w%s", p.Name, ctx.Err(), p.lastLines())
	}
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says why a process ended that nobody stopped, with its last lines; nil
// while it runs and after Stop.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return nil
	}
	return fmt.Errorf("%s ended: %w", p.Name, p.failure())
}

func (p *Process) failure() error {
	why := "it exited with status 0"
	if p.err != nil {
		why = p.err.Error()
	}
	return errors.New(why + p.lastLines())
}

func (p *Process) lastLines() string {
	s := strings.TrimSpace(p.tail.String())
	if s == "" {
		return " (it printed nothing)"
	}
	return "; its last lines:\n  " + strings.ReplaceAll(s, "\n", "\n  ")
}

// Said returns the last of what the process has written to its standard error.
func (p *Process) Said() string { return p.tail.String() }

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", s, p.Name, err)
	}
	return nil
}

// Stop ends the process: SIGTERM, after the grace SIGKILL. It returns when the
// process is gone and may be called again.
func (p *Process) Stop(grace time.Duration) {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	if grace > 0 {
		_ = p.Signal(syscall.SIGCONT)
		_ = p.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return
		case <-time.After(grace):
		}
	}
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// tail keeps the last 4 KiB written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - 4096; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
