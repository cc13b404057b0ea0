package cli_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"golang.org/x/perf/benchfmt"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/reporttest"
	"github.com/taremesh/tare/smp"
)

// kept is a data directory with one finished result.
func kept(t *testing.T) (dir string, r *report.Report) {
	t.Helper()
	dir = t.TempDir()
	e, blocks := reporttest.Experiment(t, reporttest.Study)
	st, err := catalog.OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.Begin(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := st.Append(t.Context(), e.ID, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.End(t.Context(), e.ID, experiment.Done, e.Started.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err = report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	return dir, r
}

// tareWith is tare with an environment and an input.
func tareWith(dir string, env map[string]string, in string, args ...string) result {
	var out, errOut bytes.Buffer
	getenv := func(name string) string {
		if name == "TARE_DATA" {
			return dir
		}
		return env[name]
	}
	code := cli.Main(cli.State{Args: args, Getenv: getenv, In: strings.NewReader(in), Out: &out, Err: &errOut})
	return result{code, out.String(), errOut.String()}
}

func TestReportFormats(t *testing.T) {
	dir, r := kept(t)
	for format, want := range map[string]string{
		"table": "native", "json": `"tare": "report/2"`, "html": "<!DOCTYPE html>", "csv": "kind,experiment,study",
		"bench": "BenchmarkWeighed/treatment=native-2 1 ", "openmetrics": "\n# EOF\n",
	} {
		if got := tare(t, dir, "report", "last", "-o", format); got.code != 0 || !strings.Contains(strings.ToLower(got.out), strings.ToLower(want)) {
			t.Errorf("-o %s: exit %d, %.200s%s; want %q in it", format, got.code, got.out, got.err, want)
		}
	}
	if got := tare(t, dir, "report", "-o", "xml"); got.code != 2 || !strings.Contains(got.err, "known: table, json, html, csv, bench, openmetrics, hgrm") {
		t.Errorf("-o xml: exit %d, %s", got.code, got.err)
	}
	if got := tare(t, dir, "report", "-o", "bench", "--csv", "-"); got.code != 2 {
		t.Errorf("two formats on standard output: exit %d", got.code)
	}
	in := benchfmt.NewReader(strings.NewReader(tare(t, dir, "report", "-o", "bench").out), "bench")
	n := 0
	for in.Scan() {
		if err, bad := in.Result().(*benchfmt.SyntaxError); bad {
			t.Error(err)
		}
		if _, ok := in.Result().(*benchfmt.Result); ok {
			n++
		}
	}
	if n != 4*r.Blocks {
		t.Errorf("%d benchmarks of 4 treatments in %d blocks", n, r.Blocks)
	}
}

func TestReportPercentiles(t *testing.T) {
	dir, _ := kept(t)
	one := tare(t, dir, "report", "-o", "hgrm", "--treatment", "native")
	if one.code != 0 || !strings.Contains(one.out, "#[Max     =") {
		t.Fatalf("exit %d, %s%s", one.code, one.out, one.err)
	}
	folder := t.TempDir()
	if got := tare(t, dir, "report", "--hgrm", folder); got.code != 0 || !strings.Contains(got.out, "native") {
		t.Fatalf("exit %d, %s", got.code, got.err)
	}
	for _, name := range []string{"direct", "router", "router-aa", "native"} {
		text, err := os.ReadFile(filepath.Join(folder, name+".hgrm"))
		if err != nil || !bytes.Contains(text, []byte("Percentile")) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "native" && string(text) != one.out {
			t.Error("the file is not what standard output is")
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"treatments: direct, router, router-aa, native", []string{"-o", "hgrm"}},
		{"no such treatment (known: direct", []string{"-o", "hgrm", "--treatment", "lua"}},
		{"--treatment is of -o hgrm", []string{"--treatment", "native"}},
		{"--hgrm: ", []string{"--hgrm", filepath.Join(folder, "nowhere", "at", "all")}},
	} {
		if got := tare(t, dir, append([]string{"report"}, c.args...)...); got.code != 2 || !strings.Contains(got.err, c.want) {
			t.Errorf("%v: exit %d, %s", c.args, got.code, got.err)
		}
	}
}

const smpTest = `test:
  name: theirs
  clients:
    - load_generator: fortio
      protocol: 1
      connections: 2
      rps: 10
      endpoint_urls: ["http://127.0.0.1:1/a?b=c", "http://127.0.0.1:1/d"]
  duration: 60s
mesh:
  type: 3
`

// A test becomes a study with every endpoint; its generator, which tare lacks,
// is refused by name when it is to run.
func TestSMPImport(t *testing.T) {
	dir := t.TempDir()
	got := tare(t, dir, "smp", "import", write(t, smpTest))
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit %d, %s", got.code, got.err)
	}
	for _, want := range []string{"http://127.0.0.1:1/a?b=c", "http://127.0.0.1:1/d", "generator: fortio", "rate: \"10/s\"", "connections: 2", "type: 3"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("the study lacks %q:\n%s", want, got.out)
		}
	}
	if again := tareWith(dir, nil, smpTest, "smp", "import", "-"); again.code != 0 || !strings.HasSuffix(again.out, got.out[strings.Index(got.out, "tare:"):]) {
		t.Errorf("from standard input: exit %d, %s", again.code, again.err)
	}
	study := write(t, got.out)
	for _, verb := range []string{"plan", "run"} {
		if ran := tare(t, dir, verb, study); ran.code != 2 || !strings.Contains(ran.err, `"fortio"`) || !strings.Contains(ran.err, "study.yaml:") || !strings.Contains(ran.err, "openloop") {
			t.Errorf("%s: exit %d, %s", verb, ran.code, ran.err)
		}
	}
}

// A test that names no generator is refused by its workload: what runs
// elsewhere is not started by tare.
func TestSMPImportWithoutGenerator(t *testing.T) {
	dir := t.TempDir()
	study := write(t, tare(t, dir, "smp", "import", write(t, strings.Replace(smpTest, "load_generator: fortio", "internal: true", 1))).out)
	if ran := tare(t, dir, "run", study); ran.code != 2 || !strings.Contains(ran.err, `"url"`) || !strings.Contains(ran.err, "echo") {
		t.Errorf("exit %d, %s", ran.code, ran.err)
	}
}

func TestSMPImportOfResults(t *testing.T) {
	dir := t.TempDir()
	const seconds = "latencies_ms: {min: 0.1, p50: 0.2, max: 0.5}\nactual_qps: 3\nid: theirs\n"
	file := write(t, seconds)
	if got := tare(t, dir, "smp", "import", file); got.code != 2 || !strings.Contains(got.err, "say --latency-unit ms or --latency-unit s") {
		t.Errorf("exit %d, %s", got.code, got.err)
	}
	for unit, want := range map[string]float64{"ms": 200, "s": 200_000} {
		got := tare(t, dir, "smp", "import", file, "--latency-unit", unit, "-o", "json")
		var figures []smp.Figures
		if err := json.Unmarshal([]byte(got.out), &figures); err != nil || got.code != 0 {
			t.Fatalf("exit %d, %v, %s", got.code, err, got.err)
		}
		if f := figures[0]; f.ID != "theirs" || *f.Latency.P50 != want || *f.Rate != 3 || f.Latency.P99 != nil {
			t.Errorf("in %s: %+v", unit, f)
		}
	}
	if got := tare(t, dir, "smp", "import", file, "--latency-unit", "s"); got.code != 0 || !strings.Contains(got.out, "200000.0") {
		t.Errorf("table: exit %d, %s%s", got.code, got.out, got.err)
	}
	for want, args := range map[string][]string{
		"known: ms, s":         {file, "--latency-unit", "us"},
		"is of result files":   {write(t, smpTest), "--latency-unit", "ms"},
		"read SMP":             {filepath.Join(dir, "none.yaml")},
		"study.yaml:1:1":       {write(t, "hello")},
		"takes one file":       {},
		"no test with clients": {write(t, "test: {name: a}")},
	} {
		if got := tare(t, dir, append([]string{"smp", "import"}, args...)...); got.code != 2 || !strings.Contains(got.err, want) {
			t.Errorf("%v: exit %d, %s; want %q", args, got.code, got.err, want)
		}
	}
}

func TestSMPExport(t *testing.T) {
	dir, r := kept(t)
	details := filepath.Join(t.TempDir(), "details of it.json")
	for _, format := range []string{"yaml", "json"} {
		got := tare(t, dir, "smp", "export", "last", "--format", format, "--details", details)
		if got.code != 0 {
			t.Fatalf("exit %d, %s", got.code, got.err)
		}
		f, err := smp.Read(format, []byte(got.out))
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Results) != 4 || f.Results[3].LatenciesMs.P50 != *r.Treatments[3].P50/1000 || !strings.Contains(f.Results[3].DetailsUri, "details%20of%20it.json#/treatments/3") {
			t.Errorf("%s: %v", format, f.Results)
		}
		var whole report.Report
		text, err := os.ReadFile(details)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &whole); err != nil || whole.ID != r.ID || len(whole.Comparisons) != len(r.Comparisons) {
			t.Errorf("the details are of %q, error %v", whole.ID, err)
		}
	}
	if got := tare(t, dir, "smp", "export"); got.code != 0 || !strings.Contains(got.out, "urn:tare:report:"+r.ID) {
		t.Errorf("without details: exit %d, %s", got.code, got.err)
	}
	for want, args := range map[string][]string{
		"unknown format": {"--format", "xml"},
		"--details: ":    {"--details", filepath.Join(dir, "no", "where", "x.json")},
		"nosuch":         {"nosuch"},
		"takes one id":   {"a", "b"},
	} {
		if got := tare(t, dir, append([]string{"smp", "export"}, args...)...); got.code != 2 || !strings.Contains(got.err, want) {
			t.Errorf("%v: exit %d, %s; want %q", args, got.code, got.err, want)
		}
	}
}

func TestMeshMark(t *testing.T) {
	dir, _ := kept(t)
	got := tare(t, dir, "meshmark", "last", "--assigned", "memory=120MB", "--weight", "cpu.proxy=0.25", "-o", "json")
	var xs []smp.Index
	if err := json.Unmarshal([]byte(got.out), &xs); err != nil || got.code != 0 {
		t.Fatalf("exit %d, %v, %s", got.code, err, got.err)
	}
	if x := xs[3]; x.Score == nil || *x.Score < 87 || *x.Score > 88 || x.Classes[0].Uses[0].Weight != 0.25 || x.Format != "tare-meshmark/1" || len(x.Cost) == 0 {
		t.Errorf("%+v", x)
	}
	if table := tare(t, dir, "meshmark", "--assigned", "memory=120MB").out; !strings.Contains(table, "87.1") || !strings.Contains(table, "COST OF") || !strings.Contains(table, "material, worse") {
		t.Errorf("the table:\n%s", table)
	}
	if got := tare(t, dir, "meshmark"); got.code != 0 || !strings.Contains(got.out, "no score for native: class memory has no data") {
		t.Errorf("without memory: exit %d, %s%s", got.code, got.out, got.err)
	}
	for want, args := range map[string][]string{
		"unknown class":               {"--assigned", "disk=1"},
		"want CLASS=":                 {"--assigned", "memory"},
		"roles: proxy, service":       {"--assigned", "memory.kernel=1MB"},
		"is no size such as 64MiB":    {"--assigned", "memory=64"},
		"is no number of cores":       {"--assigned", "cpu=many"},
		"is not above 0":              {"--assigned", "memory=0MB"},
		"is not between -0.5 and":     {"--weight", "cpu=1"},
		`"heavy" is no number`:        {"--weight", "cpu=heavy"},
		"unknown output format \"x\"": {"-o", "x"},
	} {
		if got := tare(t, dir, append([]string{"meshmark", "last"}, args...)...); got.code != 2 || !strings.Contains(got.err, want) {
			t.Errorf("%v: exit %d, %s; want %q", args, got.code, got.err, want)
		}
	}
}

// receiver is a collector that decodes what it is sent, and answers as it is told.
type receiver struct {
	*httptest.Server
	requests atomic.Int32
	last     atomic.Pointer[collector.ExportMetricsServiceRequest]
	header   atomic.Pointer[http.Header]
}

func newReceiver(t *testing.T, answer func(n int32, w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		n := r.requests.Add(1)
		body, err := io.ReadAll(q.Body)
		var m collector.ExportMetricsServiceRequest
		if err != nil || proto.Unmarshal(body, &m) != nil || q.Method != http.MethodPost || q.URL.Path != "/v1/metrics" || q.Header.Get("Content-Type") != "application/x-protobuf" {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		r.last.Store(&m)
		h := q.Header.Clone()
		r.header.Store(&h)
		answer(n, w)
	}))
	t.Cleanup(r.Close)
	return r
}

func taken(_ int32, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func TestPush(t *testing.T) {
	dir, r := kept(t)
	to := newReceiver(t, taken)
	const secret = "s3cret value"
	env := map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cret%20value, x-scope=a"}
	for _, given := range []string{to.URL, to.URL + "/", to.URL + "/v1/metrics"} {
		got := tareWith(dir, env, "", "push", "last", "--otlp", given)
		if got.code != 0 || !strings.Contains(got.out, r.ID) || strings.Contains(got.out+got.err, secret) {
			t.Fatalf("exit %d, %s%s", got.code, got.out, got.err)
		}
		m := to.last.Load().ResourceMetrics[0]
		names := map[string]int{}
		for _, x := range m.ScopeMetrics[0].Metrics {
			names[x.Name] = len(x.GetGauge().GetDataPoints()) + len(x.GetSum().GetDataPoints()) + len(x.GetHistogram().GetDataPoints())
		}
		for name, want := range map[string]int{"tare.response.quantile": 8, "tare.response": 4, "tare.request.cpu": 4, "tare.requests": 8, "tare.blocks": 2} {
			if names[name] != want {
				t.Errorf("%s has %d points, want %d (%v)", name, names[name], want, names)
			}
		}
		if h := *to.header.Load(); h.Get("Authorization") != "Bearer "+secret || h.Get("X-Scope") != "a" {
			t.Errorf("headers %v", h)
		}
	}
}

// A failure that may pass is tried again, so often and no more; any other is not.
func TestPushFails(t *testing.T) {
	dir, _ := kept(t)
	answer := func(status int, body string) func(int32, http.ResponseWriter) {
		return func(_ int32, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0")
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	partly, err := proto.Marshal(&collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 7, ErrorMessage: "too\x1b[31m old"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		answer   func(int32, http.ResponseWriter)
		code     int
		requests int32
		want     string
	}{
		{"busy for a moment", func(n int32, w http.ResponseWriter) {
			if n < 3 {
				answer(http.StatusServiceUnavailable, "")(n, w)
			}
		}, 0, 3, ""},
		{"busy for ever", answer(http.StatusTooManyRequests, ""), 3, 3, "429 Too Many Requests (tried 3 times"},
		{"no token", answer(http.StatusUnauthorized, ""), 3, 1, "give its headers in OTEL_EXPORTER_OTLP_HEADERS"},
		{"not there", answer(http.StatusNotFound, ""), 3, 1, "Its port is 4318"},
		{"refused", answer(http.StatusBadRequest, "no \x1b[31m thanks"), 3, 1, "400 Bad Request: no [31m thanks"},
		{"redirected", answer(http.StatusFound, ""), 3, 1, "redirects"},
		{"taken in part", answer(http.StatusOK, string(partly)), 3, 1, "rejected 7 data points: too [31m old"},
		{"no collector", answer(http.StatusOK, "<html>hello</html>"), 3, 1, "no collector"},
	} {
		to := newReceiver(t, c.answer)
		got := tareWith(dir, nil, "", "push", "--otlp", to.URL, "--retries", "2")
		if got.code != c.code || to.requests.Load() != c.requests || !strings.Contains(got.err, c.want) || strings.Contains(got.err, "\x1b") {
			t.Errorf("%s: exit %d after %d requests, %q; want exit %d after %d, %q", c.name, got.code, to.requests.Load(), got.err, c.code, c.requests, c.want)
		}
	}
	if got := tareWith(dir, nil, "", "push", "--otlp", "http://127.0.0.1:1", "--retries", "0"); got.code != 3 || !strings.Contains(got.err, "connection refused (tried 1 times; is a collector listening there?)") {
		t.Errorf("nobody listens: exit %d, %s", got.code, got.err)
	}
}

func TestPushRefuses(t *testing.T) {
	dir, _ := kept(t)
	const secret = "hunter2"
	for _, c := range []struct {
		want, headers string
		args          []string
	}{
		{"push needs --otlp", "", nil},
		{"want http:// or https://", "", []string{"--otlp", "localhost:4318"}},
		{"want http:// or https://", "", []string{"--otlp", "ftp://a/"}},
		{"holds a user", "", []string{"--otlp", "http://me:" + secret + "@127.0.0.1:4318"}},
		{"has a query", "", []string{"--otlp", "http://127.0.0.1:4318?key=" + secret}},
		{"cannot be read", "", []string{"--otlp", "http://a:" + secret + "%zz/"}},
		{"header 2 is not name=value", "a=b,c d=" + secret, []string{"--otlp", "http://127.0.0.1:1"}},
		{"header 1 is not name=value", "authorization=" + secret + "%zz", []string{"--otlp", "http://127.0.0.1:1"}},
		{"header 1 is not name=value", "authorization=" + secret + "%0d%0aevil: 1", []string{"--otlp", "http://127.0.0.1:1"}},
		{"--retries 11: want 0 to 10", "", []string{"--otlp", "http://127.0.0.1:1", "--retries", "11"}},
	} {
		got := tareWith(dir, map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": c.headers}, "", append([]string{"push"}, c.args...)...)
		if got.code != 2 || !strings.Contains(got.err, c.want) || strings.Contains(got.err, secret) {
			t.Errorf("%v: exit %d, %s; want %q and no secret", c.args, got.code, got.err, c.want)
		}
	}
	if got := tareWith(t.TempDir(), nil, "", "push", "--otlp", "http://127.0.0.1:1"); got.code != 2 {
		t.Errorf("nothing kept: exit %d, %s", got.code, got.err)
	}
}
