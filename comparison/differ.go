package comparison

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// Difference is one thing that two results do not share.
type Difference struct {
	What string `json:"what"`
	Old  string `json:"old"`
	New  string `json:"new"`
	// Breaks: figures of the two are not comparable.
	Breaks bool `json:"breaks"`
}

// traits are what a result was made of, by name.
var traits = []struct {
	what   string
	breaks bool
	of     func(*Result) string
}{
	{"study", false, func(r *Result) string { return r.Plan.Study.Name }},
	{"digest of the plan", false, func(r *Result) string { return r.Plan.Digest }},
	{"workload", true, func(r *Result) string { return partText(&r.Plan.Study.Workload) }},
	{"function", false, func(r *Result) string { return partText(r.Plan.Study.Function) }},
	{"design", true, func(r *Result) string { return r.Plan.Study.Design.Name }},
	{"endpoints", true, func(r *Result) string { return r.endpoints() }},
	{"screening", true, func(r *Result) string { return yesNo(r.screening()) }},
	{"testbed", false, func(r *Result) string { return r.Plan.Study.Testbed }},
	{"treatments that stand at once", false, func(r *Result) string { return fmt.Sprint(len(r.Plan.Arms(0))) }},
	{"warm-up", false, func(r *Result) string { return fmt.Sprint(r.Plan.Study.Design.Warmup) }},
	{"latency phase", false, func(r *Result) string { return r.Plan.Study.Design.Latency.String() }},
	{"margins", false, func(r *Result) string { return jsonText(r.Plan.Study.Margin) }},
	{"enforcement", false, func(r *Result) string { return jsonText(r.Plan.Study.Enforcement) }},
	{"version of tare", false, func(r *Result) string { return r.Program.Version }},
	{"SHA-256 of tare", false, func(r *Result) string { return r.Program.SHA256 }},
}

// hostBreaks are the fields of the environment, as they are in JSON, that make
// figures incomparable; hostPasses are those that say nothing of the host.
var (
	hostBreaks = []string{"cpu", "arch", "cores", "cores_online", "cpu_limit_cores"}
	hostPasses = []string{"load_average"}
)

// loadFactors are those that a treatment may set and whose figures are then of
// another load.
var loadFactors = []string{"arrivals", "connections", "protocol", "rate", "request", "response"}

// differ lists what the two results do not share, those that break first.
func differ(old, now *Result, matches []match) []Difference {
	var ds []Difference
	add := func(what string, breaks bool, a, b string) {
		if a != b {
			ds = append(ds, Difference{what, a, b, breaks})
		}
	}
	for _, t := range traits {
		add(t.what, t.breaks, t.of(old), t.of(now))
	}
	each := func(a, b map[string]string, breaks func(string) bool) {
		for _, k := range sortedKeys(a, b) {
			add(k, breaks(k), orNone(a[k]), orNone(b[k]))
		}
	}
	always, never := func(string) bool { return true }, func(string) bool { return false }
	each(old.load(), now.load(), always)
	each(old.host(), now.host(), func(k string) bool { return slices.Contains(hostBreaks, strings.TrimPrefix(k, "host: ")) })
	each(old.parts(), now.parts(), never)
	for _, m := range matches {
		a, b := old.Plan.Study.Treatments[m.old], now.Plan.Study.Treatments[m.new]
		add("treatment "+b.Name, false, definition(&old.Plan.Study, m.old), definition(&now.Plan.Study, m.new))
		for _, f := range loadFactors {
			x, _ := old.Plan.Study.SettingsOf(m.old).Level(f)
			y, _ := now.Plan.Study.SettingsOf(m.new).Level(f)
			add(f+" of treatment "+b.Name, true, orNone(x), orNone(y))
		}
		add("workload of treatment "+b.Name, false, jsonText(a.Workload), jsonText(b.Workload))
	}
	slices.SortStableFunc(ds, func(a, b Difference) int { return compareBool(b.Breaks, a.Breaks) })
	return ds
}

// breaking are the differences that make two results incomparable.
func breaking(ds []Difference) []Difference {
	return slices.DeleteFunc(slices.Clone(ds), func(d Difference) bool { return !d.Breaks })
}

func (d Difference) String() string { return fmt.Sprintf("%s: %s, now %s", d.What, d.Old, d.New) }

// endpoints are those that the result has by its design. A quantile that lacks
// samples in one of two runs is no other design.
func (r *Result) endpoints() string {
	var names []string
	for _, e := range []experiment.Endpoint{experiment.P50, experiment.CPU, experiment.Throughput} {
		for _, i := range r.treatments() {
			if len(r.own(i, e)) > 0 {
				names = append(names, string(e))
				break
			}
		}
	}
	return orNone(strings.Join(names, ", "))
}

// load is the offered load field by field.
func (r *Result) load() map[string]string {
	return fields("load: ", r.Plan.Study.Load, []string{"lowered", "default_rate"})
}

// host is the environment field by field, as its JSON has it, so that no field
// is forgotten.
func (r *Result) host() map[string]string { return fields("host: ", r.Environment, hostPasses) }

// parts are the programs and components of the apparatus but tare itself.
func (r *Result) parts() map[string]string {
	out := map[string]string{}
	for _, p := range r.Planes {
		out["data plane "+p.Plane] = strings.TrimSpace(p.Version + " " + p.SHA256)
	}
	for _, c := range r.Components {
		out[c.Role+" "+c.Name] = "a part of tare"
		if c.SHA256 != "" {
			out[c.Role+" "+c.Name] = c.SHA256
		}
	}
	return out
}

// definition is a treatment as it differs from its baseline, without its name.
func definition(s *study.Study, i int) string {
	t := s.Treatments[i]
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"control", string(t.Control)}, {"form", string(t.Form)}, {"site", string(t.Site)}, {"baseline", t.Baseline},
		{"data plane", s.PlaneOf(i)}, {"set", emptyJSON(jsonText(t.Set))}, {"against", strings.Join(t.Against, ", ")},
	} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return orNone(strings.Join(parts, ", "))
}

func partText(p *study.Part) string {
	if p == nil {
		return "none"
	}
	params := jsonText(p.Params)
	if params == "null" {
		return p.Name
	}
	return p.Name + " " + params
}

// fields are the fields of a struct's JSON as text.
func fields(prefix string, v any, without []string) map[string]string {
	var values map[string]json.RawMessage
	if err := json.Unmarshal([]byte(jsonText(v)), &values); err != nil {
		return nil
	}
	out := map[string]string{}
	for k, value := range values {
		if !slices.Contains(without, k) {
			out[prefix+k] = string(bytes.Trim(value, `"`))
		}
	}
	return out
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error() // shown as it is: two that cannot be written do not differ silently
	}
	return string(text)
}

func emptyJSON(text string) string {
	if text == "null" || text == "[]" {
		return ""
	}
	return text
}

func sortedKeys(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
