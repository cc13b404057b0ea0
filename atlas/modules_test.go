package atlas_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
)

// moduleForms are the forms whose code is too large for a module each: one holds
// every ability, and a request says which it tries.
func moduleForms(t *testing.T) map[study.Form]function.Function {
	none := func(function.Spec) ([]byte, error) { return nil, nil }
	shape := func(_ function.Spec, r *dataplane.Resources) error { return byHeader(r) }
	dynmod := &function.Dynmod{Module: "tare_reach_rust", Config: none}
	dynmodGo := &function.Dynmod{Module: "tare_reach_go", Config: none}
	into(t, dynmod.Module, func(out string) *exec.Cmd {
		return exec.Command("rustc", "--edition", "2021", "--crate-type", "cdylib", "--crate-name", dynmod.Module, "-C", "opt-level=1", "-C", "panic=abort",
			"-o", out, "testdata/reach/dynmod.rs")
	})
	into(t, dynmodGo.Module, func(out string) *exec.Cmd {
		return goBuild([]string{"CGO_ENABLED=1"}, out, "./testdata/reach/dynmodgo")
	})
	wasm := filepath.Join(t.TempDir(), "reach.wasm")
	build(t, goBuild([]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, wasm, "./testdata/reach/wasmgo"))
	text, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	return map[study.Form]function.Function{
		study.FormWasmGo:   {Name: "try", Prepare: shape, WasmGo: &function.Wasm{Module: text, Config: none}},
		study.FormDynmod:   {Name: "try", Prepare: shape, Dynmod: dynmod},
		study.FormDynmodGo: {Name: "try", Prepare: shape, DynmodGo: dynmodGo},
	}
}

func goBuild(env []string, out, of string) *exec.Cmd {
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, of)
	cmd.Env = append(append(os.Environ(), "GOFLAGS="), env...)
	return cmd
}

// into builds a dynamic module and puts it whole where Envoy looks for modules.
func into(t *testing.T, name string, with func(out string) *exec.Cmd) {
	t.Helper()
	dir := envoy.FindModules(os.Getenv)
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(part)
	built := filepath.Join(part, name)
	build(t, with(built))
	if err := os.Rename(built, envoy.ModuleFile(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func build(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, out)
	}
}

// TestModuleTries tries what modules in Go and dynamic modules can do, through
// real proxies of both planes, and holds the committed tries to it (modules.json;
// -update writes them).
func TestModuleTries(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	forms := moduleForms(t)
	var mu sync.Mutex
	var all []atlas.Try
	t.Run("tries", func(t *testing.T) {
		for _, plane := range b.DataPlanes.All() {
			for _, p := range placement.All() {
				f, there := forms[p.Form]
				if !there || p.On != nil && p.On(plane.Name()) != "" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s", plane.Name(), p.Form), func(t *testing.T) {
					t.Parallel()
					some := tryModule(t, plane, p.Form, f)
					mu.Lock()
					defer mu.Unlock()
					all = append(all, some...)
				})
			}
		}
	})
	slices.SortStableFunc(all, func(a, b atlas.Try) int {
		return cmp.Or(cmp.Compare(a.Plane, b.Plane), cmp.Compare(a.Form, b.Form))
	})
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../modules.json", append(text, '\n'))
}

// tryModule tries every ability of one form on one plane: the first of its two
// proxies has one worker, the second has two.
func tryModule(t *testing.T, plane dataplane.DataPlane, form study.Form, f function.Function) (all []atlas.Try) {
	s := newStage(t)
	var addrs [2]string
	for k := range addrs {
		var err error
		if addrs[k], err = s.up(t, plane, form, f, k+1); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range append(reaches(), states()...) {
		s.tries = a.what
		given := 0
		wrong, err := a.carry(t, s, func(workers int) (string, error) {
			given++
			return addrs[max(given, workers)-1], nil
		})
		all = append(all, a.verdict(plane, form, "atlas.TestModuleTries", wrong, err))
	}
	return all
}
