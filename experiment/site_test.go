package experiment_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// filter is a function of that name in forms native and library (of the
// application that calls); its judge finds fault with what it is told to.
func filter(name string, wrong error) function.Function {
	return function.Function{
		Name:   name,
		Decode: func(study.Params) (function.Spec, error) { return struct{}{}, nil },
		Native: &function.Native{Config: func(function.Spec) (function.FilterConfig, error) {
			return function.FilterConfig{Name: name}, nil
		}},
		Library: &function.Library{Transport: func(function.Spec, []string) (func(http.RoundTripper) http.RoundTripper, error) {
			return nil, errors.New("not in these tests")
		}},
		Judge: func(function.Spec, function.Evidence) error { return wrong },
	}
}

func withFunctions(t *testing.T, m *machine, fs ...function.Function) experiment.Catalog {
	t.Helper()
	c := catalog(t, m, countdown(nil))
	all, err := named.NewSet("function", func(f function.Function) string { return f.Name }, append(fs, noop)...)
	if err != nil {
		t.Fatal(err)
	}
	c.Functions = all
	return c
}

const sitedStudy = `tare: study/1
name: sited
workload: {name: fake}
function: {name: one}
load: {rate: 200/s}
treatments:
  - {name: direct, control: direct}
  - {name: relay, control: relay, baseline: direct}
  - {name: caller, form: library, function: {name: two}, baseline: relay}
  - {name: sidecar, control: router, baseline: direct}
  - {name: sidecars, control: router, site: client, baseline: sidecar}
  - {name: client, form: native, site: client, baseline: sidecars}
  - {name: both, form: native, function: {name: two}, baseline: client}
  - {name: gateway, control: router, site: ingress, baseline: both}
  - {name: chained, set: {chain: 2}, baseline: client}
  - {name: logged, set: {access-log: on}, baseline: chained}
design: {blocks: 12, warmup: 10, idle: 50ms, latency: 2s, stop: fixed, control_every: -1}
`

// way says which proxies a topology has, in the order in which a request meets
// them, and what filters each has.
func way(x testbed.Topology) string {
	var parts []string
	if x.Relay != nil {
		names := []string{}
		for _, f := range x.Relay.Functions {
			names = append(names, f.Name)
		}
		parts = append(parts, fmt.Sprintf("relay%v", names))
	}
	describe := func(at string, p *dataplane.Proxy) {
		names := []string{}
		for _, f := range p.Filters {
			names = append(names, f.Name)
		}
		if p.AccessLog != nil {
			names = append(names, "log")
		}
		parts = append(parts, fmt.Sprintf("%s%v", at, names))
	}
	for _, h := range x.Hops {
		describe(string(h.Site), h.Proxy)
	}
	if x.Proxy != nil {
		describe("server", x.Proxy)
	}
	return strings.Join(parts, " ")
}

// The baseline of a site has the same proxies without the function, so that the
// function alone is what differs.
func TestApparatusOfSites(t *testing.T) {
	nothing := filter("noop", nil)
	one, two := filter("one", nil), filter("two", nil)
	c := withFunctions(t, newMachine(), one, two)
	all, err := named.NewSet("function", func(f function.Function) string { return f.Name }, one, two, nothing)
	if err != nil {
		t.Fatal(err)
	}
	c.Functions = all
	a, err := experiment.NewApparatus(planOf(t, sitedStudy), c)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "relay[]", "relay[two]", "server[]", "client[] server[]", "client[one] server[]", "client[one] server[two]",
		"ingress[] client[one] server[two]", "client[one] server[noop.noop-1 noop.noop-2]", "client[one] server[noop.noop-1 noop.noop-2 log]"} {
		if x := a.Topologies[i]; way(x) != want {
			t.Errorf("%s: %s, want %s", x.Name, way(x), want)
		}
	}
	parts, err := a.Components()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if !slices.Contains(parts, experiment.Component{Role: experiment.RoleFunction, Name: name}) {
			t.Errorf("function %s is no component: %v", name, parts)
		}
	}
}

func TestSitesOfAnApparatusRefused(t *testing.T) {
	choosing := filter("one", nil)
	choosing.Replicas = 3
	for _, c := range []struct{ name, from, to, want string }{
		{"no such function", "function: {name: two}, baseline: relay", "function: {name: three}, baseline: relay", `fake.yaml:9:52: no function is named "three"`},
		{"no application that calls", "function: {name: two}, baseline: relay", "function: {name: two}, baseline: direct", "put it on a treatment with control: relay"},
		{"too few services", "x", "x", `function one chooses between 3 services, and there is 1; put treatment "client" on one with set: {replicas: 3}`},
		{"behind it a proxy", "{name: sidecars, control: router, site: client, baseline: sidecar}", "{name: three, set: {replicas: 3}, baseline: sidecar}\n  - {name: sidecars, control: router, site: client, baseline: three}", "behind the proxy at site client comes another proxy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := study.Parse("fake.yaml", []byte(strings.Replace(sitedStudy, c.from, c.to, 1)))
			var p *study.Plan
			if err == nil {
				p, err = study.MakePlan(*s, study.Options{})
			}
			if err == nil {
				_, err = experiment.NewApparatus(p, withFunctions(t, newMachine(), choosing, filter("two", nil)))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "fake.yaml:") {
				t.Errorf("got %v, want fake.yaml:… %s", err, c.want)
			}
		})
	}
}

// Every function that a treatment carries is judged, in the treatments that
// carry it and in no other.
func TestEveryFunctionIsJudged(t *testing.T) {
	text := `tare: study/1
name: judged
workload: {name: fake}
load: {rate: 200/s}
treatments:
  - {name: router, control: router}
  - {name: good, form: native, function: {name: one}, baseline: router}
  - {name: bad, form: native, function: {name: two}, baseline: good}
design: {blocks: 2, warmup: 10, idle: 50ms, latency: 2s, stop: fixed, control_every: -1}
`
	m, j := newMachine(0, 0, 0), &journal{}
	a, err := experiment.NewApparatus(planOf(t, text), withFunctions(t, m, filter("one", nil), filter("two", errors.New("two is wrong"))))
	if err != nil {
		t.Fatal(err)
	}
	r := experiment.Runner{Testbed: m, Journal: j}
	if _, err := r.Run(t.Context(), "x", a, nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range j.blocks {
		var said []string
		for _, x := range b.Judged {
			said = append(said, fmt.Sprintf("%d %s", x.Treatment, x.Wrong))
		}
		if !slices.Equal(said, []string{"1 ", "2 two is wrong"}) {
			t.Errorf("block %d: %q", b.Index, said)
		}
	}
}
