package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// pty is the keyboard and the screen of a terminal of its own.
type pty struct {
	*os.File
	slave *os.File // the end that a program has

	mu     sync.Mutex
	screen bytes.Buffer // what programs wrote
	wrote  chan struct{}
	ended  chan struct{} // every program has closed its end
}

func openPTY(t *testing.T, columns uint16) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{File: master, slave: slave, wrote: make(chan struct{}, 1), ended: make(chan struct{})}
	p.resize(t, columns)
	return p
}

func (p *pty) resize(t *testing.T, columns uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

// start runs a program on the terminal, but for its standard output.
func (p *pty) start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	c.Stdin, c.Stderr = p.slave, p.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // of descriptor 0
	err := c.Start()
	_ = p.slave.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	go p.watch()
}

// watch reads until no program has the terminal any more.
func (p *pty) watch() {
	defer close(p.ended)
	b := make([]byte, 4096)
	for {
		n, err := p.Read(b)
		p.mu.Lock()
		p.screen.Write(b[:n])
		p.mu.Unlock()
		select {
		case p.wrote <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *pty) all() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// until waits for what is to be seen on the screen.
func (p *pty) until(t *testing.T, what string, seen func(screen string) bool) {
	t.Helper()
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	for !seen(p.all()) {
		select {
		case <-p.wrote:
		case <-p.ended:
			t.Fatalf("the program has ended, without %s: %q", what, p.all())
		case <-patience.C:
			t.Fatalf("no %s: %q", what, p.all())
		}
	}
}

// anew is how a terminal's line is begun anew.
const anew = "\r\x1b[K"

// In a terminal a load has one line, which is written anew as long as it runs
// and no wider than the terminal; Ctrl-C ends the load, and what was done is
// reported, with nothing of the line.
func TestLoadInTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	const columns = 40
	terminal := openPTY(t, columns)
	c := command(t, t.TempDir(), "", "load", server.URL, "--rate", "4000", "--duration", "10m", "--connections", "4", "-o", "json")
	var out bytes.Buffer
	c.Stdout = &out
	terminal.start(t, c)
	terminal.until(t, "third line", func(screen string) bool { return strings.Count(screen, anew) > 2 })
	lines := strings.Split(terminal.all(), anew)
	if lines[0] != "" {
		t.Errorf("before the first line: %q", lines[0])
	}
	for _, line := range lines[1 : len(lines)-1] { // the last may still come
		if n := utf8.RuneCountInString(line); n >= columns || n < columns-2 || strings.Contains(line, "\n") || !strings.Contains(line, " left · ") {
			t.Errorf("%d characters, of %d columns: %q", n, columns, line)
		}
	}
	terminal.resize(t, 200)
	full := regexp.MustCompile(`\r\x1b\[K9:\d\d left · \d+/s · [1-9]\d+ sent · \d+ errors · p50 ≈ \S+s · p99 ≈ \S+s$`)
	terminal.until(t, "line with all figures", full.MatchString)
	if before, _, _ := strings.Cut(terminal.all(), "tare:"); strings.Contains(before, "\n") {
		t.Errorf("more than one line: %q", before)
	}
	if _, err := io.WriteString(terminal, "\x03"); err != nil {
		t.Fatal(err)
	}
	<-terminal.ended
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d, want 130: %q", code, terminal.all())
	}
	var got loaded
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || !got.Interrupted || got.Requests < 10_000 || got.LatencyUS.P99 == nil {
		t.Errorf("%v: %.300s", err, out.String())
	}
	screen := terminal.all()
	left := screen[strings.LastIndex(screen, anew)+len(anew):]
	if want := fmt.Sprintf("tare: interrupted after %d requests\r\n", got.Requests); left != want {
		t.Errorf("on the screen is left %q, want %q", left, want)
	}
}

// Elsewhere it has plain lines, and none on standard output.
func TestLoadOffTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	_, r := loadJSON(t, server.URL, "--rate", "400", "--duration", "1500ms", "--no-floor")
	plain := regexp.MustCompile(`^(0:0\d left · \d+/s · \d+ sent · 0 errors · p50 (–|≈ \S+s) · p99 –\n)+$`)
	if r.code != 0 || !plain.MatchString(r.err) {
		t.Errorf("exit %d: %q", r.code, r.err)
	}
}
