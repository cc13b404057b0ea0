package envoy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

func TestFindModules(t *testing.T) {
	root := t.TempDir()
	below := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	none := func(string) string { return "" }
	if got := envoy.FindModules(none); got != ".cache/modules" {
		t.Errorf("without any: %s", got)
	}
	if err := os.MkdirAll(filepath.Join(root, ".cache", "modules"), 0o755); err != nil {
		t.Fatal(err)
	}
	want, err := filepath.EvalSymlinks(filepath.Join(root, ".cache", "modules"))
	if err != nil {
		t.Fatal(err)
	}
	if got := envoy.FindModules(none); got != want {
		t.Errorf("in a folder above: %s, want %s", got, want)
	}
	named := func(name string) string { return map[string]string{envoy.ModulesVariable: "/elsewhere"}[name] }
	if got := envoy.FindModules(named); got != "/elsewhere" {
		t.Errorf("by the variable: %s", got)
	}
}

// A module that is not built is an error that says how it is.
func TestModuleIsNotBuilt(t *testing.T) {
	t.Setenv(envoy.ModulesVariable, t.TempDir())
	fn := function.Function{Name: "none", Dynmod: &function.Dynmod{Module: "tare_none", Config: func(function.Spec) ([]byte, error) { return nil, nil }}}
	x := testbed.Topology{Proxy: &dataplane.Proxy{Listen: "127.0.0.1:1"}}
	for _, p := range placement.All() {
		if p.Form == study.FormDynmod {
			if err := p.Place(&x, fn, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	proxy, err := newPlane(t, realEnvoy).Start(t.Context(), dataplane.Options{Name: "none"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Stop() })
	err = proxy.Configure(t.Context(), *x.Proxy)
	if err == nil || !strings.Contains(err.Error(), "libtare_none.so") || !strings.Contains(err.Error(), "make dynmod") {
		t.Errorf("%v", err)
	}
}
