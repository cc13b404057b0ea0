package study_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/taremesh/tare/study"
)

var builtIn = study.Known{
	Workloads: []string{"echo", "imagehub"}, Functions: []string{"ratelimit", "jwt", "noop", "rbac", "route-path", "route-context", "balance-round-robin"},
	DataPlanes: []string{"embedded", "envoy"}, Testbeds: []string{"local", "consul"}, Generators: []string{"openloop"},
}

func compileSchema(t *testing.T, k study.Known) *jsonschema.Schema {
	t.Helper()
	text, err := study.Schema(k)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("study.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("study.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(document)
}

func TestExamplesFollowTheSchema(t *testing.T) {
	s := compileSchema(t, builtIn)
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// every has each field of an interleaved study.
const every = `tare: study/1
name: every
question: Which?
dataplane: [embedded, envoy]
testbed: local
workload: {name: imagehub, params: {response: 1KiB}}
function: {name: ratelimit, params: {limits: {Personal: 10/min}}}
load:
  generator: openloop
  arrivals: poisson
  rate: 500/s
  connections: 8
  users: {count: 100, mix: [{subscription: Personal, share: 20%, weight: 10}, {subscription: Team, share: 80.0%, weight: 2.5}]}
treatments:
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: token, control: token, baseline: router}
  - {name: library, form: library, site: service, baseline: router}
  - {name: native, form: native, baseline: router, against: [library]}
  - {name: bigger, baseline: router, workload: {response: 2KiB}}
  - {name: newer, baseline: router, set: {protocol: http/2}}
enforcement: {subscription: Personal, share: 1%, requests: 30, duration: 700ms}
design: {name: interleaved, time: 1m30s, blocks: 12, warmup: 1000, idle: 0.5s, latency: 3s, control_every: 4, solo: 1.5s, stop: width}
margin: {p50: 2us, p99: 5%, cpu: 2.5%}
`

// paired has each field of a pairs study that every lacks.
const paired = `tare: study/1
name: paired
workload: {name: echo}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: more, baseline: plain, workload: {work: 5us}}
design: {name: pairs, pair: [plain, more], levels: [100/s, 3e2/s, closed], closed: 200ms, latency: 4s, stop: fixed}
margin: {rate: 2%}
reference:
  source: somebody
  figures: [{treatment: plain, level: closed, rate: 900/s}, {treatment: more, level: 100/s, p50: 2ms}]
  differs: [the machine]
smp: {mesh: {type: 3}}
`

// factored has each field of a design over factors that the others lack.
const factored = `tare: study/1
name: factored
workload: {name: echo}
treatments:
  - {name: plain, control: router}
  - {name: wide, baseline: plain, set: {connections: 16}}
factors: {protocol: [http/1.1, http/2], response: [1KiB, 16KiB], request: [0B, 1KiB], workers: [1, 2], chain: [0, 4], access-log: [off, on], cores: [1, 2], filter: [none, wasm], replicas: [1, 2], workload.work: [1us, 2us], params.a.B: [1, 2]}
design: {name: fraction, of: wide, resolution: 3}
endpoints: [mean]
`

// sidecars has what a study of two proxies alone has.
const sidecars = `tare: study/1
name: sidecars
workload: {name: echo}
treatments:
  - {name: server, control: router}
  - {name: both, control: router, site: client, baseline: server}
`

// encrypted has it as a setting, and switched as a factor.
const (
	encrypted = sidecars + "  - {name: encrypted, set: {mtls: on}, baseline: both}\n"
	switched  = sidecars + "factors: {connections: [1, 2], mtls: [off, on]}\ndesign: {name: factorial}\n"
)

// kneed has each field of a knee study that the others lack.
const kneed = `tare: study/1
name: kneed
workload: {name: echo}
load: {headers: {x-tier: gold}}
treatments:
  - {name: plain, control: direct}
  - {name: more, baseline: plain, workload: {work: 5us}}
design: {name: knee, objective: "p99<5ms, errors < 0.1%", probe: 30s, treatments: [plain, more], time: 10m}
margin: {rate: 5%}
`

var rightStudies = map[string]string{"small": small, "every": every, "paired": paired, "factored": factored, "encrypted": encrypted, "switched": switched, "kneed": kneed}

func TestRightStudiesFollowTheSchema(t *testing.T) {
	s, anyName := compileSchema(t, builtIn), compileSchema(t, study.Known{})
	used := map[string]bool{}
	for name, text := range rightStudies {
		parse(t, text)
		for _, s := range []*jsonschema.Schema{s, anyName} {
			if err := validate(t, s, text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		collectKeys(t, text, used)
	}
	// A field that no right study has would be one that nothing holds.
	text, err := study.Schema(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Properties map[string]json.RawMessage
		Defs       map[string]struct{ Properties map[string]json.RawMessage } `json:"$defs"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for name := range document.Properties {
		if !used[name] {
			t.Errorf("no right study has the field %s", name)
		}
	}
	for def, d := range document.Defs {
		for name := range d.Properties {
			if !used[name] {
				t.Errorf("no right study has the field %s of %s", name, def)
			}
		}
	}
}

func collectKeys(t *testing.T, text string, into map[string]bool) {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(j))
	for {
		token, err := decoder.Token()
		if err != nil {
			return
		}
		if s, ok := token.(string); ok {
			into[s] = true
		}
	}
}

// What the schema refuses the parser refuses too, and the other way round
// where a field is wrong by itself.
func TestWrongStudiesAreRefusedByBoth(t *testing.T) {
	s := compileSchema(t, builtIn)
	for _, c := range []struct{ base, from, to string }{
		{small, "study/1", "study/2"},
		{small, "tare: study/1\n", ""},
		{small, "name: small\n", ""},
		{small, "name: small", "name: Small"},
		{small, "name: small", "nome: small"},
		{small, "name: small", "name: " + strings.Repeat("a", 41)},
		{small, "workload: {name: echo}\n", ""},
		{small, "{name: echo}", "{params: {}}"},
		{small, "{name: echo}", "{name: echo, parms: {}}"},
		{small, "{name: echo}", "[echo]"},
		{small, "{name: plain, control: direct}", "{control: direct}"},
		{small, "control: direct", "control: none"},
		{small, "control: direct", "form: rust"},
		{small, "control: direct", "control: direct, site: moon"},
		{small, "control: direct", "control: direct, controll: direct"},
		{small, "{name: plain,", "{name: plain!,"},
		{every, "rate: 500/s", "rate: 500"},
		{every, "rate: 500/s", "rate: 500/h"},
		{every, "rate: 500/s", "rate: -5/s"},
		{every, "rate: 500/s", "rate: many/s"},
		{every, "rate: 500/s", "rates: 500/s"},
		{every, "arrivals: poisson", "arrivals: regular"},
		{every, "connections: 8", "connections: 1001"},
		{every, "connections: 8", "connections: -1"},
		{every, "connections: 8", "connections: 8.5"},
		{every, "connections: 8", "connections: eight"},
		{every, "count: 100,", "count: 0,"},
		{every, "count: 100,", "count: 100001,"},
		{every, "count: 100,", ""},
		{every, "share: 20%", "share: 20"},
		{every, "share: 20%", "share: 0.2"},
		{every, "share: 20%", "share: -20%"},
		{every, "weight: 10", "weight: -1"},
		{every, "weight: 10", "weight: 1000000000001"},
		{every, "weight: 10", "wait: 10"},
		{every, "mix: [{subscription: Personal, share: 20%, weight: 10}, {subscription: Team, share: 80.0%, weight: 2.5}]", "mix: []"},
		{every, "against: [library]", "against: {library: yes}"},
		{every, "requests: 30", "requests: 0"},
		{every, "requests: 30", "requests: 10001"},
		{every, ", duration: 700ms", ""},
		{every, "share: 1%, ", ""},
		{every, "time: 1m30s", "time: 90"},
		{every, "time: 1m30s", "time: 1 minute"},
		{every, "time: 1m30s", "time: -1m"},
		{every, "time: 1m30s", "duration: 1m30s"},
		{every, "blocks: 12", "blocks: 10001"},
		{every, "blocks: 12", "blocks: -1"},
		{every, "warmup: 1000", "warmup: 1000001"},
		{every, "warmup: 1000", "warmup: -1"},
		{every, "control_every: 4", "control_every: -2"},
		{every, "control_every: 4", "control_every: 10001"},
		{every, "name: interleaved", "name: paired"},
		{every, "stop: width", "stop: never"},
		{every, "p50: 2us", "p50: 2"},
		{every, "p50: 2us", "p50: -2us"},
		{every, "p50: 2us", "p95: 2us"},
		{paired, "levels: [100/s, 3e2/s, closed]", "levels: [100, closed]"},
		{paired, "levels: [100/s, 3e2/s, closed]", "levels: [open]"},
		{paired, "level: 100/s", "level: low"},
		{paired, "source: somebody", "url: somewhere"},
		{paired, "rate: 900/s", "rate: 900"},
		{paired, "treatment: plain,", ""},
		{factored, "workers: [1, 2]", "worker: [1, 2]"},
		{factored, "workers: [1, 2]", "workers: 2"},
		{factored, "workers: [1, 2]", "workers: [2]"},
		{factored, "workers: [1, 2]", "workers: [1, [2]]"},
		{factored, "workers: [1, 2]", "tracing: [off, on]"},
		{factored, "workers: [1, 2]", "params.: [1, 2]"},
		{factored, "workload.work: [1us, 2us]", "workload-work: [1us, 2us]"},
		{factored, "set: {connections: 16}", "set: {conections: 16}"},
		{factored, "set: {connections: 16}", "set: {connections: [16]}"},
		{factored, "set: {connections: 16}", "set: {form: native}"},
		{factored, "resolution: 3", "resolution: 2"},
		{factored, "resolution: 3", "resolution: 9"},
	} {
		text := strings.Replace(c.base, c.from, c.to, 1)
		if text == c.base {
			t.Errorf("%q is not in its study", c.from)
			continue
		}
		if _, err := study.Parse("s.yaml", []byte(text)); err == nil {
			t.Errorf("%q for %q: the parser takes it", c.to, c.from)
		}
		if err := validate(t, s, text); err == nil {
			t.Errorf("%q for %q: the schema takes it", c.to, c.from)
		}
	}
	// Names that nothing built in has are refused by whoever holds the catalogue.
	for _, c := range [][2]string{{"name: imagehub,", "name: imagepub,"}, {"name: ratelimit", "name: ratelimits"}, {"generator: openloop", "generator: wrk"}, {"testbed: local", "testbed: moon"}, {"[embedded, envoy]", "[embedded, nginx]"}, {"[embedded, envoy]", "nginx"}, {"[embedded, envoy]", "[]"}} {
		text := strings.Replace(every, c[0], c[1], 1)
		if err := validate(t, s, text); text == every || err == nil {
			t.Errorf("%q for %q: the schema takes it", c[1], c[0])
		}
	}
}

// The bounds that the schema names are the parser's own: the last value within
// is taken by both.
func TestBoundsAreTheParsers(t *testing.T) {
	s := compileSchema(t, builtIn)
	for _, c := range [][2]string{
		{"connections: 8", "connections: 1000"}, {"connections: 8", "connections: 1"}, {"connections: 8", "connections: 0"},
		{"count: 100,", "count: 100000,"}, {"weight: 10", "weight: 1000000000000"}, {"weight: 10", "weight: 0"},
		{"requests: 30", "requests: 10000"}, {"requests: 30", "requests: 1"}, {"blocks: 12", "blocks: 10000"}, {"blocks: 12", "blocks: 0"},
		{"warmup: 1000", "warmup: 1000000"}, {"control_every: 4", "control_every: 10000"}, {"control_every: 4", "control_every: -1"},
	} {
		text := strings.Replace(every, c[0], c[1], 1)
		if c[1] == "requests: 10000" {
			text = strings.Replace(text, "700ms", "1h", 1)
		}
		if text == every {
			t.Errorf("%q is not in its study", c[0])
		}
		if _, err := study.Parse("s.yaml", []byte(text)); err != nil {
			t.Errorf("%q: %v", c[1], err)
		}
		if err := validate(t, s, text); err != nil {
			t.Errorf("%q: %v", c[1], err)
		}
	}
}

// Every field has words for the person who reads it in an editor.
func TestSchemaDescribesEveryField(t *testing.T) {
	text, err := study.Schema(builtIn)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(at string, v any)
	fields := 0
	walk = func(at string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		for key, inner := range m {
			walk(at+"/"+key, inner)
		}
		properties, ok := m["properties"].(map[string]any)
		if !ok || m["type"] != "object" {
			return
		}
		if m["additionalProperties"] != false {
			t.Errorf("%s takes unknown fields", at)
		}
		for name, p := range properties {
			fields++
			if about, _ := p.(map[string]any)["description"].(string); len(about) < 5 {
				t.Errorf("%s: field %s is described as %q", at, name, about)
			}
		}
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	walk("", document)
	if fields < 50 {
		t.Errorf("%d fields, there are more", fields)
	}
}
