package smp

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	spec "github.com/layer5io/service-mesh-performance/spec"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// Version is that of the specification whose messages are written.
const Version = "v0.3.4"

// Export gives the answer of an experiment as the official messages: a result
// for each treatment, the configuration of each one's mesh, the test and the
// environment. What no message has a field for stands in labels, and whole in
// the report, which details names: a URI of its JSON.
func Export(r *report.Report, e experiment.Experiment, blocks []experiment.Block, details string) (*File, error) {
	x := exporter{report: r, experiment: e, study: &e.Plan.Study, details: details, tallies: tally(e, blocks)}
	f := &File{Environments: []*spec.EnvironmentConfig{x.environment()}}
	given, err := FromStudy(x.study)
	if err != nil {
		return nil, err
	}
	f.Test = x.test(given)
	if given != nil {
		f.Mesh = given.Mesh
	}
	for i, t := range r.Treatments {
		f.Results = append(f.Results, x.result(i, t))
		if t.DataPlane != nil {
			f.MeshConfigs = append(f.MeshConfigs, x.meshConfig(t))
		}
	}
	return f, nil
}

type exporter struct {
	report     *report.Report
	experiment experiment.Experiment
	study      *study.Study
	details    string
	tallies    []tallied // by treatment of the plan
}

// tallied is what the latency phases of the blocks that count gave one treatment.
type tallied struct {
	min, max, sum    time.Duration
	answered, errors int
	wall             time.Duration
	classes          map[string]int
}

func tally(e experiment.Experiment, blocks []experiment.Block) []tallied {
	out := make([]tallied, len(e.Plan.Study.Treatments))
	for _, b := range blocks {
		if b.Void != "" {
			continue
		}
		for k, ph := range b.Phases {
			if ph.Phase.Kind != study.Latency {
				continue
			}
			stood := map[int]bool{}
			for _, s := range b.Samples[k] {
				i := int(s.Target)
				if i >= len(out) {
					continue
				}
				stood[i] = true
				out[i].add(s.Response(), s.LastByte >= 0, s.Class.String())
			}
			for i := range stood {
				out[i].wall += ph.Wall
			}
		}
	}
	return out
}

func (t *tallied) add(response time.Duration, answered bool, class string) {
	if t.classes == nil {
		t.classes = map[string]int{}
	}
	t.classes[class]++
	if class != "ok" {
		t.errors++
	}
	if !answered {
		return
	}
	if t.answered == 0 || response < t.min {
		t.min = response
	}
	t.max = max(t.max, response)
	t.sum += response
	t.answered++
}

// perSecond is how many requests were answered per second of latency phases.
func (t tallied) perSecond() float64 {
	if t.wall <= 0 {
		return 0
	}
	return float64(t.answered) / t.wall.Seconds()
}

// The ids of messages, each of its experiment.
func (x exporter) testID() string                   { return x.report.ID }
func (x exporter) environmentID() string            { return x.report.ID + "/environment" }
func (x exporter) resultID(treatment string) string { return x.report.ID + "/" + treatment }
func (x exporter) meshID(treatment string) string   { return x.report.ID + "/" + treatment + "/mesh" }

// test is what was offered: a client for each treatment, in the order of the
// results, since each has its own connections and its own rate. Where the
// treatments listen is a port of the moment, and no endpoint is named.
func (x exporter) test(given *File) *spec.PerformanceTestConfig {
	r := x.report
	t := &spec.PerformanceTestConfig{SmpVersion: Version, Id: x.testID(), Name: r.Study, Labels: map[string]string{
		"study_digest": r.Digest, "seed": strconv.FormatUint(r.Seed, 10), "workload": x.study.Workload.Name,
		"design": x.study.Design.Name, "arrivals": x.study.Load.Arrivals, "testbed": x.study.Testbed,
		"endpoints": "on loopback, a port of its own for each treatment in each block",
	}}
	setLabel(t.Labels, "question", r.Question)
	if f := x.study.Function; f != nil {
		t.Labels["function"] = f.Name
	}
	if given != nil && given.Test != nil {
		t.Name = given.Test.Name
		setLabel(t.Labels, "smp_id", given.Test.Id)
		for k, v := range given.Test.Labels {
			t.Labels["smp_label."+k] = v
		}
	}
	for _, tr := range r.Treatments {
		t.Clients = append(t.Clients, &spec.PerformanceTestConfig_Client{
			LoadGenerator: x.study.Load.Generator, Protocol: spec.PerformanceTestConfig_Client_PROTOCOL_HTTP,
			Connections: int32(x.connections(tr)), Rps: int64(math.Round(x.rate(tr))),
		})
	}
	if d := x.underLoad(); d > 0 {
		t.Duration = d.String()
	}
	return t
}

func setLabel(labels map[string]string, name, value string) {
	if value != "" {
		labels[name] = value
	}
}

func (x exporter) connections(t report.Treatment) int {
	if n, err := strconv.Atoi(t.Set["connections"]); err == nil {
		return n
	}
	return x.study.Load.Connections
}

// rate is what a treatment was offered, in requests/s; 0 is a closed loop, as
// in SMP.
func (x exporter) rate(t report.Treatment) float64 {
	text := t.Set["rate"]
	if text == "" && t.Level != nil {
		text = *t.Level
	}
	var l study.Level
	if text == "" || l.UnmarshalText([]byte(text)) != nil {
		return x.report.Rate
	}
	return float64(l.Rate)
}

// underLoad is the longest time that any treatment had latency phases.
func (x exporter) underLoad() time.Duration {
	var longest time.Duration
	for _, t := range x.tallies {
		longest = max(longest, t.wall)
	}
	return longest.Round(time.Millisecond)
}

func (x exporter) result(i int, t report.Treatment) *spec.PerformanceTestResult {
	r := x.report
	tally := x.tallies[x.study.Index(t.Name)]
	out := &spec.PerformanceTestResult{
		SmpVersion: Version, Id: x.resultID(t.Name), Labels: x.labels(t, tally),
		StartTime: timestamppb.New(r.Started), EndTime: timestamppb.New(x.end()),
		DetailsUri: fmt.Sprintf("%s#/treatments/%d", x.details, i), TestId: x.testID(), EnvId: x.environmentID(),
	}
	if tally.answered > 0 {
		out.LatenciesMs = &spec.PerformanceTestResult_Latency{
			Min: millis(tally.min), Max: millis(tally.max), Average: millis(tally.sum) / float64(tally.answered),
			P50: orZero(t.P50) / 1e3, P90: orZero(t.P90) / 1e3, P99: orZero(t.P99) / 1e3,
		}
		out.ActualQps = tally.perSecond()
	}
	if t.Throughput != nil {
		out.ActualQps = *t.Throughput
	}
	if t.DataPlane != nil {
		out.MeshConfigId = x.meshID(t.Name)
	}
	return out
}

// end is when the last block ended, as the report's series has it.
func (x exporter) end() time.Time {
	end := x.report.Started
	if x.report.Series == nil {
		return end
	}
	for _, b := range x.report.Series.Blocks {
		at := x.report.Started.Add(time.Duration((b.Started + b.Took) * float64(time.Second)))
		if at.After(end) {
			end = at
		}
	}
	return end
}

// labels are what a result has no field for.
func (x exporter) labels(t report.Treatment, tally tallied) map[string]string {
	r := x.report
	l := map[string]string{
		unitLabel: string(Milliseconds), "quantiles": "medians over blocks; min, average and max over all requests",
		"treatment": t.Name, "requests": strconv.Itoa(tally.answered), "errors": strconv.Itoa(tally.errors),
		"blocks": strconv.Itoa(t.Blocks), "blocks_void": strconv.Itoa(r.Voids), "screening": strconv.FormatBool(r.Screening),
		"state": r.State, "generator": x.study.Load.Generator + " of tare " + r.Program.Version, "mesh": "none",
		"rate_per_s": trimmed(x.rate(t)), "cores": strconv.Itoa(r.Environment.Cores),
	}
	for name, v := range map[string]*string{"baseline": t.Baseline, "form": t.Form, "site": t.Site, "control": t.Control, "dataplane": t.DataPlane, "level": t.Level} {
		if v != nil {
			l[name] = *v
		}
	}
	if t.DataPlane != nil {
		l["mesh"] = x.study.Testbed
	}
	for name, v := range t.Set {
		l["set."+name] = v
	}
	for class, n := range tally.classes {
		l["outcome."+class] = strconv.Itoa(n)
	}
	for name, v := range map[string]*float64{"cpu_us_per_request": t.CPU, "private_mb": t.PrivateMB, "throughput_per_s": t.Throughput} {
		if v != nil {
			l[name] = trimmed(*v)
		}
	}
	for endpoint, why := range t.Why {
		l["not_given."+endpoint] = why
	}
	maps.Copy(l, x.comparisons(t))
	return l
}

// comparisons are the treatment's, with interval and verdict.
func (x exporter) comparisons(t report.Treatment) map[string]string {
	out := map[string]string{}
	for _, c := range x.report.Comparisons {
		if c.Treatment != t.Name {
			continue
		}
		words := []string{trimmed(c.Estimate), "[" + trimmed(c.Low) + ", " + trimmed(c.High) + "]", c.Unit, "margin", trimmed(c.Margin), c.Verdict}
		if c.Direction != nil {
			words = append(words, *c.Direction)
		}
		out["difference."+c.Endpoint+"."+c.Baseline] = strings.Join(words, " ")
	}
	return out
}

// meshConfig is the proxy that a treatment stood behind.
func (x exporter) meshConfig(t report.Treatment) *spec.ServiceMeshConfig {
	c := &spec.ServiceMeshConfig{
		SmpVersion: Version, Id: x.meshID(t.Name), Labels: map[string]string{"dataplane": *t.DataPlane, "testbed": x.study.Testbed},
		ProxyConcurrency: x.workers(t), Profile: t.Name,
		ApplicationMetadata: &spec.ApplicationMetadata{ApplicationName: x.study.Workload.Name, ApplicationProtocol: spec.ApplicationMetadata_PROTOCOL_HTTP},
	}
	for _, p := range x.report.Planes {
		switch p.Plane {
		case *t.DataPlane:
			c.ProxyBuild = strings.TrimSpace(p.Plane + " " + p.Version)
			setLabel(c.Labels, "proxy_sha256", p.SHA256)
		case consulBed:
			c.MeshBuild = p.Version
			setLabel(c.Labels, "mesh_sha256", p.SHA256)
		}
	}
	if x.study.Testbed == consulBed {
		c.MtlsEnabled = true
		c.MeshType = &spec.ServiceMesh{Type: spec.ServiceMesh_CONSUL, Version: c.MeshBuild}
	}
	for _, u := range t.Parts {
		if u.Role == "proxy" {
			c.Sidecar = &spec.ServiceMeshConfig_Sidecar{Count: x.proxies(), CpuMcores: x.mcores(t, u), MemMb: whole(u.RSSMB), Rps: whole(x.rate(t))}
		}
	}
	return c
}

// consulBed is the testbed whose treatments stand on Consul, with two sidecars
// and mutual TLS between them.
const consulBed = "consul"

// proxies is how many stand in front of a treatment that has any.
func (x exporter) proxies() int32 {
	if x.study.Testbed == consulBed {
		return 2
	}
	return 1
}

// workers is how many threads carry requests in each of them.
func (x exporter) workers(t report.Treatment) int32 {
	if n, err := strconv.ParseInt(t.Set["workers"], 10, 32); err == nil {
		return int32(n)
	}
	return 1
}

// mcores is what a process used under the latency phases' load.
func (x exporter) mcores(t report.Treatment, u experiment.Usage) int32 {
	tally := x.tallies[x.study.Index(t.Name)]
	return whole(1000 * max(0, u.PerRequest*tally.perSecond()/1e6+u.IdleCores))
}

// environment is the host, and the services that ran on it.
func (x exporter) environment() *spec.EnvironmentConfig {
	r := x.report
	e := &spec.EnvironmentConfig{SmpVersion: Version, Id: x.environmentID(), Labels: x.facts(),
		Nodes: []*spec.EnvironmentConfig_Node{{Type: r.Environment.CPU, Cores: int32(r.Environment.Cores), MemMb: int64(r.Environment.Memory / 1e6)}}}
	for _, t := range r.Treatments {
		for _, u := range t.Parts {
			if u.Role == "service" {
				e.IndividualWorkloads = append(e.IndividualWorkloads, &spec.EnvironmentConfig_IndividualWorkload{
					Name: t.Name, Count: 1, CpuMcores: x.mcores(t, u), MemMb: whole(u.RSSMB)})
			}
		}
	}
	return e
}

// facts are the environment's other fields, under the names that they have in
// the report, and the programs.
func (x exporter) facts() map[string]string {
	out := map[string]string{"tare": x.report.Program.Version}
	setLabel(out, "tare_sha256", x.report.Program.SHA256)
	text, err := json.Marshal(x.report.Environment)
	if err != nil {
		return out // cannot be: it holds texts and finite numbers
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return out
	}
	for name, v := range given {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		setLabel(out, name, s)
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func orZero(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// whole rounds to the integers that the messages have.
func whole(x float64) int32 {
	return int32(math.Round(min(max(x, 0), math.MaxInt32)))
}

// trimmed writes a figure to a nanosecond where it is in microseconds.
func trimmed(x float64) string {
	return strconv.FormatFloat(math.Round(x*1e3)/1e3, 'f', -1, 64)
}
