package noop_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/study"
)

func decode(t *testing.T, text string) (function.Spec, error) {
	t.Helper()
	params, err := study.JSONParams("noop", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return noop.Function().Decode(params)
}

func TestTakesNoParameters(t *testing.T) {
	for _, text := range []string{`{}`, `null`} {
		if _, err := decode(t, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := decode(t, `{"rate": 1}`); err == nil || !strings.Contains(err.Error(), "rate") {
		t.Errorf("a parameter: %v", err)
	}
}

// Every form is there or has a reason not to be.
func TestForms(t *testing.T) {
	fn := noop.Function()
	has := map[study.Form]bool{
		study.FormLibrary: fn.Library != nil, study.FormNative: fn.Native != nil, study.FormLua: fn.Lua != nil, study.FormWasm: fn.Wasm != nil,
		study.FormWasmGo: fn.WasmGo != nil, study.FormDynmod: fn.Dynmod != nil, study.FormDynmodGo: fn.DynmodGo != nil, study.FormExternal: fn.External != nil,
	}
	for _, form := range study.Forms() {
		if _, reason := fn.Without[form]; reason == has[form] {
			t.Errorf("%s: is there: %v, has a reason not to be: %v", form, has[form], reason)
		}
	}
	if has[study.FormLibrary] {
		t.Error("it has a form that no proxy runs")
	}
}

// The filter is told nothing, and the embedded plane's filter for the message
// then does nothing: any change would panic on the nil exchange.
func TestNative(t *testing.T) {
	c, err := noop.Function().Native.Config(noop.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	types := headermutation.Function().Native.Types
	if c.Config.GetTypeUrl() != types[0].URL || len(c.Config.GetValue()) != 0 || len(c.Routes) != 0 {
		t.Errorf("%+v", c)
	}
	f, err := types[0].New(c.Config)
	if err != nil || !f.Handle(nil) {
		t.Fatalf("%v, %v", f, err)
	}
	r, ok := f.(function.Responder)
	if !ok {
		t.Fatal("it is not called for the response, as Envoy's is")
	}
	r.Respond(nil, nil)
}

func TestJudge(t *testing.T) {
	seen := func(outcomes ...function.Outcome) (all []function.Observation) {
		for i, o := range outcomes {
			at := time.Duration(i)
			all = append(all, function.Observation{Earliest: at, Latest: at + 1, Path: "/pull", Outcome: o})
		}
		return all
	}
	const allowed, refused, unknown = function.Allowed, function.Refused, function.Unknown
	for _, c := range []struct {
		name   string
		seen   []function.Observation
		served int
		fault  string
	}{
		{"nothing", nil, 0, ""},
		{"all allowed", seen(allowed, allowed), 2, ""},
		{"a service that does not count", seen(allowed, allowed), -1, ""},
		{"no answer, served", seen(allowed, unknown), 2, ""},
		{"no answer, not served", seen(allowed, unknown), 1, ""},
		{"one refused", seen(allowed, refused), 1, "was refused: nothing is limited"},
		{"one lost", seen(allowed, allowed), 1, "served 1 requests, but 2"},
		{"one too many", seen(allowed, unknown), 3, "served 3 requests, but 1"},
		{"no outcome", seen(allowed, 9), 1, "has no outcome"},
	} {
		err := noop.Function().Judge(noop.Spec{}, function.Evidence{Observations: c.seen, Served: c.served})
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		}
	}
}

func TestForecast(t *testing.T) {
	f, err := noop.Function().Forecast(noop.Spec{}, []function.Arrival{{Path: "/pull"}})
	if err != nil || f != (function.Forecast{Lowest: 1}) {
		t.Errorf("%+v, %v", f, err)
	}
}

// The committed module is the one that its digest was taken of.
func TestDigest(t *testing.T) {
	want, err := os.ReadFile("filter/noop.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  noop.wasm\n", sha256.Sum256(noop.Function().Wasm.Module)); got != string(want) {
		t.Errorf("filter/noop.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}

func Example() {
	fn := noop.Function()
	config, err := fn.Wasm.Config(noop.Spec{})
	fmt.Println(fn.Name, string(fn.Wasm.Module[1:4]), len(config), err)
	// Output: noop asm 0 <nil>
}

// The modules do not differ by how they manage memory, are configured, or talk
// to their proxy: what all have is the same file.
func TestSameSources(t *testing.T) {
	for name, least := range map[string]int{"memory.rs": 4, "envoy.rs": 4, "lines.rs": 2, "proxy.rs": 2, "whole.rs": 2, "wasm.rs": 0} {
		paths, err := filepath.Glob("../*/filter/src/" + name)
		if err != nil || len(paths) < least {
			t.Fatalf("%s: %d files, %v", name, len(paths), err)
		}
		if name == "wasm.rs" { // that of header-mutation and route-context, which change headers
			paths = []string{"../headermutation/filter/src/wasm.rs", "../routecontext/filter/src/wasm.rs"}
		}
		first, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths[1:] {
			other, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, other) {
				t.Errorf("%s and %s are not the same", paths[0], path)
			}
		}
	}
}
