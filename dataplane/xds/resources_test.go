package xds

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/golden"
)

func message(t testing.TB, s string) *anypb.Any {
	t.Helper()
	a, err := anypb.New(wrapperspb.String(s))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func whole(t testing.TB) dataplane.Proxy {
	return dataplane.Proxy{
		Listen: "127.0.0.1:20001",
		Filters: []dataplane.Filter{
			{Name: "first", Config: message(t, "of the chain")},
			{Name: "second", Config: message(t, "of the chain too")},
		},
		Hosts: []dataplane.VirtualHost{
			{Name: "api", Domains: []string{"api.test", "api.test:20001"}, Routes: []dataplane.Route{
				{Path: "/pull", Exact: true, Cluster: "api", Overrides: map[string]*anypb.Any{"second": message(t, "of the route")}},
				{Path: "/", Cluster: "web"},
			}},
			{Name: "rest", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: "web"}}},
		},
		Clusters: []dataplane.Cluster{
			{Name: "api", Endpoints: []string{"127.0.0.1:20002", "[::1]:20003"}},
			{Name: "web"},
		},
	}
}

// document is every resource of a proxy as JSON, in the order of sending.
func document(t *testing.T, b dataplane.Resources) []byte {
	t.Helper()
	var messages []proto.Message
	for i, c := range b.Clusters {
		messages = append(messages, c, b.Assignments[i])
	}
	messages = append(messages, b.Listener, b.Routes)
	var out bytes.Buffer
	for _, m := range messages {
		text, err := protojson.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		// protojson varies its spaces on purpose.
		if err := json.Indent(&out, text, "", "  "); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func TestResources(t *testing.T) {
	for name, p := range map[string]dataplane.Proxy{
		"whole.json":  whole(t),
		"router.json": {Listen: "127.0.0.1:20001", Hosts: []dataplane.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []dataplane.Route{{Path: "/", Cluster: "service"}}}}, Clusters: []dataplane.Cluster{{Name: "service", Endpoints: []string{"127.0.0.1:20002"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Resources(p)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, name, document(t, b))
			for _, c := range b.Clusters {
				if err := c.ValidateAll(); err != nil {
					t.Error(err)
				}
			}
			for _, a := range b.Assignments {
				if err := a.ValidateAll(); err != nil {
					t.Error(err)
				}
			}
			if err := b.Listener.ValidateAll(); err != nil {
				t.Error(err)
			}
			if err := b.Routes.ValidateAll(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestResourcesRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(*dataplane.Proxy)
	}{
		{"no address", "listen address", func(p *dataplane.Proxy) { p.Listen = "" }},
		{"port 0", "port 0", func(p *dataplane.Proxy) { p.Listen = "127.0.0.1:0" }},
		{"a name for an address", "not an IP address", func(p *dataplane.Proxy) { p.Clusters[0].Endpoints[0] = "localhost:1" }},
		{"a cluster without a name", "cluster name", func(p *dataplane.Proxy) { p.Clusters[1].Name = "" }},
		{"two clusters of a name", "cluster name", func(p *dataplane.Proxy) { p.Clusters[1].Name = "api" }},
		{"a route to nowhere", `cluster "none"`, func(p *dataplane.Proxy) { p.Hosts[1].Routes[0].Cluster = "none" }},
		{"a path without a slash", `path "pull"`, func(p *dataplane.Proxy) { p.Hosts[0].Routes[0].Path = "pull" }},
		{"a path with a query", `path "/pull?a"`, func(p *dataplane.Proxy) { p.Hosts[0].Routes[0].Path = "/pull?a" }},
		{"a domain twice", "domain api.test", func(p *dataplane.Proxy) { p.Hosts[1].Domains[0] = "API.test" }},
		{"a pattern for a domain", `domain "*.test"`, func(p *dataplane.Proxy) { p.Hosts[0].Domains[0] = "*.test" }},
		{"a host without a domain", "needs a name and a domain", func(p *dataplane.Proxy) { p.Hosts[0].Domains = nil }},
		{"an override of no filter", `filter "third"`, func(p *dataplane.Proxy) {
			p.Hosts[0].Routes[0].Overrides = map[string]*anypb.Any{"third": nil}
		}},
		{"two filters of a name", `filter name "first"`, func(p *dataplane.Proxy) { p.Filters[1].Name = "first" }},
		{"a second router", "filter name", func(p *dataplane.Proxy) { p.Filters[1].Name = router }},
		{"a filter without configuration", "filter first", func(p *dataplane.Proxy) { p.Filters[0].Config = nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := whole(t)
			c.spoil(&p)
			if _, err := Resources(p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// A module and its configuration travel inside the message, byte for byte.
func TestWasmFilter(t *testing.T) {
	f, err := WasmFilter("limit", []byte("\x00asm\x01"), []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "wasm.json", append([]byte(f.Name+"\n"), append(out.Bytes(), '\n')...))
}
