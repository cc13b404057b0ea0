package smp_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	spec "github.com/layer5io/service-mesh-performance/spec"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/reporttest"
	"github.com/taremesh/tare/smp"
	"github.com/taremesh/tare/study"
)

// measured is the study of most tests.
const measured = reporttest.Study

var experimentOf = reporttest.Experiment

func exported(t testing.TB, text string) (*smp.File, *report.Report, []experiment.Block) {
	t.Helper()
	e, blocks := experimentOf(t, text)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		t.Fatal(err)
	}
	f, err := smp.Export(r, e, blocks, "weighed.json")
	if err != nil {
		t.Fatal(err)
	}
	return f, r, blocks
}

func TestExportGolden(t *testing.T) {
	f, _, _ := exported(t, measured)
	golden.Check(t, "export.yaml.golden", written(t, f, smp.YAML))
	golden.Check(t, "export.json.golden", written(t, f, smp.JSON))
}

// What is written is read back by the official types' own reader, strictly,
// and by ours: the same messages.
func TestExportRoundTrip(t *testing.T) {
	f, _, _ := exported(t, measured)
	holdRoundTrip(t, f)
	fromYAML, err := yaml.YAMLToJSON(written(t, f, smp.YAML))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"json": written(t, f, smp.JSON), "yaml": fromYAML} {
		var doc struct {
			Test         json.RawMessage
			MeshConfigs  []json.RawMessage `json:"mesh_configs"`
			Environments []json.RawMessage
			Results      []json.RawMessage
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		holdOfficial(t, name, doc.Test, f.Test, &spec.PerformanceTestConfig{})
		for i, m := range f.MeshConfigs {
			holdOfficial(t, name, doc.MeshConfigs[i], m, &spec.ServiceMeshConfig{})
		}
		for i, m := range f.Environments {
			holdOfficial(t, name, doc.Environments[i], m, &spec.EnvironmentConfig{})
		}
		for i, m := range f.Results {
			holdOfficial(t, name, doc.Results[i], m, &spec.PerformanceTestResult{})
		}
		if len(doc.Results) != 4 || len(doc.MeshConfigs) != 3 || len(doc.Environments) != 1 {
			t.Errorf("%s has %d results, %d configurations, %d environments", name, len(doc.Results), len(doc.MeshConfigs), len(doc.Environments))
		}
	}
}

func holdOfficial(t *testing.T, name string, text []byte, want, into proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal(text, into); err != nil {
		t.Errorf("%s: %v\n%s", name, err, text)
	} else if !proto.Equal(want, into) {
		t.Errorf("%s: read %v, want %v", name, into, want)
	}
}

// The figures are those of the samples, in milliseconds.
func TestExportFigures(t *testing.T) {
	f, r, blocks := exported(t, measured)
	var least, most, sum time.Duration
	n, bad := 0, 0
	for _, b := range blocks {
		for k, ph := range b.Phases {
			for _, s := range b.Samples[k] {
				if ph.Phase.Kind != study.Latency || s.Target != 3 {
					continue
				}
				if d := s.Response(); n == 0 || d < least {
					least = d
				}
				most, sum, n = max(most, s.Response()), sum+s.Response(), n+1
				if s.Class != load.OK {
					bad++
				}
			}
		}
	}
	got := f.Results[3]
	want := &spec.PerformanceTestResult_Latency{Min: ms(least), Max: ms(most), Average: ms(sum) / float64(n), P50: *r.Treatments[3].P50 / 1000, P90: *r.Treatments[3].P90 / 1000}
	if !proto.Equal(want, got.LatenciesMs) {
		t.Errorf("latencies %v, want %v", got.LatenciesMs, want)
	}
	if want := float64(n) / 50; got.ActualQps != want { // 10 blocks of 5 s
		t.Errorf("%v requests/s, want %v", got.ActualQps, want)
	}
	if bad == 0 {
		t.Fatal("the fixture has no errors")
	}
	for name, want := range map[string]string{"requests": text(n), "errors": text(bad), "outcome.server-error": text(bad), "blocks": "10",
		"mesh": "local", "dataplane": "envoy", "baseline": "router", "form": "native", "latency_unit": "ms"} {
		if got.Labels[name] != want {
			t.Errorf("label %s is %q, want %q", name, got.Labels[name], want)
		}
	}
	if l := f.Results[0].Labels["mesh"]; l != "none" || f.Results[0].MeshConfigId != "" {
		t.Errorf("direct has the mesh %q and the configuration %q", l, f.Results[0].MeshConfigId)
	}
	if got.LatenciesMs.P99 != 0 || got.Labels["not_given.p99"] == "" {
		t.Errorf("p99 of too few samples: %v, because %q", got.LatenciesMs.P99, got.Labels["not_given.p99"])
	}
	if d := got.Labels["difference.p50.router"]; !strings.Contains(d, "[") || !strings.HasSuffix(d, "worse") {
		t.Errorf("the difference is given as %q", d)
	}
	if got.DetailsUri != "weighed.json#/treatments/3" {
		t.Errorf("details are at %q", got.DetailsUri)
	}
	sidecar := f.MeshConfigs[2].Sidecar // 30 µs of 60 for each of 250 requests/s: 7.5 thousandths of a core
	if sidecar.CpuMcores < 7 || sidecar.CpuMcores > 8 || sidecar.MemMb != 30 || sidecar.Rps != 250 {
		t.Errorf("the sidecar is %v", sidecar)
	}
}

// What a void block gave does not count.
func TestExportLeavesVoidsOut(t *testing.T) {
	e, blocks := experimentOf(t, measured)
	blocks[9].Void = "the proxy died"
	r, err := report.New(e, experiment.Running, blocks)
	if err != nil {
		t.Fatal(err)
	}
	f, err := smp.Export(r, e, blocks, "d")
	if err != nil {
		t.Fatal(err)
	}
	without, err := smp.Export(r, e, blocks[:9], "d")
	if err != nil {
		t.Fatal(err)
	}
	if !f.Equal(without) || f.Results[0].Labels["blocks"] != "9" || f.Results[0].Labels["blocks_void"] != "1" {
		t.Errorf("with a void block: %v", f.Results[0])
	}
}

// Our own results say their unit: they can be taken in though they are below 1 ms.
func TestExportIsTakenIn(t *testing.T) {
	f, _, _ := exported(t, measured)
	again := read(t, "export", written(t, f, smp.YAML))
	if err := again.Settle(""); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff(f.Results[1].LatenciesMs.P50, again.Results[1].LatenciesMs.P50); d != "" {
		t.Error(d)
	}
}

// A study that was made of a test gives its test's name, id, labels and mesh back.
func TestExportOfImported(t *testing.T) {
	const block = "smp:\n  test: {id: \"17\", name: Theirs, labels: {team: shop}, clients: [{endpoint_urls: [\"http://a/\"]}]}\n  mesh: {type: 3}\n"
	f, _, _ := exported(t, measured+block)
	if f.Test.Name != "Theirs" || f.Test.Labels["smp_id"] != "17" || f.Test.Labels["smp_label.team"] != "shop" || f.Mesh.GetType() != spec.ServiceMesh_ISTIO {
		t.Errorf("test %v, mesh %v", f.Test, f.Mesh)
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

func text(n int) string { b, _ := json.Marshal(n); return string(b) }

func BenchmarkExport(b *testing.B) {
	e, blocks := experimentOf(b, measured)
	r, err := report.New(e, experiment.Done, blocks)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := smp.Export(r, e, blocks, "d"); err != nil {
			b.Fatal(err)
		}
	}
}

// Results of every design are written and read again.
func TestExportOfEveryDesign(t *testing.T) {
	for name, study := range reporttest.Studies() {
		f, r, _ := exported(t, study)
		holdRoundTrip(t, f)
		if len(f.Results) != len(r.Treatments) || len(f.Test.Clients) != len(r.Treatments) {
			t.Errorf("%s: %d results and %d clients for %d treatments", name, len(f.Results), len(f.Test.Clients), len(r.Treatments))
		}
		for i, x := range r.Treatments {
			got, client := f.Results[i], f.Test.Clients[i]
			if x.P50 != nil && got.LatenciesMs.GetP50() != *x.P50/1000 {
				t.Errorf("%s, %s: p50 %v ms of %v µs", name, x.Name, got.LatenciesMs.GetP50(), *x.P50)
			}
			closed := x.Level != nil && *x.Level == "closed"
			if closed != (client.Rps == 0) || closed && got.ActualQps != *x.Throughput {
				t.Errorf("%s, %s: offered %d/s, answered %v/s", name, x.Name, client.Rps, got.ActualQps)
			}
			if n, ok := x.Set["connections"]; ok && n != text(int(client.Connections)) {
				t.Errorf("%s, %s: %d connections, want %s", name, x.Name, client.Connections, n)
			}
		}
	}
}
