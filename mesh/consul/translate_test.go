package consul_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	wasmfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/wasm/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/mesh/consul"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

func router() *testbed.Topology {
	return &testbed.Topology{Name: "x", DataPlane: "envoy", Proxy: &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{
		Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}}}}}}
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
	all := placement.All()
	i := slices.IndexFunc(all, func(p placement.Placement) bool { return p.Form == form })
	if err := all[i].Place(x, f, spec); err != nil {
		t.Fatal(err)
	}
}

const (
	limits = `{"limits": {"Personal": "10/min", "Team": "100/min"}, "paths": ["/pull", "/search"]}`
	token  = `{"issuer": "https://hub.test", "audience": "hub", "jwks": "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"1\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"}`
)

// What each kind of treatment becomes, held against files.
func TestTranslate(t *testing.T) {
	open := strings.Replace(token, `{"issuer"`, `{"open": ["/", "/web"], "issuer"`, 1)
	for name, build := range map[string]func(*testing.T, *testbed.Topology){
		"router.json": func(*testing.T, *testbed.Topology) {},
		"token.json":  func(t *testing.T, x *testbed.Topology) { place(t, x, study.FormNative, jwt.Function(), token) },
		"open.json":   func(t *testing.T, x *testbed.Topology) { place(t, x, study.FormNative, jwt.Function(), open) },
		"wasm.json": func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormWasm, ratelimit.Function(), limits)
		},
		"two-modules.json": func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormWasm, noop.Function(), `{}`)
			place(t, x, study.FormWasm, ratelimit.Function(), limits) // without a token check
		},
		"library.json": func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormLibrary, ratelimit.Function(), limits)
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := router()
			build(t, x)
			if err := newTestbed(t).Check(*x); err != nil {
				t.Fatal(err)
			}
			w, err := consul.Translate(*x)
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range w.Modules {
				if size < 1000 {
					t.Errorf("a module of %d bytes", size)
				}
			}
			w.Modules = make([]int, len(w.Modules)) // sizes change with every build
			text, err := json.MarshalIndent(w, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, name, append(text, '\n'))
		})
	}
}

func newTestbed(t *testing.T) *consul.Testbed {
	t.Helper()
	return consul.New(newLauncher(t), func() (string, error) { return "/bin/false", nil }, func() (string, error) { return "/bin/false", nil })
}

func newLauncher(t *testing.T) *process.Launcher {
	t.Helper()
	l, err := process.NewLauncher("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// pack makes a filter of any message.
func pack(t *testing.T, m proto.Message) dataplane.Filter {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return dataplane.Filter{Name: "strange", Config: a}
}

// What Consul cannot be told of is refused by name, before anything starts.
func TestCheckRefuses(t *testing.T) {
	check := func(change func(*jwtv3.JwtAuthentication)) func(*testing.T, *testbed.Topology) {
		return func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormNative, jwt.Function(), token)
			m := &jwtv3.JwtAuthentication{}
			if err := x.Proxy.Filters[0].Config.UnmarshalTo(m); err != nil {
				t.Fatal(err)
			}
			change(m)
			x.Proxy.Filters[0].Config = pack(t, m).Config
		}
	}
	for _, c := range []struct {
		name, want string
		build      func(*testing.T, *testbed.Topology)
	}{
		{"another plane", "write dataplane: envoy", func(_ *testing.T, x *testbed.Topology) { x.DataPlane = "embedded" }},
		{"a native filter", "filter envoy.filters.http.local_ratelimit is not placed by Consul", func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormNative, ratelimit.Function(), limits)
		}},
		{"a message that nobody knows", "read filter strange", func(_ *testing.T, x *testbed.Topology) {
			x.Proxy.Filters = append(x.Proxy.Filters, dataplane.Filter{Name: "strange", Config: &anypb.Any{TypeUrl: "type.googleapis.com/no.such"}})
		}},
		{"a route of its own", "the route /pull of host all", func(_ *testing.T, x *testbed.Topology) {
			x.Proxy.Hosts[0].Routes = append(x.Proxy.Hosts[0].Routes, dataplane.Route{Path: "/pull", Exact: true, Cluster: testbed.ServiceCluster})
		}},
		{"an override", "the route / of host all", func(_ *testing.T, x *testbed.Topology) {
			x.Proxy.Hosts[0].Routes[0].Overrides = map[string]*anypb.Any{"a": nil}
		}},
		{"another cluster", "cluster other", func(_ *testing.T, x *testbed.Topology) { x.Proxy.Clusters = []dataplane.Cluster{{Name: "other"}} }},
		{"two token checks", "checks tokens once", func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormNative, jwt.Function(), token)
			place(t, x, study.FormNative, jwt.Function(), token)
		}},
		{"a token check behind a module", "before every other filter", func(t *testing.T, x *testbed.Topology) {
			place(t, x, study.FormWasm, noop.Function(), `{}`)
			place(t, x, study.FormNative, jwt.Function(), token)
		}},
		{"a token from the query", "from_params", check(func(m *jwtv3.JwtAuthentication) { one(m).FromParams = []string{"t"} })},
		{"a cache of tokens", "jwt_cache_config", check(func(m *jwtv3.JwtAuthentication) { one(m).JwtCacheConfig = &jwtv3.JwtCacheConfig{} })},
		{"two providers", "2 of them", check(func(m *jwtv3.JwtAuthentication) { m.Providers["b"] = one(m) })},
		{"a rule for nothing", "rules[0].match", check(func(m *jwtv3.JwtAuthentication) { m.Rules[0].Match = nil })},
		{"a module from elsewhere", "remote", func(t *testing.T, x *testbed.Topology) {
			x.Proxy.Filters = append(x.Proxy.Filters, pack(t, &wasmfilterv3.Wasm{Config: &wasmv3.PluginConfig{Vm: &wasmv3.PluginConfig_VmConfig{VmConfig: &wasmv3.VmConfig{
				Code: &corev3.AsyncDataSource{Specifier: &corev3.AsyncDataSource_Remote{Remote: &corev3.RemoteDataSource{}}}}}}}))
		}},
		{"a configuration that is no text", "Consul hands on text only", func(t *testing.T, x *testbed.Topology) {
			x.Proxy.Filters = append(x.Proxy.Filters, pack(t, &wasmfilterv3.Wasm{Config: &wasmv3.PluginConfig{Configuration: pack(t, durationpb.New(1)).Config}}))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := router()
			c.build(t, x)
			if err := newTestbed(t).Check(*x); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want … %s", err, c.want)
			}
		})
	}
	if err := newTestbed(t).Check(testbed.Topology{Name: "direct"}); err != nil {
		t.Errorf("off the mesh: %v", err)
	}
}

func one(m *jwtv3.JwtAuthentication) *jwtv3.JwtProvider {
	return m.Providers[slices.Collect(maps.Keys(m.Providers))[0]]
}

// A module without a configuration is told of no header.
func TestModuleWithoutConfiguration(t *testing.T) {
	x := router()
	place(t, x, study.FormNative, jwt.Function(), token)
	f, err := xds.WasmFilter("plain", []byte("\x00asm"), nil)
	if err != nil {
		t.Fatal(err)
	}
	x.Proxy.Filters = append(x.Proxy.Filters, f)
	w, err := consul.Translate(*x)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(w.Entries)
	if err != nil || strings.Contains(string(text), "payload_header") {
		t.Errorf("%s, %v", text, err)
	}
}

func FuzzWithPayloadHeader(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `[1]`, `{"a": 12345678901234567890, "b": {"c": null}}`, `{"payload_header": "x-mine"}`, `{"a":1} {"b":2}`, `{"a":"\ud800"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := consul.WithPayloadHeader(text)
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &before) != nil || before == nil || before["payload_header"] != nil {
			if got != text {
				t.Fatalf("%q became %q", text, got)
			}
			return
		}
		if err := json.Unmarshal([]byte(got), &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		before["payload_header"] = json.RawMessage(`"x-token-payload"`)
		if diff := cmp.Diff(values(t, before), values(t, after)); diff != "" {
			t.Fatalf("%q became %q: %s", text, got, diff)
		}
	})
}

// values are the fields with their numbers as written.
func values(t *testing.T, fields map[string]json.RawMessage) map[string]any {
	t.Helper()
	out := map[string]any{}
	for name, raw := range fields {
		d := json.NewDecoder(strings.NewReader(string(raw)))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		out[name] = v
	}
	return out
}
