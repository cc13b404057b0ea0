package exposition_test

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"golang.org/x/perf/benchfmt"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/exposition"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/reporttest"
	"github.com/taremesh/tare/study"
)

func made(t testing.TB) (*report.Report, experiment.Experiment, []experiment.Block) {
	t.Helper()
	e, blocks := reporttest.Experiment(t, reporttest.Study)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	return r, e, blocks
}

func text(t testing.TB, write func(w *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func bench(t testing.TB, r *report.Report) string {
	return text(t, func(w *bytes.Buffer) error { return exposition.Bench(w, r) })
}

func open(t testing.TB, r *report.Report) string {
	return text(t, func(w *bytes.Buffer) error { return exposition.OpenMetrics(w, r) })
}

// odd are names that could break a line, a name or a label.
func odd(r *report.Report) {
	r.Study = "2-studies"
	r.Environment.CPU = "a\nBenchmarkEvil 1 1 ns/op\t\"CPU\" \\ {x}"
	r.Treatments[0].Set = map[string]string{"params.path": "/a b=c", "rate": "100/s"}
	level := "100/s"
	r.Treatments[3].Level = &level
}

// benchmarks reads the text with the reader that benchstat has.
func benchmarks(t *testing.T, text string) []*benchfmt.Result {
	t.Helper()
	var results []*benchfmt.Result
	in := benchfmt.NewReader(strings.NewReader(text), "made")
	for in.Scan() {
		switch x := in.Result().(type) {
		case *benchfmt.Result:
			results = append(results, x.Clone())
		case *benchfmt.UnitMetadata:
			if x.OrigUnit != "requests/s" || x.Key != "better" || x.Value != "higher" {
				t.Errorf("unit %+v", x)
			}
		default:
			t.Errorf("%v", x)
		}
	}
	if err := in.Err(); err != nil {
		t.Error(err)
	}
	return results
}

func TestBench(t *testing.T) {
	r, _, _ := made(t)
	out := bench(t, r)
	golden.Check(t, "weighed.bench", []byte(out))
	results := benchmarks(t, out)
	if want := strings.Count(out, "\nBenchmark"); len(results) != want || want != 4*len(r.Series.Blocks) {
		t.Fatalf("benchstat reads %d results of %d lines; there are %d treatments in %d blocks", len(results), want, 4, len(r.Series.Blocks))
	}
	for i, x := range results {
		s := r.Series.Treatments[i%4]
		if want := "Weighed/treatment=" + s.Name; !strings.HasPrefix(x.Name.String(), want) {
			t.Errorf("result %d is %s, want %s", i, x.Name, want)
		}
		for unit, endpoint := range map[string]string{"p50-sec": "p50", "p90-sec": "p90", "cpu-sec/op": "cpu"} {
			got, ok := x.Value(unit)
			if want := s.Values[endpoint][i/4] / 1e6; !ok || math.Abs(got-want) > 1e-15 {
				t.Errorf("%s has %v %s, want %v", x.Name, got, unit, want)
			}
		}
		if got, ok := x.Value("p99-sec"); ok {
			t.Errorf("%s has a p99 of %v, and too few samples for one", x.Name, got)
		}
	}
}

func TestBenchOfOddNames(t *testing.T) {
	r, _, _ := made(t)
	odd(r)
	results := benchmarks(t, bench(t, r))
	if len(results) != 4*len(r.Series.Blocks) {
		t.Fatalf("%d results", len(results))
	}
	for i, want := range map[int]string{0: "2Studies/treatment=direct/params.path=_a_b_c/rate=100-2", 3: "2Studies/treatment=native/level=100-2"} {
		if got := results[i].Name.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Copies that differ by nothing that a name shows keep names of their own.
func TestBenchNamesDiffer(t *testing.T) {
	r, _, _ := made(t)
	of := "router"
	r.Treatments[1].Of, r.Treatments[2].Of = &of, &of
	seen := map[string]int{}
	for _, x := range benchmarks(t, bench(t, r)) {
		seen[x.Name.String()]++
	}
	if len(seen) != 4 {
		t.Errorf("4 treatments have the names %v", seen)
	}
}

func TestWithoutABlock(t *testing.T) {
	e, _ := reporttest.Experiment(t, reporttest.Study)
	r := report.Unfinished(e, experiment.Running, experiment.ErrNoBlocks)
	if got := benchmarks(t, bench(t, r)); len(got) != 0 {
		t.Errorf("benchmarks %v", got)
	}
	families(t, open(t, r))
	if _, err := exposition.OTLP(r); err != nil {
		t.Error(err)
	}
}

// families reads the text by the grammar of OpenMetrics 1.0.
func families(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	in := expfmt.NewDecoder(strings.NewReader(text), expfmt.FmtOpenMetrics_1_0_0)
	out := map[string]*dto.MetricFamily{}
	for {
		f := &dto.MetricFamily{}
		if err := in.Decode(f); err != nil {
			if err.Error() != "EOF" {
				t.Fatalf("%v\n%s", err, text)
			}
			return out
		}
		out[f.GetName()] = f
	}
}

func labels(m *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range m.Label {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

func TestOpenMetrics(t *testing.T) {
	r, _, _ := made(t)
	out := open(t, r)
	golden.Check(t, "weighed.openmetrics", []byte(out))
	if !strings.HasSuffix(out, "\n# EOF\n") {
		t.Error("the text has no end")
	}
	fs := families(t, out)
	for name, kind := range map[string]dto.MetricType{"tare_blocks": dto.MetricType_GAUGE, "tare_requests": dto.MetricType_COUNTER, "tare_response_quantile_seconds": dto.MetricType_GAUGE,
		"tare_response_seconds": dto.MetricType_HISTOGRAM, "tare_request_cpu_seconds": dto.MetricType_GAUGE, "tare_private_memory_bytes": dto.MetricType_GAUGE,
		"tare_difference_seconds": dto.MetricType_GAUGE, "tare_verdict": dto.MetricType_GAUGE} {
		if f := find(fs, name); f == nil || f.GetType() != kind || f.GetHelp() == "" {
			t.Errorf("family %s: %v, want a %v", name, f, kind)
		}
	}
	for _, m := range find(fs, "tare_response_quantile_seconds").Metric {
		if l := labels(m); l["treatment"] == "native" && l["quantile"] == "0.5" && math.Abs(m.Gauge.GetValue()-*r.Treatments[3].P50/1e6) > 1e-15 {
			t.Errorf("native's median is %v, want %v µs", m.Gauge.GetValue(), *r.Treatments[3].P50)
		}
	}
	r.Histogram.Treatments[2].Above = 5
	for i, m := range find(families(t, open(t, r)), "tare_response_seconds").Metric {
		h := r.Histogram.Treatments[i]
		want := uint64(h.Above)
		for _, n := range h.Counts {
			want += uint64(n)
		}
		last := m.Histogram.Bucket[len(m.Histogram.Bucket)-1]
		if !math.IsInf(last.GetUpperBound(), 1) || last.GetCumulativeCount() != want {
			t.Errorf("the last bucket of %s counts %d up to %v, want %d", h.Name, last.GetCumulativeCount(), last.GetUpperBound(), want)
		}
	}
}

func find(fs map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	for _, n := range []string{name, name + "_total", name + "_info"} {
		if f := fs[n]; f != nil {
			return f
		}
	}
	return nil
}

func TestOpenMetricsOfOddNames(t *testing.T) {
	r, _, _ := made(t)
	odd(r)
	r.Treatments[0].Name = "a\"b\\c\nd\xff"
	fs := families(t, open(t, r))
	found := false
	for _, m := range find(fs, "tare_request_cpu_seconds").Metric {
		found = found || labels(m)["treatment"] == "a\"b\\c\nd�"
	}
	if !found {
		t.Error("the odd name did not come back")
	}
}

// What a receiver decodes are the figures of the report, and the same ones as
// in OpenMetrics.
func TestOTLP(t *testing.T) {
	r, _, _ := made(t)
	body, err := exposition.OTLP(r)
	if err != nil {
		t.Fatal(err)
	}
	var req collector.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	if len(req.ResourceMetrics) != 1 || len(req.ResourceMetrics[0].ScopeMetrics) != 1 {
		t.Fatalf("%v", &req)
	}
	about := attributes(req.ResourceMetrics[0].Resource.Attributes)
	if about["service.name"] != "tare" || about["tare.experiment"] != r.ID || about["tare.study"] != "weighed" {
		t.Errorf("the resource is %v", about)
	}
	got := map[string]float64{}
	for _, m := range req.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		name := strings.ReplaceAll(m.Name, ".", "_") + map[string]string{"s": "_seconds", "By": "_bytes"}[m.Unit]
		for _, p := range append(m.GetGauge().GetDataPoints(), m.GetSum().GetDataPoints()...) {
			got[name+key(attributes(p.Attributes))] = p.GetAsDouble()
			holdTimes(t, r, m.Name, p.StartTimeUnixNano, p.TimeUnixNano)
		}
		for _, p := range m.GetHistogram().GetDataPoints() {
			if len(p.BucketCounts) != len(p.ExplicitBounds)+1 || !slices.IsSorted(p.ExplicitBounds) || m.GetHistogram().AggregationTemporality != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
				t.Errorf("%d buckets for %d bounds", len(p.BucketCounts), len(p.ExplicitBounds))
			}
			sum := uint64(0)
			for _, n := range p.BucketCounts {
				sum += n
			}
			if sum != p.Count || sum == 0 {
				t.Errorf("buckets count %d, the point says %d", sum, p.Count)
			}
			got[name+key(attributes(p.Attributes))] = float64(p.Count)
			holdTimes(t, r, m.Name, p.StartTimeUnixNano, p.TimeUnixNano)
		}
	}
	want := map[string]float64{}
	for name, f := range families(t, open(t, r)) {
		for _, m := range f.Metric {
			k := strings.TrimSuffix(name, "_total") + key(labels(m))
			switch f.GetType() {
			case dto.MetricType_GAUGE:
				want[k] = m.Gauge.GetValue()
			case dto.MetricType_COUNTER:
				want[k] = m.Counter.GetValue()
			case dto.MetricType_HISTOGRAM:
				bs := m.Histogram.Bucket
				want[k] = float64(bs[len(bs)-1].GetCumulativeCount())
			}
		}
	}
	for k := range want {
		if strings.HasPrefix(k, "tare_experiment") {
			delete(want, k)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("OpenMetrics and OTLP (- +):\n%s", d)
	}
}

func holdTimes(t *testing.T, r *report.Report, name string, start, end uint64) {
	t.Helper()
	last := r.Started.Add(9*time.Minute + 5*time.Second)
	if start != uint64(r.Started.UnixNano()) || end != uint64(last.UnixNano()) {
		t.Errorf("%s is from %d to %d, want %d to %d", name, start, end, r.Started.UnixNano(), last.UnixNano())
	}
}

func attributes(kvs []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range kvs {
		out[kv.Key] = kv.Value.GetStringValue()
	}
	return out
}

func key(labels map[string]string) string {
	var parts []string
	for k, v := range labels {
		parts = append(parts, k+"="+v)
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

func TestReadOTLP(t *testing.T) {
	answer, err := proto.Marshal(&collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 3, ErrorMessage: "too old"}})
	if err != nil {
		t.Fatal(err)
	}
	if n, words, err := exposition.ReadOTLP(answer); n != 3 || words != "too old" || err != nil {
		t.Errorf("%d, %q, %v", n, words, err)
	}
	if n, words, err := exposition.ReadOTLP(nil); n != 0 || words != "" || err != nil {
		t.Errorf("%d, %q, %v", n, words, err)
	}
	if _, _, err := exposition.ReadOTLP([]byte("<html>")); err == nil {
		t.Error("a page was read as an answer")
	}
}

// Every line of the text holds the exact quantile of the samples, to four digits.
func TestHgrm(t *testing.T) {
	_, e, blocks := made(t)
	out := text(t, func(w *bytes.Buffer) error { return exposition.Hgrm(w, e, blocks, "native") })
	golden.Check(t, "native.hgrm", []byte(out))
	var all []float64
	for _, b := range blocks {
		for k, ph := range b.Phases {
			for _, s := range b.Samples[k] {
				if ph.Phase.Kind == study.Latency && s.Target == 3 {
					all = append(all, float64(s.Response())/1e3)
				}
			}
		}
	}
	slices.Sort(all)
	lines := 0
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 4 || f[0] == "Value" || strings.HasPrefix(f[0], "#") {
			continue
		}
		lines++
		v, q := number(t, f[0]), number(t, f[1])
		n := int(number(t, f[2]))
		// The count is of all that are not above the value's step.
		if want := all[n-1]; math.Abs(v-want) > want*1e-4+0.001 {
			t.Errorf("%s µs at %v, want %v", f[0], q, want)
		}
		if share := float64(n) / float64(len(all)); share < q-1e-6 {
			t.Errorf("%d of %d are at %v", n, len(all), q)
		}
	}
	if lines < 30 || !strings.Contains(out, "Total count    = "+strings.Repeat(" ", 12-len(strconv.Itoa(len(all))))+strconv.Itoa(len(all))) {
		t.Errorf("%d lines, %d samples:\n%s", lines, len(all), out)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestHgrmRefuses(t *testing.T) {
	_, e, blocks := made(t)
	var b bytes.Buffer
	if err := exposition.Hgrm(&b, e, blocks, "lua"); err == nil || !strings.Contains(err.Error(), "known: direct, router, router-aa, native") {
		t.Errorf("an unknown treatment: %v", err)
	}
	if err := exposition.Hgrm(&b, e, nil, "native"); err == nil || !strings.Contains(err.Error(), "no answered request") {
		t.Errorf("no blocks: %v", err)
	}
	for i := range blocks {
		blocks[i].Void = "the proxy died"
	}
	if err := exposition.Hgrm(&b, e, blocks, "native"); err == nil {
		t.Error("void blocks were counted")
	}
}

// A request that took no time or an hour has its place.
func TestHgrmExtremes(t *testing.T) {
	_, e, blocks := made(t)
	blocks = blocks[:1]
	for k := range blocks[0].Samples {
		blocks[0].Samples[k] = []load.Sample{{Target: 3}, {Target: 3, LastByte: time.Hour}, {Target: 3, LastByte: -1, Class: load.Timeout}}
	}
	out := text(t, func(w *bytes.Buffer) error { return exposition.Hgrm(w, e, blocks, "native") })
	if !strings.Contains(out, "Total count    =            2]") || !strings.Contains(out, "3600") {
		t.Errorf("0 and 1 h:\n%s", out)
	}
}

func BenchmarkOpenMetrics(b *testing.B) {
	r, _, _ := made(b)
	for b.Loop() {
		open(b, r)
	}
}

func BenchmarkHgrm(b *testing.B) {
	_, e, blocks := made(b)
	for b.Loop() {
		if err := exposition.Hgrm(&bytes.Buffer{}, e, blocks, "native"); err != nil {
			b.Fatal(err)
		}
	}
}

// Every design can be printed in every format, and read again.
func TestEveryDesign(t *testing.T) {
	for name, text := range reporttest.Studies() {
		e, blocks := reporttest.Experiment(t, text)
		r, err := report.New(e, experiment.Done, blocks)
		if err != nil {
			t.Fatal(err)
		}
		var medians []float64 // in the order of the lines
		lines := 0
		for k := range r.Series.Blocks {
			for _, s := range r.Series.Treatments {
				at := slices.Index(s.Stood, k)
				if at >= 0 {
					lines++
				}
				if vs := s.Values["p50"]; at >= 0 && at < len(vs) {
					medians = append(medians, vs[at]/1e6)
				}
			}
		}
		out := bench(t, r)
		seen := map[string]bool{}
		results := benchmarks(t, out)
		for _, x := range results {
			seen[x.Name.String()] = true
			if got, ok := x.Value("p50-sec"); ok && len(medians) > 0 {
				if math.Abs(got-medians[0]) > 1e-15 {
					t.Fatalf("%s: %s has the median %v, want %v", name, x.Name, got, medians[0])
				}
				medians = medians[1:]
			}
		}
		if len(medians) > 0 {
			t.Errorf("%s: %d medians are missing", name, len(medians))
		}
		if len(results) != lines || len(seen) != len(r.Treatments) {
			t.Errorf("%s: %d results under %d names; %d treatments stood %d times", name, len(results), len(seen), len(r.Treatments), lines)
		}
		if name == "pairs" { // has all families; reading takes long
			fs := families(t, open(t, r))
			for _, family := range []string{"tare_response_quantile_seconds", "tare_throughput", "tare_throughput_difference"} {
				if f := find(fs, family); f == nil || len(f.Metric) == 0 {
					t.Errorf("%s: no %s", name, family)
				}
			}
		}
		if body, err := exposition.OTLP(r); err != nil || len(body) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		for _, x := range r.Treatments {
			var b bytes.Buffer
			if err := exposition.Hgrm(&b, e, blocks, x.Name); err != nil && x.P50 != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
