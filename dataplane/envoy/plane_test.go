package envoy_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/internal/process"
)

// newPlane stands until the test ends; it needs a real Envoy, which make test gets.
func newPlane(t *testing.T, find func() (string, error)) *envoy.Plane {
	t.Helper()
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	server, err := xds.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return envoy.New(server, l, find)
}

func realEnvoy() (string, error) { return envoy.Find(os.Getenv) }

func TestConformance(t *testing.T) {
	dataplanetest.Run(t, newPlane(t, realEnvoy))
}

// A module that does nothing changes nothing, though every head and every body
// goes through it.
func TestConformanceThroughAModule(t *testing.T) {
	filter, err := xds.WasmFilter("noop", noop.Function().Wasm.Module, nil)
	if err != nil {
		t.Fatal(err)
	}
	dataplanetest.RunThrough(t, newPlane(t, realEnvoy), filter)
}

func TestAbsentSaysHowToGetOne(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	none := func(string) string { return "" }
	for name, getenv := range map[string]func(string) string{
		"not on PATH":      none,
		"a wrong variable": func(string) string { return "/no/such/envoy" },
	} {
		_, err := newPlane(t, func() (string, error) { return envoy.Find(getenv) }).Start(context.Background(), dataplane.Options{Name: "a"})
		if !errors.Is(err, envoy.ErrAbsent) || !strings.Contains(err.Error(), "pip install") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProgramIsNamed(t *testing.T) {
	p, err := newPlane(t, realEnvoy).Program(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Plane != "envoy" || !strings.HasPrefix(p.Version, "1.") || len(p.SHA256) != 64 || p.Path == "" {
		t.Errorf("%+v", p)
	}
}

// PATH has the Python package's script: the program behind it is meant.
func TestFindLooksBehindTheScript(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "lib", "python3.11", "site-packages", "envoy", "_bin")
	for _, d := range []string{bin, filepath.Join(dir, "bin")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for path, text := range map[string]string{filepath.Join(bin, "envoy"): "\x7fELF", filepath.Join(dir, "bin", "envoy"): "#!/usr/bin/python3\n"} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(dir, "bin"))
	got, err := envoy.Find(func(string) string { return "" })
	if err != nil || filepath.Base(filepath.Dir(got)) != "_bin" {
		t.Errorf("%q, %v", got, err)
	}
}

// A program that is no Envoy ends at once; its last lines are shown.
func TestProgramThatIsNoEnvoy(t *testing.T) {
	plane := newPlane(t, func() (string, error) { return "/bin/false", nil })
	if _, err := plane.Start(context.Background(), dataplane.Options{Name: "a"}); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("%v", err)
	}
}
