package functiontest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

// example is the function's parameters to be weighed with, or without any those
// of its first trial.
func example(t *testing.T, fn function.Function) function.Spec {
	t.Helper()
	w := functiontest.Traffic{Params: fn.Example}
	if w.Params == "" && len(fn.Trials) > 0 {
		w.Params = fn.Trials[0].Params
	}
	if w.Params == "" {
		w.Params = "{}"
	}
	return w.Spec(t, fn)
}

// TestFormsAreDistinct: no two forms of a function are the same thing under two
// names, and every form is there or says why not.
func TestFormsAreDistinct(t *testing.T) {
	fs, err := catalog.Functions()
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range fs.All() {
		t.Run(fn.Name, func(t *testing.T) {
			if fn.Name == "jwt" && fn.Example == "" {
				fn.Example = `{"issuer": "https://hub.test", "audience": "hub", "jwks": "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"1\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"}`
			}
			all, err := functiontest.Artefacts(fn, example(t, fn), envoy.FindModules(os.Getenv))
			if err != nil {
				t.Fatal(err)
			}
			if err := functiontest.Distinct(all); err != nil {
				t.Error(err)
			}
			has := map[study.Form]bool{}
			for _, a := range all {
				has[a.Form] = true
			}
			for _, form := range study.Forms() {
				if reason := fn.Without[form]; has[form] == (reason != "") {
					t.Errorf("form %s: is there: %v; reason not to be: %q", form, has[form], reason)
				}
			}
		})
	}
}

// TestSameFormsAreFound: forms that differ in name alone are found.
func TestSameFormsAreFound(t *testing.T) {
	modules := envoy.FindModules(os.Getenv)
	for _, m := range []struct {
		name, finds string
		change      func(*function.Function)
	}{
		{"one module for two languages", "wasm and wasm-go are the same module", func(f *function.Function) { f.WasmGo = f.Wasm }},
		{"one object for two languages", "dynmod and dynmod-go are the same module", func(f *function.Function) {
			f.DynmodGo = &function.Dynmod{Module: f.Dynmod.Module, Config: f.DynmodGo.Config}
		}},
		{"a module without anything", "wasm is an empty module", func(f *function.Function) { f.Wasm = &function.Wasm{Config: f.Wasm.Config} }},
		{"an empty script", "lua is an empty script", func(f *function.Function) {
			f.Lua = &function.Lua{Script: func(function.Spec) (string, error) { return "", nil }}
		}},
		{"the native filter under the name of a service", "native and external are the same message", func(f *function.Function) {
			f.External = &function.External{Serve: f.External.Serve, Config: f.Native.Config}
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			fn := headermutation.Function()
			m.change(&fn)
			all, err := functiontest.Artefacts(fn, example(t, fn), modules)
			if err != nil {
				t.Fatal(err)
			}
			if err := functiontest.Distinct(all); err == nil || !strings.Contains(err.Error(), m.finds) {
				t.Errorf("found %v, want %q", err, m.finds)
			}
		})
	}
}
