package placement_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// router is the topology of a proxy that only routes.
func router() *testbed.Topology {
	return &testbed.Topology{Name: "router", DataPlane: "embedded", Proxy: &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{
		Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}}}}
}

func direct() *testbed.Topology { return &testbed.Topology{Name: "direct"} }

func get(t *testing.T, form study.Form) placement.Placement {
	t.Helper()
	for _, p := range placement.All() {
		if p.Form == form {
			return p
		}
	}
	t.Fatalf("no placement for form %s", form)
	return placement.Placement{}
}

func place(t *testing.T, x *testbed.Topology, form study.Form, f function.Function, params string) {
	t.Helper()
	given, err := study.JSONParams("params", []byte(params))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := f.Decode(given)
	if err != nil {
		t.Fatal(err)
	}
	p := get(t, form)
	if !p.Has(f) || p.Name() != string(form) {
		t.Fatalf("%s has no form %s", f.Name, form)
	}
	if err := p.Place(x, f, spec); err != nil {
		t.Fatal(err)
	}
}

// What the tables of the golden file show of a topology.
type shown struct {
	Service []workload.Placed
	Filters []shownFilter `json:",omitempty"`
	Routes  []shownRoute  `json:",omitempty"`
}

type shownFilter struct {
	Name   string
	Config json.RawMessage
}

type shownRoute struct {
	Path      string
	Exact     bool
	Cluster   string
	Overrides map[string]json.RawMessage `json:",omitempty"`
}

func message(t *testing.T, a *anypb.Any) json.RawMessage {
	t.Helper()
	text, err := protojson.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var v any // spaces and order of protojson are not the same every time
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func render(t *testing.T, x *testbed.Topology) []byte {
	t.Helper()
	s := shown{Service: x.Service.Functions}
	if x.Proxy != nil {
		for _, f := range x.Proxy.Filters {
			s.Filters = append(s.Filters, shownFilter{f.Name, message(t, f.Config)})
		}
		for _, r := range x.Proxy.Hosts[0].Routes {
			o := map[string]json.RawMessage{}
			for name, a := range r.Overrides {
				o[name] = message(t, a)
			}
			s.Routes = append(s.Routes, shownRoute{r.Path, r.Exact, r.Cluster, o})
		}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

const (
	limits = `{"limits": {"Personal": "10/min", "Team": "100/min"}, "paths": ["/pull", "/search"]}`
	token  = `{"issuer": "https://hub.test", "audience": "hub", "jwks": "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"1\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"}`
)

func TestPlacements(t *testing.T) {
	for _, c := range []struct {
		golden string
		make   func(*testing.T) *testbed.Topology
	}{
		{"library.json", func(t *testing.T) *testbed.Topology {
			x := direct()
			place(t, x, study.FormLibrary, ratelimit.Function(), limits)
			return x
		}},
		{"native.json", func(t *testing.T) *testbed.Topology {
			x := router()
			place(t, x, study.FormNative, ratelimit.Function(), limits)
			return x
		}},
		// The order of the chain is the order of placing: the token check first.
		{"token-native.json", func(t *testing.T) *testbed.Topology {
			x := router()
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormNative, ratelimit.Function(), limits)
			return x
		}},
		{"token-library.json", func(t *testing.T) *testbed.Topology {
			x := router()
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormLibrary, ratelimit.Function(), limits)
			return x
		}},
		// A module goes behind the token check, as bytes inside the message.
		{"token-wasm.json", func(t *testing.T) *testbed.Topology {
			x := router()
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormWasm, module, "{}")
			return x
		}},
		{"lua.json", only(study.FormLua, `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}]}`)},
		{"wasm-go.json", only(study.FormWasmGo, "")},
		{"dynmod.json", only(study.FormDynmod, `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}]}`)},
		{"dynmod-go.json", only(study.FormDynmodGo, `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}]}`)},
		{"external.json", only(study.FormExternal, `{"request": [{"op": "set", "name": "x-mesh", "value": "tare"}]}`)},
	} {
		t.Run(c.golden, func(t *testing.T) { golden.Check(t, c.golden, render(t, c.make(t))) })
	}
}

// only is header mutation in one form, or the small module where there are no
// parameters.
func only(form study.Form, params string) func(*testing.T) *testbed.Topology {
	return func(t *testing.T) *testbed.Topology {
		x := router()
		if params == "" {
			place(t, x, form, module, "{}")
		} else {
			place(t, x, form, headermutation.Function(), params)
		}
		return x
	}
}

// module is a function of the forms wasm and wasm-go alone.
var module = function.Function{
	Name:   "header",
	Decode: func(study.Params) (function.Spec, error) { return "x-header", nil },
	Wasm: &function.Wasm{
		Module: []byte("\x00asm"),
		Config: func(s function.Spec) ([]byte, error) {
			if s != "x-header" {
				return nil, fmt.Errorf("parameters of type %T", s)
			}
			return []byte(`{"name":"x-header"}`), nil
		},
	},
	WasmGo: &function.Wasm{Module: []byte("\x00asm, another"), Config: func(function.Spec) ([]byte, error) { return []byte("header"), nil }},
}

func TestWasmNeedsAProxy(t *testing.T) {
	p := get(t, study.FormWasm)
	if err := p.Place(direct(), module, "x-header"); err == nil || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("without proxy: %v", err)
	}
	if err := p.Place(router(), module, 7); err == nil || !strings.Contains(err.Error(), "wasm filter of header") {
		t.Errorf("a foreign spec: %v", err)
	}
}

// A path keeps the route that it has, and every host gets the override.
func TestNativeKeepsRoutes(t *testing.T) {
	x := router()
	x.Proxy.Hosts[0].Routes = append([]dataplane.Route{{Path: "/pull", Exact: true, Cluster: "pulls"}}, x.Proxy.Hosts[0].Routes...)
	x.Proxy.Hosts = append(x.Proxy.Hosts, dataplane.VirtualHost{Name: "other", Domains: []string{"other.test"},
		Routes: []dataplane.Route{{Path: "/", Cluster: "rest"}}})
	place(t, x, study.FormNative, ratelimit.Function(), limits)
	var got []string
	for _, h := range x.Proxy.Hosts {
		for _, r := range h.Routes {
			got = append(got, fmt.Sprint(h.Name, r.Path, " ", r.Exact, " ", r.Cluster, " ", len(r.Overrides)))
		}
	}
	want := "all/search true service 1, all/pull true pulls 1, all/ false service 0, " +
		"other/search true rest 1, other/pull true rest 1, other/ false rest 0"
	if joined := strings.Join(got, ", "); joined != want {
		t.Errorf("routes %s\nwant   %s", joined, want)
	}
}

func TestNativeNeedsAProxy(t *testing.T) {
	f := ratelimit.Function()
	spec, err := f.Decode(study.Params{})
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, study.FormNative).Place(direct(), f, spec); err == nil || !strings.Contains(err.Error(), "it has none") {
		t.Errorf("without proxy: %v", err)
	}
	bare := router()
	bare.Proxy.Hosts[0].Routes = nil
	if err := get(t, study.FormNative).Place(bare, f, spec); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Errorf("without routes: %v", err)
	}
	if err := get(t, study.FormNative).Place(router(), f, "not a spec"); err == nil || !strings.Contains(err.Error(), "ratelimit") {
		t.Errorf("a foreign spec: %v", err)
	}
}

func TestSites(t *testing.T) {
	for _, form := range study.Forms() {
		want := study.ProxySites()
		if form == study.FormLibrary {
			want = []study.Site{study.SiteService}
		}
		for _, s := range study.Sites() {
			if got := get(t, form).At(s); got != slices.Contains(want, s) {
				t.Errorf("form %s at site %s: %t", form, s, got)
			}
		}
	}
	for _, p := range placement.All() {
		if p.Has(function.Function{}) {
			t.Errorf("a function without forms has %s", p.Form)
		}
	}
}

// A function at a site goes into the proxy of that site, and into no other.
func TestPlaceAt(t *testing.T) {
	f := ratelimit.Function()
	spec, err := f.Decode(study.Params{})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range study.ProxySites() {
		x := router()
		server := x.Proxy
		for _, s := range study.HopSites() {
			x.Hops = append(x.Hops, testbed.Hop{Site: s, Proxy: router().Proxy})
		}
		if err := get(t, study.FormNative).PlaceAt(x, at, f, spec); err != nil {
			t.Fatal(err)
		}
		if x.Proxy != server {
			t.Errorf("at %s: the server has another proxy", at)
		}
		for _, s := range study.ProxySites() {
			if n := len(x.ProxyAt(s).Filters); (n == 1) != (s == at) {
				t.Errorf("at %s: the proxy at %s has %d filters", at, s, n)
			}
		}
	}
	if err := get(t, study.FormNative).PlaceAt(router(), study.SiteClient, f, spec); err == nil || !strings.Contains(err.Error(), "site client of router: no proxy is there") {
		t.Errorf("without a hop: %v", err)
	}
}

// Every form but the library needs a proxy, and says so; what cannot be written
// is an error that names the form.
func TestFormsNeedAProxy(t *testing.T) {
	f := headermutation.Function()
	for _, form := range study.Forms() {
		if form == study.FormLibrary {
			continue
		}
		if err := get(t, form).Place(direct(), f, nil); err == nil || !strings.Contains(err.Error(), "it has none") {
			t.Errorf("%s without proxy: %v", form, err)
		}
		if err := get(t, form).Place(router(), f, "not a spec"); err == nil || !strings.Contains(err.Error(), "header-mutation") {
			t.Errorf("%s with a foreign spec: %v", form, err)
		}
	}
}

// Dynamic modules are Envoy's; every other form runs on every plane.
func TestOn(t *testing.T) {
	for _, form := range study.Forms() {
		p := get(t, form)
		for plane, own := range map[string]bool{"envoy": true, "envoy@1.40.0": true, "embedded": false} {
			want := own || form != study.FormDynmod && form != study.FormDynmodGo
			if got := p.On == nil || p.On(plane) == ""; got != want {
				t.Errorf("%s on %s: %t", form, plane, got)
			}
		}
	}
}

// A proxy asks one service.
func TestExternalIsOne(t *testing.T) {
	x := router()
	f := headermutation.Function()
	place(t, x, study.FormExternal, f, `{"request": [{"op": "remove", "name": "x"}]}`)
	if x.Asked == nil || x.Asked.Function != f.Name || !strings.Contains(string(x.Asked.Spec), `"remove"`) {
		t.Fatalf("%+v", x.Asked)
	}
	if err := get(t, study.FormExternal).Place(x, f, headermutation.Spec{}); err == nil || !strings.Contains(err.Error(), "header-mutation is asked there already") {
		t.Error(err)
	}
}
