//go:build mesh

package consul_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/mesh/consul"
)

func freeAddr() (string, error) { return process.FreeAddr() }

// eventually polls until the condition holds; what a mesh does cannot be
// waited for otherwise.
func eventually(t *testing.T, left func() string) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		what := left()
		if what == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("after a minute: %s", what)
		}
	}
}

const markName = "TARE_TEST_MARK"

// marked lists the living processes whose environment has the mark.
func marked(t *testing.T, mark string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(env, []byte(markName+"="+mark+"\x00")) {
			continue // gone, or not ours
		}
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		found = append(found, string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))
	}
	return found
}

// running is a study under way in a process of its own, whose temporary files
// and working directory are in folders of the test.
type running struct {
	*exec.Cmd
	mark, folder string
	said         bytes.Buffer
}

func run(t *testing.T, args ...string) *running {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Cmd: exec.Command(exe, args...), mark: t.Name(), folder: t.TempDir()}
	for _, d := range []string{"tmp", "data", "work", "home"} {
		if err := os.Mkdir(filepath.Join(r.folder, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.Dir = filepath.Join(r.folder, "work")
	r.Env = append(os.Environ(), markName+"="+r.mark, "TMPDIR="+filepath.Join(r.folder, "tmp"),
		"TARE_DATA="+filepath.Join(r.folder, "data"), "HOME="+filepath.Join(r.folder, "home"))
	r.Stderr = &r.said
	return r
}

// standing returns once the agent and all sidecars of the study run.
func (r *running) standing(t *testing.T, sidecars int) {
	t.Helper()
	eventually(t, func() string {
		agents, envoys := 0, 0
		for _, c := range marked(t, r.mark) {
			if strings.Contains(c, " agent -dev ") {
				agents++
			}
			if strings.Contains(c, "--config-yaml") {
				envoys++
			}
		}
		if agents == 1 && envoys == sidecars {
			return ""
		}
		return fmt.Sprintf("%d agents and %d sidecars run", agents, envoys)
	})
}

// nothingLeft: no process and no file, but what the study keeps of its results.
func (r *running) nothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, func() string { return strings.Join(marked(t, r.mark), "\n") })
	for _, d := range []string{"tmp", "work", "home"} {
		files, err := os.ReadDir(filepath.Join(r.folder, d))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			t.Errorf("left in %s: %s", d, f.Name())
		}
	}
}

// example writes the example with a rate, so that it needs no pilot.
func example(t *testing.T, change ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/consul.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "consul.yaml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(change...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		code   int
	}{{"Ctrl-C", syscall.SIGINT, 130}, {"kill -9", syscall.SIGKILL, -1}} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, "run", example(t, "# rate: 500/s", "rate: 20/s"))
			if err := r.Start(); err != nil {
				t.Fatal(err)
			}
			r.standing(t, 12)
			if err := r.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			_ = r.Wait() // the code says it
			if got := r.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d, want %d:\n%s", got, c.code, r.said.String())
			}
			r.nothingLeft(t)
		})
	}
}

// The example as a user runs it: it ends with a report that names both programs.
func TestExampleRuns(t *testing.T) {
	r := run(t, "run", example(t), "--quick", "-o", "json")
	out, err := r.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, r.said.String())
	}
	var report struct {
		State      string
		Treatments []struct {
			Name     string
			Requests int
		}
		Planes []struct{ Plane, Version, SHA256 string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	if report.State != "done" || len(report.Treatments) != 7 {
		t.Errorf("state %s, %d treatments", report.State, len(report.Treatments))
	}
	for _, x := range report.Treatments {
		if x.Requests == 0 {
			t.Errorf("%s: no requests", x.Name)
		}
	}
	versions := map[string]string{}
	for _, p := range report.Planes {
		if len(p.SHA256) != 64 {
			t.Errorf("%s: digest %q", p.Plane, p.SHA256)
		}
		versions[p.Plane] = p.Version
	}
	if versions["consul"] != "1.22.5" || versions["envoy"] == "" {
		t.Errorf("programs %v", versions)
	}
	r.nothingLeft(t)
}

// Down ends every process, the agent's too, and lets go of the modules.
func TestDown(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	pids := []int{consul.AgentPID(s)}
	for i := range p.app.Topologies {
		for _, x := range s.Processes(i) {
			pids = append(pids, x.PID)
		}
	}
	if len(pids) != 1+5+2*4 {
		t.Errorf("%d processes", len(pids))
	}
	if n := modules(t); n != 1 {
		t.Errorf("%d modules held in memory, want that of wasm", n)
	}
	for range 2 {
		if err := s.Down(); err != nil {
			t.Fatal(err)
		}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	if n := modules(t); n != 0 {
		t.Errorf("%d modules are still held in memory", n)
	}
}

// modules counts the files in memory that this process holds.
func modules(t *testing.T) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "/memfd:module.wasm") {
			n++
		}
	}
	return n
}

// Nothing that stands can be reached from another machine.
func TestLoopbackOnly(t *testing.T) {
	p := newSite(t, both)
	s := p.up(t)
	open := listening(t, consul.AgentPID(s))
	for i := range p.app.Topologies {
		for _, x := range s.Processes(i) {
			open = append(open, listening(t, x.PID)...)
		}
	}
	if len(open) < 5+5+4*5 { // the agent's (Serf has two), a service each, and each sidecar's two with one upstream
		t.Errorf("found %d listening sockets: %v", len(open), open)
	}
	for _, at := range open {
		if ip, _, _ := strings.Cut(at, ":"); ip != "0100007F" && ip != "00000000000000000000000001000000" {
			t.Errorf("something listens on %s", at)
		}
	}
}

// listening lists the addresses, in the kernel's hex, that a process takes
// connections and datagrams on.
func listening(t *testing.T, pid int) (open []string) {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "socket:[") {
			own[strings.Trim(to, "socket:[]")] = true
		}
	}
	for file, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		text, err := os.ReadFile("/proc/net/" + file)
		if errors.Is(err, os.ErrNotExist) {
			continue // a kernel without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if f := strings.Fields(line); len(f) > 9 && f[3] == state && own[f[9]] {
				open = append(open, f[1])
			}
		}
	}
	return open
}
