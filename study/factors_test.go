package study_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

// proxied is the beginning of a study over factors, copying a router.
const proxied = `tare: study/1
name: over
workload: {name: echo}
function: {name: ratelimit}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
`

// bare is one without a proxy.
const bare = `tare: study/1
name: over
workload: {name: echo}
function: {name: ratelimit}
treatments:
  - {name: direct, control: direct}
`

func planOf(text string) (*study.Plan, error) {
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	return study.MakePlan(*s, study.Options{})
}

// What nothing can give, what contradicts itself and what would answer nothing
// is refused by name and place.
func TestFactorsRefused(t *testing.T) {
	const over = "design: {name: factorial}\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown factor", proxied + "factors: {conections: [1, 2]}\n" + over, `s.yaml:8:23: unknown factor "conections" (known: connections, rate, arrivals, protocol, request, response, workers, cores, chain, filter, form, function, site, dataplane, replicas, mtls, mesh, access-log, tracing, params.NAME, workload.NAME)`},
		{"no parameter's name", proxied + "factors: {params.: [1, 2]}\n" + over, `unknown factor "params."`},
		{"one level", proxied + "factors: {connections: [4]}\n" + over, "factor connections has 1 levels: it needs at least 2"},
		{"no level", proxied + "factors: {connections: []}\n" + over, "factor connections has 0 levels"},
		{"no list", proxied + "factors: {connections: 4}\n" + over, "s.yaml:8:24: factor connections: want a list of levels"},
		{"levels in a list", proxied + "factors: {connections: [[4], 8]}\n" + over, "want one word or number"},
		{"an empty level", proxied + "factors: {connections: [4, null]}\n" + over, "want one word or number"},
		{"listed twice", proxied + "factors: {connections: [4, 16], connections: [8, 32]}\n" + over, `mapping key "connections" already defined`},
		{"one level twice", proxied + "factors: {connections: [4, 16, 4]}\n" + over, "s.yaml:8:32: factor connections has level 4 twice"},
		{"one size in two ways", proxied + "factors: {response: [1KiB, 1024B]}\n" + over, "s.yaml:8:28: factor response has level 1024B twice: 1KiB is the same"},
		{"one rate in two ways", proxied + "factors: {rate: [100/s, 6000/min]}\n" + over, "twice: 100/s is the same"},
		{"one number in two ways", proxied + "factors: {workload.size: [1, 1.0]}\n" + over, "twice: 1 is the same"},
		{"NaN", proxied + "factors: {connections: [4, NaN]}\n" + over, "s.yaml:8:28: level NaN of factor connections is no number"},
		{"YAML's NaN", proxied + "factors: {workload.work: [4, .nan]}\n" + over, "level .nan of factor workload.work is no number"},
		{"infinity", proxied + "factors: {workload.work: [4, -.inf]}\n" + over, "level -.inf of factor workload.work is no number"},
		{"rate of NaN", proxied + "factors: {rate: [100/s, NaN/s]}\n" + over, "not a positive number of requests"},
		{"rate without unit", proxied + "factors: {rate: [100, 200/s]}\n" + over, `has no unit; write it as "100/s"`},
		{"rate too high", proxied + "factors: {rate: [100/s, 300000/s]}\n" + over, "want 1/s to 200000/s"},
		{"half a connection", proxied + "factors: {connections: [4, 4.5]}\n" + over, "level 4.5 of factor connections: want a whole number from 1 to 1000"},
		{"no connection", proxied + "factors: {connections: [0, 4]}\n" + over, "want a whole number from 1 to 1000"},
		{"size without unit", proxied + "factors: {request: [1, 2KiB]}\n" + over, "write it as 64B, 1KiB or 2MiB"},
		{"arrivals", proxied + "factors: {arrivals: [poisson, uniform]}\n" + over, "level uniform of factor arrivals: cannot be had: all treatments of a phase share one schedule: make two studies, with load: {arrivals: …}"},
		{"protocol", proxied + "factors: {protocol: [http/1.1, http/3]}\n" + over, "level http/3 of factor protocol: nothing that is built gives it (there is: http/1.1, http/2)"},
		{"mtls", proxied + "factors: {mtls: [off, yes]}\n" + over, "level yes of factor mtls: nothing that is built gives it (there is: off, on)"},
		{"tracing", proxied + "factors: {tracing: [off, on]}\n" + over, "level on of factor tracing: cannot be had: no data plane sends spans yet"},
		{"neither on nor off", proxied + "factors: {access-log: [off, yes]}\n" + over, "level yes of factor access-log: nothing that is built gives it (there is: off, on)"},
		{"unknown form", proxied + "factors: {form: [none, rust]}\n" + over, "level rust of factor form: nothing that is built gives it (there is: none, library, native"},
		{"another function", proxied + "factors: {function: [noop, jwt], form: [native, wasm]}\n" + over, "a study weighs one function, which its field function names (so there is: none, noop, ratelimit)"},
		{"a plane's name", proxied + "factors: {dataplane: [embedded, Envoy]}\n" + over, `data plane "Envoy"`},

		{"filter and form", proxied + "factors: {filter: [none, wasm], form: [none, native]}\n" + over, "factor filter contradicts form"},
		{"filter and function", proxied + "factors: {filter: [none, wasm], function: [noop, ratelimit]}\n" + over, "factor filter contradicts function"},
		{"two names of one thing", proxied + "factors: {response: [1KiB, 2KiB], workload.response: [3KiB, 4KiB]}\n" + over, "factor response contradicts workload.response: they are one thing"},
		{"factor and field", proxied + "load: {connections: 8}\nfactors: {connections: [1, 2]}\n" + over, "factor connections contradicts load.connections: leave the field out"},
		{"rate and field", proxied + "load: {rate: 100/s}\nfactors: {rate: [100/s, 200/s]}\n" + over, "factor rate contradicts load.rate: leave the field out"},
		{"factor and parameter", strings.Replace(proxied, "{name: echo}", "{name: echo, params: {response: 1KiB}}", 1) + "factors: {response: [1KiB, 2KiB]}\n" + over, "factor response contradicts workload.params.response"},
		{"parameter twice", strings.Replace(proxied, "{name: echo}", "{name: echo, params: {work: 5us}}", 1) + "factors: {workload.work: [1us, 2us]}\n" + over, "factor workload.work contradicts workload.params.work"},
		{"parameter of the function twice", strings.Replace(proxied, "{name: ratelimit}", "{name: ratelimit, params: {users: 5}}", 1) + "factors: {params.users: [10, 20]}\n" + over, "factor params.users contradicts function.params.users"},
		{"several planes beside factors", proxied + "dataplane: [embedded, envoy]\nfactors: {connections: [1, 2]}\n" + over, "takes several data planes as a factor: write factors: {dataplane: [embedded, envoy]}"},
		{"planes twice", proxied + "dataplane: envoy\nfactors: {dataplane: [embedded, envoy]}\n" + over, "factor dataplane contradicts the study's dataplane envoy: leave that out"},

		{"native off the mesh", bare + "factors: {mesh: [off, on], form: [none, native]}\n" + over, "form native contradicts mesh off: it runs in a proxy; leave factor form out, or use design sweep"},
		{"wasm off the mesh", bare + "factors: {mesh: [on, off], filter: [none, wasm]}\n" + over, "filter wasm contradicts mesh off"},
		{"workers off the mesh", bare + "factors: {mesh: [on, off], workers: [1, 2]}\n" + over, "workers 2 contradicts mesh off: it is of a proxy"},
		{"a chain off the mesh", bare + "factors: {mesh: [on, off], chain: [0, 4]}\n" + over, "chain 4 contradicts mesh off"},
		{"a log off the mesh", bare + "factors: {mesh: [on, off], access-log: [off, on]}\n" + over, "access-log on contradicts mesh off"},
		{"workers of no proxy", bare + "factors: {workers: [1, 2]}\n" + over, `workers 2 contradicts treatment "direct", which has no proxy: it is of a proxy; name a treatment with control: router in design.of`},
		{"planes of no proxy", bare + "factors: {dataplane: [embedded, envoy]}\n" + over, `dataplane envoy contradicts treatment "direct", which has no proxy`},
		{"native of no proxy", bare + "factors: {form: [none, native]}\n" + over, `form native contradicts treatment "direct", which has no proxy`},
		{"on the mesh already", proxied + "factors: {mesh: [off, on]}\n" + over, `mesh off contradicts treatment "router", which stands behind a proxy already: name one without a proxy in design.of`},
		{"a site that the form cannot have", proxied + "factors: {form: [native, library], site: [server, service]}\n" + over, "site service contradicts form native, which runs at site server only"},
		{"a site of nothing", proxied + "factors: {site: [server, service]}\n" + over, "site service contradicts a treatment without a form"},
		{"a form of no function", strings.Replace(proxied, "function: {name: ratelimit}\n", "", 1) + "factors: {form: [none, native]}\n" + over, "form native contradicts a study without a function: write function: {name: …}"},
		{"a function of no form", proxied + "factors: {function: [noop, ratelimit]}\n" + over, `contradicts treatment "router", which has no form: say in which form`},
		{"forms of nothing", proxied + "factors: {function: [none, ratelimit], form: [native, wasm]}\n" + over, "form wasm contradicts function none: nothing has no form"},
		{"a parameter of nothing", proxied + "factors: {form: [none, native], params.users: [1000, 2000]}\n" + over, "params.users 2000 contradicts a cell without the study's function: it is a parameter of that; leave level none out, or use design sweep"},
		{"the function twice", proxied + "  - {name: native, form: native, baseline: router}\n  - {name: bigger, workload: {response: 2KiB}, baseline: native}\nfactors: {form: [none, wasm]}\n" + over, `form wasm contradicts treatment "bigger", which carries the function already`},

		{"no factors", proxied + over, "design factorial needs factors"},
		{"factors of another design", proxied + "factors: {connections: [1, 2]}\n", "this is for design: {name: factorial|fraction|sweep|add-drop}, and the design is interleaved"},
		{"of of another design", proxied + "design: {of: router}\n", "this is for design: {name: factorial|"},
		{"resolution of another design", proxied + "factors: {connections: [1, 2]}\ndesign: {name: factorial, resolution: 4}\n", "this is for design: {name: fraction}"},
		{"of nothing", proxied + "factors: {connections: [1, 2]}\ndesign: {name: factorial, of: ruter}\n", `"ruter" is no treatment (those are: direct, router)`},
		{"an A/A copy", proxied + "  - {name: router-aa, control: aa, baseline: router}\nfactors: {connections: [1, 2]}\ndesign: {name: factorial, of: router}\n", "makes the A/A copy of its first cell itself"},
		{"a treatment aside", proxied + "factors: {connections: [1, 2]}\ndesign: {name: factorial, of: direct}\n", `"router" is no step of its ladder: it would never stand`},
		{"a comparison aside", proxied + "  - {name: native, form: native, baseline: router, against: [direct]}\nfactors: {connections: [1, 2]}\n" + over, "the factors' levels are compared"},
		{"a setting of a factor", proxied + "  - {name: wide, baseline: router, set: {connections: 4}}\nfactors: {connections: [1, 2]}\n" + over, `factor connections contradicts the setting of treatment "wide"`},
		{"too many combinations", proxied + "factors: {connections: [1, 2, 3, 4], workers: [1, 2, 3, 4], chain: [0, 1, 2, 3]}\n" + over, "more than the 59 treatments that stand at once: use design fraction (two levels each) or sweep"},
		{"a fraction of three levels", proxied + "factors: {connections: [1, 2, 3], workers: [1, 2], chain: [0, 1]}\ndesign: {name: fraction}\n", "design fraction takes factors of two levels, and connections has 3"},
		{"adding three levels", proxied + "factors: {connections: [1, 2], workers: [1, 2, 3], chain: [0, 1]}\ndesign: {name: add-drop}\n", "design add-drop takes factors of two levels, and workers has 3"},
		{"adding two factors", proxied + "factors: {connections: [1, 2], workers: [1, 2]}\ndesign: {name: add-drop}\n", "tries no more than design factorial: use that"},
		{"a rate too low for a median", proxied + "factors: {rate: [10/s, 100/s]}\ndesign: {name: factorial, latency: 3s, time: 10m}\n", "too short for a p50 at the lowest rate: want at least"},
		{"rates in all", proxied + "factors: {rate: [150000/s, 200000/s], connections: [1, 2, 3]}\n" + over, "in all: want at most 1000000/s"},
		{"a sweep of 60 levels", proxied + "factors: {connections: [" + count(61) + "]}\ndesign: {name: sweep, time: 1h}\n", "60 levels beside the first of each factor: want at most 58"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := planOf(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v\nwant s.yaml:… %s", err, c.want)
			}
		})
	}
}

func count(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	return b.String()
}

// What a treatment sets is one factor, at a level that it has not yet.
func TestSettingsRefused(t *testing.T) {
	for _, c := range []struct{ name, set, want string }{
		{"nothing", "{}", "exactly one of control, form, workload, set"},
		{"unknown", "{conections: 4}", "s.yaml:8:55: unknown factor"},
		{"a level", "{connections: many}", "want a whole number from 1 to 1000"},
		{"NaN", "{workload.work: NaN}", "level NaN of factor workload.work is no number"},
		{"a list", "{connections: [4]}", "the level of factor connections: want one word or number"},
		{"two at once", "{connections: 4, workers: 2}", `sets connections and workers at once, and what either does could not be told`},
		{"a form", "{form: native}", "form is not set: write form: itself"},
		{"a filter", "{filter: wasm}", "filter is not set: write control: noop"},
		{"the mesh", "{mesh: on}", "mesh is not set: write control: router"},
		{"a plane", "{dataplane: envoy}", "list the planes in the study's dataplane:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := planOf(proxied + "  - {name: other, baseline: router, set: " + c.set + "}\n")
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
				t.Errorf("got %v\nwant s.yaml:… %s", err, c.want)
			}
		})
	}
	for _, c := range []struct{ name, text, want string }{
		{"a root", "tare: study/1\nname: x\nworkload: {name: echo}\ntreatments:\n  - {name: direct, control: direct, set: {connections: 4}}\n", "has no baseline that could have connections otherwise"},
		{"beside a control", proxied + "  - {name: other, baseline: router, control: token, set: {connections: 4}}\n", "exactly one of control, form, workload, set"},
		{"of no proxy", proxied + "  - {name: other, baseline: direct, set: {workers: 2}}\n", `factor workers is of a proxy, and treatment "other" has none`},
		{"as before", proxied + "  - {name: one, baseline: router, set: {workers: 2}}\n  - {name: two, baseline: one, set: {workers: 2}}\n", `sets workers to 2, as its baseline "one" does already`},
		{"rates in pairs", "tare: study/1\nname: x\nworkload: {name: echo}\ntreatments:\n  - {name: a, control: direct}\n  - {name: a-aa, control: aa, baseline: a}\n  - {name: b, baseline: a, set: {rate: 100/s}}\ndesign: {name: pairs, pair: [a, b], levels: [500/s]}\n", "in design pairs the rates are its levels"},
	} {
		if _, err := planOf(c.text); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
			t.Errorf("%s: got %v\nwant s.yaml:… %s", c.name, err, c.want)
		}
	}
}

// The documentation of study files has every factor and every design.
func TestFactorsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/formats/study.md")
	if err != nil {
		t.Fatal(err)
	}
	_, err = planOf(proxied + "factors: {colour: [1, 2]}\ndesign: {name: factorial}\n")
	_, list, _ := strings.Cut(strings.TrimSuffix(err.Error(), ")"), "(known: ")
	for _, name := range append(strings.Split(list, ", "), study.Designs()...) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/formats/study.md has no %s", name)
		}
	}
}

// The numbers of levels that slopes are taken over.
func TestNumbersOfLevels(t *testing.T) {
	s := &study.Study{}
	for _, c := range []struct {
		factor, level string
		want          float64
		unit          string
		ok            bool
	}{
		{"connections", "16", 16, "connection", true},
		{"rate", "120/min", 2, "request/s", true},
		{"response", "16KiB", 16, "KiB", true},
		{"request", "512B", 0.5, "KiB", true},
		{"workers", "2", 2, "worker", true},
		{"chain", "0", 0, "filter", true},
		{"replicas", "3", 3, "process", true},
		{"workload.work", "20us", 20, "µs", true},
		{"workload.share", "20%", 20, "%", true},
		{"workload.size", "2MiB", 2048, "KiB", true},
		{"params.users", "1000", 1000, "", true},
		{"filter", "wasm", 0, "", false},
		{"access-log", "on", 0, "", false},
		{"params.path", "/pull", 0, "", false},
		{"connections", "NaN", 0, "", false},
		{"connections", "none", 0, "", false},
		{"colour", "3", 0, "", false},
	} {
		if x, unit, ok := s.Number(c.factor, c.level); x != c.want || unit != c.unit || ok != c.ok {
			t.Errorf("%s at %s is %v %q %v, want %v %q %v", c.factor, c.level, x, unit, ok, c.want, c.unit, c.ok)
		}
	}
}

// Whatever a level says, it is read or refused, and read again the same.
func FuzzLevels(f *testing.F) {
	for _, c := range [][2]string{{"connections", "16"}, {"rate", "100/s"}, {"response", "1KiB"}, {"params.x", ".nan"}, {"filter", "none"}, {"workload.work", "5us"}, {"dataplane", "envoy"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, factor, level string) {
		s := &study.Study{}
		x, unit, ok := s.Number(factor, level)
		if y, again, too := s.Number(factor, level); x != y || unit != again || ok != too || x != x {
			t.Errorf("%q at %q is %v %q %v, then %v %q %v", factor, level, x, unit, ok, y, again, too)
		}
		text := "tare: study/1\nname: x\nworkload: {name: echo}\ntreatments:\n  - {name: a, control: direct}\nfactors:\n  " + factor + ": [" + level + "]\ndesign: {name: factorial}\n"
		if p, err := planOf(text); err == nil {
			for i := range p.Study.Treatments {
				p.Study.RateOf(i)
			}
		}
	})
}
