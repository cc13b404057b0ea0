package smp_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/smp"
	"github.com/taremesh/tare/study"
)

func read(t *testing.T, name string, text []byte) *smp.File {
	t.Helper()
	f, err := smp.Read(name, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

func written(t *testing.T, f *smp.File, as smp.Encoding) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, as); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// testFiles are all files of testdata/files by name.
func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/files/*")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files to test: %v", err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = text
	}
	return files
}

// What was normalised once comes back byte for byte, in both encodings and
// across them, and holds the same messages.
func TestRoundTrip(t *testing.T) {
	for name, text := range testFiles(t) {
		f := read(t, name, text)
		normal := written(t, f, smp.YAML)
		golden.Check(t, "normal/"+name+".golden", normal)
		holdRoundTrip(t, f)
	}
}

func holdRoundTrip(t *testing.T, f *smp.File) {
	t.Helper()
	for _, from := range smp.Encodings() {
		text := written(t, f, from)
		again := read(t, "normal", text)
		if !f.Equal(again) {
			t.Errorf("other messages after %s:\n%s", from, text)
		}
		for _, to := range smp.Encodings() {
			if d := cmp.Diff(string(written(t, f, to)), string(written(t, again, to))); d != "" {
				t.Errorf("%s to %s:\n%s", from, to, d)
			}
		}
	}
}

func TestStudies(t *testing.T) {
	for name, text := range testFiles(t) {
		f := read(t, name, text)
		if f.Test == nil {
			if out, err := f.Study(); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s has no test, and gave the study %s and the error %v", name, out, err)
			}
			continue
		}
		out, err := f.Study()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden.Check(t, "study/"+name+".golden", out)
		holdStudy(t, f, out)
	}
}

// holdStudy: a study has every endpoint of every client, and the whole file.
func holdStudy(t *testing.T, f *smp.File, text []byte) {
	t.Helper()
	s, err := study.Parse("study", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	k := 0
	for i, c := range f.Test.Clients {
		for _, u := range c.EndpointUrls {
			params := s.Treatments[k].Workload
			if k == 0 {
				params = s.Workload.Params
			}
			var p endpoint
			if err := params.Decode(&p); err != nil {
				t.Fatal(err)
			}
			if p.URL != u {
				t.Errorf("client %d: the study asks %q, want %q", i, p.URL, u)
			}
			want := endpoint{URL: u, Internal: c.Internal, Headers: c.Headers, Cookies: c.Cookies, Body: c.Body, ContentType: c.ContentType}
			p.Protocol, p.Generator, p.Rate, p.Connections = "", "", "", 0 // the goldens show them
			if d := cmp.Diff(want, p, cmp.Transformer("none", emptyIsNil)); d != "" {
				t.Errorf("client %d, %s: %s", i, u, d)
			}
			k++
		}
	}
	if k != len(s.Treatments) {
		t.Errorf("%d treatments for %d endpoints", len(s.Treatments), k)
	}
	back, err := smp.FromStudy(s)
	if err != nil {
		t.Fatal(err)
	}
	want := &smp.File{Test: f.Test, Mesh: f.Mesh}
	if d := cmp.Diff(string(written(t, want, smp.YAML)), string(written(t, back, smp.YAML))); d != "" {
		t.Errorf("the file that the study was made of:\n%s", d)
	}
}

type endpoint struct {
	URL, Protocol, Generator, Rate, Body string
	Connections                          int
	Internal                             bool
	Headers, Cookies                     map[string]string
	ContentType                          string `yaml:"content_type"`
}

func emptyIsNil(m map[string]string) []string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	if len(out) > 1 {
		out = []string{strings.Join(slices.Sorted(slices.Values(out)), "\n")}
	}
	return out
}

func TestStudyOfNoTest(t *testing.T) {
	s, err := study.Parse("s", []byte("tare: study/1\nname: s\nworkload: {name: echo}\ntreatments: [{name: d, control: direct}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if f, err := smp.FromStudy(s); f != nil || err != nil {
		t.Errorf("FromStudy of an ordinary study: %v, %v", f, err)
	}
}

// What is broken is refused where it stands.
func TestBroken(t *testing.T) {
	const client = "test: {clients: [{endpoint_urls: [http://a/], "
	for _, c := range []struct{ name, text, want string }{
		{"not YAML", "test: [\n  a: b", "f.yaml:"},
		{"not UTF-8", "test: \xff", "not UTF-8"},
		{"nothing", "", "found 0"},
		{"two documents", "test: {}\n---\ntest: {}\n", "found 2"},
		{"deep brackets", "test: " + strings.Repeat("[", 1_000_000), "nested more than 1000 deep"},
		{"deep braces", strings.Repeat(`{"a":`, 100_000), "nested more than 1000 deep"},
		{"deep dashes", strings.Repeat("- ", 1_000_000), "nested more than 1000 deep"},
		{"deep questions", strings.Repeat("? ", 1_000_000), "nested more than 1000 deep"},
		{"as deep as may be", "test: " + strings.Repeat("[", 999), "f.yaml:"},
		{"a word", "hello", "f.yaml:1:1: the file: want fields"},
		{"neither", "a: 1", "neither a test"},
		{"unknown key", "test: {}\nmesch: {type: 3}", `f.yaml:2:8: unknown field "mesch"`},
		{"unknown field", "test:\n  clients: []\n  durations: 60s", `f.yaml:3:3: unknown field "durations" of test (known: smp_version,`},
		{"unknown field of a client", client + "rsp: 1}]}", `unknown field "rsp" of test.clients[0]`},
		{"twice", "test: {id: a, id: b}", "id"},
		{"twice, as a number and as text", "test: {labels: {1: a, \"1\": b}}", "1"},
		{"twice under two names", "test: {smp_version: a, smpVersion: b}", "given twice"},
		{"list for fields", "test: [1]", "test: want fields, found a list"},
		{"fields for list", "test: {clients: {a: b}}", "test.clients: want a list, found fields"},
		{"text for number", client + "rps: many}]}", `test.clients[0].rps: want a whole number, found "many"`},
		{"fraction", client + "rps: 1.5}]}", `want a whole number, found "1.5"`},
		{"too large", client + "connections: 3000000000}]}", "is not between"},
		{"huge", client + "rps: 1e999999999}]}", "want a whole number"},
		{"negative", client + "connections: -1}]}", "test.clients[0].connections: -1 is below 0"},
		{"negative rate", client + "rps: -5}]}", "test.clients[0].rps: -5 is below 0"},
		{"number for truth", client + "internal: 1}]}", "want true or false"},
		{"list for text", "test: {name: [a]}", "test.name: want text, found a list"},
		{"unknown protocol", client + "protocol: 9}]}", `unknown Protocol "9" (known: 1 PROTOCOL_HTTP, 2 PROTOCOL_TCP, 3 PROTOCOL_UDP, 4 PROTOCOL_GRPC)`},
		{"unknown mesh", "test: {}\nmesh: {type: 13}", `f.yaml:2:14: mesh.type: unknown Type "13" (known: 1 APP_MESH`},
		{"unknown mesh by name", "mesh: {type: ISTO}", `unknown Type "ISTO"`},
		{"duration without unit", "test: {duration: 60}", `test.duration: "60" is not a time`},
		{"negative duration", "test: {duration: -1s}", "is not a time above 0"},
		{"alias", "test: {labels: &a {x: y}}\n", "anchor"},
		{"NaN", "latencies_ms: {p50: .nan}", "want a number"},
		{"NaN as text", `latencies_ms: {p50: "NaN"}`, "want a number"},
		{"infinite", "latencies_ms: {max: .inf}", "want a number"},
		{"negative latency", "latencies_ms: {min: -0.5}", "results[0].latencies_ms.min: -0.5 is below 0"},
		{"falling percentiles", "latencies_ms: {p50: 5, p90: 4}", "results[0].latencies_ms.p90: 4 is below p50, which is 5"},
		{"max below p99", "latencies_ms: {p99: 5, max: 4}", "4 is below p99"},
		{"end before start", "latencies_ms: {p50: 5}\nstart_time: 2020-01-02T00:00:00Z\nend_time: 2020-01-01T00:00:00Z", "the end is before the start"},
		{"no time", "latencies_ms: {p50: 5}\nstart_time: yesterday", "is not a time such as"},
		{"time out of range", "latencies_ms: {p50: 5}\nstart_time: {seconds: 999999999999999}", "start_time"},
		{"negative nodes", "environments: [{nodes: [{cores: -2}]}]", "environments[0].nodes[0].cores: -2 is below 0"},
		{"negative sidecars", "mesh_configs: [{sidecar: {count: -2}}]", "mesh_configs[0].sidecar.count: -2 is below 0"},
		{"deep labels", "latencies_ms: {}\nlabels: {a: {b: c}}", "labels.a: want text"},
		{"control characters", `test: {name: "a\u001b[2J"}`, "holds control characters"},
		{"control characters in a key", `test: {labels: {"a\u0000": b}}`, "holds control characters"},
		{"later field of no text", client + "ssl_certificate: [a]}]}", "want text"},
	} {
		f, err := smp.Read("f.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "f.yaml:") {
			t.Errorf("%s: got %+v, error %v; want an error of f.yaml with %q", c.name, f, err, c.want)
		}
	}
}

// A test that is whole, but cannot be a study, is refused where it stands.
func TestNoStudy(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no clients", "test: {name: a}", "f.yaml:1:"},
		{"empty clients", "test: {clients: []}", "no test with clients"},
		{"mesh alone", "mesh: {type: 3}", "no test with clients"},
		{"no endpoints", "test:\n  clients:\n    - rps: 1", "f.yaml:3:10: test.clients[0]: the client has no endpoint_urls"},
		{"no URL", "test: {clients: [{endpoint_urls: [localhost]}]}", `test.clients[0].endpoint_urls[0]: "localhost" is no whole URL`},
		{"no URL of TCP", "test: {clients: [{protocol: tcp, endpoint_urls: [localhost]}]}", "neither a URL nor host:port"},
		{"rate", "test: {clients: [{rps: 200001, endpoint_urls: [http://a/]}]}", "test.clients[0].rps: 200001: a study offers at most"},
		{"connections", "test: {clients: [{connections: 1001, endpoint_urls: [http://a/]}]}", "a study has at most 1000"},
		{"generator", `test: {clients: [{load_generator: "rm -rf", endpoint_urls: [http://a/]}]}`, "is no name of a load generator"},
		{"long", "test: {duration: 25h, clients: [{endpoint_urls: [http://a/]}]}", "a study takes 1s to 24h"},
		{"short", "test: {duration: 10ms, clients: [{endpoint_urls: [http://a/]}]}", "a study takes 1s to 24h"},
		{"many", "test: {clients: [{endpoint_urls: [" + strings.Repeat("http://a/,", 61) + "]}]}", "61 endpoints: a study has at most 60"},
	} {
		f := read(t, "f.yaml", []byte(c.text))
		out, err := f.Study()
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "f.yaml") {
			t.Errorf("%s: got %s, error %v; want an error of f.yaml with %q", c.name, out, err, c.want)
		}
	}
	var place *study.PlaceError
	f := read(t, "f.yaml", []byte("test:\n  clients:\n    - rps: 1"))
	if _, err := f.Study(); !errors.As(err, &place) || place.Line != 3 {
		t.Errorf("the error has no line 3: %v", err)
	}
}

func TestUnits(t *testing.T) {
	const low = "latencies_ms: {p50: 0.25, max: 0.5}"
	const labelled = low + "\nlabels: {latency_unit: ms}"
	for _, c := range []struct {
		name, text string
		unit       smp.LatencyUnit
		want       float64 // of p50, in ms
		err        string
	}{
		{"below 1, unsaid", low, "", 0, "say --latency-unit ms or --latency-unit s"},
		{"below 1, ms", low, smp.Milliseconds, 0.25, ""},
		{"below 1, s", low, smp.Seconds, 250, ""},
		{"above 1, unsaid", "latencies_ms: {p50: 2.5, max: 5}", "", 2.5, ""},
		{"exactly 1", "latencies_ms: {p50: 0.5, max: 1}", "", 0.5, ""},
		{"above 1, s", "latencies_ms: {p50: 2.5, max: 5}", smp.Seconds, 2500, ""},
		{"labelled", labelled, "", 0.25, ""},
		{"labelled and said", labelled, smp.Milliseconds, 0.25, ""},
		{"labelled otherwise", labelled, smp.Seconds, 0, "leave --latency-unit out"},
		{"labelled as seconds", low + "\nlabels: {latency_unit: s}", "", 250, ""},
		{"labelled wrongly", low + "\nlabels: {latency_unit: years}", "", 0, "known: ms, s"},
		{"no maximum", "latencies_ms: {p50: 0.25}", "", 0, "below 1"},
	} {
		f := read(t, "f.yaml", []byte(c.text))
		err := f.Settle(c.unit)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want one with %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || f.Results[0].LatenciesMs.P50 != c.want {
			t.Errorf("%s: p50 is %v ms, error %v; want %v", c.name, f.Results[0].LatenciesMs.P50, err, c.want)
		}
		if err := f.Settle(""); err != nil || f.Results[0].LatenciesMs.P50 != c.want {
			t.Errorf("%s: settling twice: %v, %v", c.name, f.Results[0].LatenciesMs.P50, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range testFiles(f) {
		f.Add(text)
	}
	f.Add([]byte("test: {clients: [{endpoint_urls: [http://a/], headers: {\"\": \"\\u0000\\u2028\"}}]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := smp.Read("fuzz", text)
		if err != nil {
			return
		}
		holdRoundTrip(t, file)
		if out, err := file.Study(); err == nil {
			holdStudy(t, file, out)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := testFiles(b)["many.yaml"]
	for b.Loop() {
		if _, err := smp.Read("many.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
