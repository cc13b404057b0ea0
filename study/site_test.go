package study_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

const sited = `tare: study/1
name: sited
workload: {name: echo}
function: {name: rbac}
treatments:
  - {name: direct, control: direct}
  - {name: relay, control: relay, baseline: direct}
  - {name: called, form: library, function: {name: retry, params: {tries: 3}}, baseline: relay}
  - {name: sidecar, control: router, baseline: direct}
  - {name: server, form: native, baseline: sidecar}
  - {name: sidecars, control: router, site: client, baseline: server}
  - {name: client, form: lua, site: client, function: {name: cors}, baseline: sidecars}
  - {name: gateway, control: router, site: egress}
  - {name: egress, form: native, site: egress, baseline: gateway}
`

// A treatment's function is its own or the study's, and a function stays on
// what is built on it.
func TestFunctionsAndSites(t *testing.T) {
	s := parse(t, sited)
	for _, c := range []struct {
		name     string
		function string
		carried  []string
		routed   []study.Site
		balances bool
	}{
		{"direct", "rbac", nil, nil, false},
		{"relay", "rbac", nil, nil, true},
		{"called", "retry", []string{"called"}, nil, true},
		{"sidecar", "rbac", nil, []study.Site{study.SiteServer}, true},
		{"server", "rbac", []string{"server"}, []study.Site{study.SiteServer}, true},
		{"client", "cors", []string{"server", "client"}, []study.Site{study.SiteServer, study.SiteClient}, true},
		{"egress", "rbac", []string{"egress"}, []study.Site{study.SiteEgress}, true},
	} {
		i := s.Index(c.name)
		var carried []string
		for _, j := range s.Carried(i) {
			carried = append(carried, s.Treatments[j].Name)
		}
		var routed []study.Site
		for _, at := range study.ProxySites() {
			if s.Routed(i, at) {
				routed = append(routed, at)
			}
		}
		if got := s.FunctionOf(i).Name; got != c.function || !slices.Equal(carried, c.carried) || !slices.Equal(routed, c.routed) || s.Balances(i) != c.balances {
			t.Errorf("%s: function %s, carries %v, routed at %v, balances %t; want %+v", c.name, got, carried, routed, s.Balances(i), c)
		}
		if want := len(c.routed) > 0; s.OnMesh(i) != want {
			t.Errorf("%s: on the mesh: %t", c.name, !want)
		}
	}
	// The study's function is enforced, and no other.
	var enforced []string
	for _, i := range s.Enforced() {
		enforced = append(enforced, s.Treatments[i].Name)
	}
	if !slices.Equal(enforced, []string{"server", "sidecars", "client", "egress"}) {
		t.Errorf("enforced in %v", enforced)
	}
}

func TestSitesRefused(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"a function without a form", "control: relay, baseline", "control: relay, function: {name: retry}, baseline", `treatment "relay" names a function and has no form of it`},
		{"a root with a function", "{name: direct, control: direct}", "{name: direct, control: direct, function: {name: retry}}", "has no form of it"},
		{"a function of a no-op", "{name: server, form: native", "{name: server, control: noop, function: {name: retry}, form: native", "has no form of it"},
		{"a nameless function", "{name: retry, params: {tries: 3}}", "{params: {tries: 3}}", "the function has no name"},
		{"no proxy at the site", "form: native, baseline: sidecar}", "form: native, site: ingress, baseline: sidecar}", `the baseline "sidecar" has no proxy at site ingress; put treatment "server" on one with control: router, site: ingress`},
		{"a proxy of another site", "form: native, site: egress, baseline: gateway", "form: native, baseline: gateway", "runs in a proxy, and the baseline"},
		{"two proxies at a site", "{name: client, form: lua, site: client, function: {name: cors}", "{name: client, control: router, site: client", `baseline "sidecars" has a control: router already`},
		{"two relays", "{name: called, form: library, function: {name: retry, params: {tries: 3}}", "{name: called, control: relay", `baseline "relay" has a control: relay already`},
		{"a proxy in the service", "control: router, site: client", "control: router, site: service", "no proxy stands at site service (they stand at: server, ingress, client, egress)"},
		{"a root in the service", "control: router, site: egress", "control: router, site: service", "no form that could run at site service"},
		{"a proxy nowhere", "control: router, site: client", "control: router, site: moon", `unknown site "moon" (known: service, server, ingress, client, egress)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(sited, c.from) {
				t.Fatalf("the study has no %q", c.from)
			}
			_, err := study.Parse("s.yaml", []byte(strings.Replace(sited, c.from, c.to, 1)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v, want s.yaml:… %s", err, c.want)
			}
		})
	}
}
