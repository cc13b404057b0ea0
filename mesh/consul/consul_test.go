package consul_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/mesh/consul"
	"github.com/taremesh/tare/testbed"
)

// program makes a file that can be started.
func program(t *testing.T, path, script string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func none(string) string { return "" }

// The variable goes before PATH, and PATH before what make mesh-tools built.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("PATH", filepath.Join(dir, "path"))
	if _, err := consul.Find(none); !errors.Is(err, consul.ErrAbsent) || !strings.Contains(err.Error(), "make mesh-tools") {
		t.Errorf("absent: %v", err)
	}
	built := program(t, filepath.Join(dir, ".cache", "mesh-tools", "bin", "consul"), "")
	if got, err := consul.Find(none); err != nil || got != built {
		t.Errorf("built: %q, %v", got, err)
	}
	onPath := program(t, filepath.Join(dir, "path", "consul"), "")
	if got, err := consul.Find(none); err != nil || got != onPath {
		t.Errorf("on PATH: %q, %v", got, err)
	}
	mine := program(t, filepath.Join(dir, "mine"), "")
	if got, err := consul.Find(func(string) string { return mine }); err != nil || got != mine {
		t.Errorf("by variable: %q, %v", got, err)
	}
	if _, err := consul.Find(func(string) string { return "/no/such/consul" }); !errors.Is(err, consul.ErrAbsent) {
		t.Errorf("by a wrong variable: %v", err)
	}
}

// An absent Consul ends a run before anything is kept, with the remedy.
func TestRunWithoutConsul(t *testing.T) {
	file, err := filepath.Abs("../../examples/consul.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("PATH", t.TempDir())
	t.Setenv("TARE_CONSUL", "")
	var out, said bytes.Buffer
	code := cli.Main(cli.State{Args: []string{"run", file, "--data", t.TempDir()}, Getenv: none, In: strings.NewReader(""), Out: &out, Err: &said})
	if code != 3 || !strings.Contains(said.String(), "make mesh-tools") || out.Len() > 0 {
		t.Errorf("exit code %d, printed %q, said %q", code, out.String(), said.String())
	}
}

func TestProgram(t *testing.T) {
	for _, c := range []struct{ script, version, want string }{
		{`echo '{"Version": "1.22.5", "Revision": ""}'`, "1.22.5", ""},
		{`echo Consul v1.22.5`, "", "for its version"},
		{`exit 1`, "", "for its version"},
	} {
		exe := program(t, filepath.Join(t.TempDir(), "consul"), c.script)
		p, err := consul.New(nil, func() (string, error) { return exe, nil }, nil).Program(t.Context())
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.script, err)
			}
			continue
		}
		if err != nil || p.Plane != "consul" || p.Version != c.version || p.Path != exe || len(p.SHA256) != 64 {
			t.Errorf("%s: %+v, %v", c.script, p, err)
		}
	}
}

// A program that is no Consul ends at once, or never is ready; what it said is shown.
func TestProgramThatIsNoConsul(t *testing.T) {
	l := newLauncher(t)
	exe := program(t, filepath.Join(t.TempDir(), "consul"), "echo the moon is full; echo out of cheese >&2; exit 3")
	b := consul.New(l, func() (string, error) { return exe, nil }, func() (string, error) { return exe, nil })
	_, err := b.Up(t.Context(), []testbed.Topology{{Name: "a"}}, []int{0})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "out of cheese") || !strings.Contains(err.Error(), "the moon is full") {
		t.Errorf("%v", err)
	}
	exe = program(t, exe, "exec sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := b.Up(ctx, []testbed.Topology{{Name: "a"}}, []int{0}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// listener is what an Envoy shows of one.
func listener(direction string, filters ...string) string {
	var list []string
	for _, f := range filters {
		list = append(list, fmt.Sprintf(`{"name": %q}`, f))
	}
	return fmt.Sprintf(`{"name": "l", "active_state": {"listener": {"traffic_direction": %q, "filter_chains": [{"filters": [
		{"name": "hcm", "typed_config": {"http_filters": [%s]}}]}]}}}`, direction, strings.Join(list, ","))
}

func TestSidecarCarries(t *testing.T) {
	const token, rbac, wasm = "envoy.filters.http.jwt_authn", "envoy.filters.http.rbac", "envoy.filters.http.wasm"
	for _, c := range []struct {
		name, configs string
		chain         []string
		want          string // empty: it does
	}{
		{"all", listener("INBOUND", token, rbac, "other", wasm, "envoy.filters.http.router"), []string{token, rbac, wasm}, ""},
		{"a second listener", listener("OUTBOUND") + "," + listener("INBOUND", rbac), []string{rbac}, ""},
		{"nothing yet", "", []string{rbac}, "no INBOUND listener yet"},
		{"warming", `{"name": "l", "warming_state": {}}`, []string{rbac}, "no INBOUND listener yet"},
		{"a filter is missing", listener("INBOUND", rbac), []string{token, rbac}, "not yet"},
		{"a filter too many", listener("INBOUND", token, rbac), []string{rbac}, "not yet"},
		{"in another order", listener("INBOUND", wasm, rbac), []string{rbac, wasm}, "not yet"},
		{"refused", `{"name": "l", "error_state": {"details": "no such engine"}}`, []string{rbac}, "refused what Consul told it: listener l: no such engine"},
		{"no JSON", `{`, []string{rbac}, "read the configuration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/config_dump" && r.URL.Query().Get("resource") == "dynamic_listeners" {
					fmt.Fprintf(w, `{"configs": [%s]}`, c.configs)
				}
			}))
			defer s.Close()
			err := consul.Carries(t.Context(), s.Listener.Addr().String(), c.chain...)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
