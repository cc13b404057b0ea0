package report_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
)

// counted is a report whose processes retired 500 instructions per request in
// each of two sidecars and 500 in the service, beside 1e6 a second when idle.
func counted(t *testing.T, how experiment.Counting) *report.Report {
	t.Helper()
	e, bs := made(t, 12, func(_ int, b *experiment.Block) {
		b.Counting = how
		for i, ph := range b.Phases {
			requests := map[uint16]int{}
			for _, s := range b.Samples[i] {
				requests[s.Target]++
			}
			for k := range ph.Parts { // a second sidecar of each
				if p := ph.Parts[k]; p.Role == "proxy" {
					p.CPU = 0
					ph.Parts = append(ph.Parts, p)
				}
			}
			b.Phases[i].Parts = ph.Parts
			for k := range ph.Parts {
				p := &ph.Parts[k]
				per := map[string]int{"proxy": 500, "service": 500}[p.Role]
				n := uint64(requests[uint16(p.Treatment)]*per) + uint64(1e6*ph.Wall.Seconds())
				if how.Not == "" {
					p.Instructions = &n
				}
			}
		}
	})
	e.Environment.NUMA = []measure.NUMANode{{Node: 0, CPUs: "0-1"}}
	e.Environment.Governor, e.Environment.Cgroup, e.Environment.CPULimit = "powersave", "v2", 1.5
	e.Program.SHA256 = strings.Repeat("ab", 32)
	e.Planes = []dataplane.Program{{Plane: "envoy", Version: "1.40.0", Path: "/opt/envoy", SHA256: strings.Repeat("cd", 32)}, {Plane: "embedded", Version: "v1"}}
	e.Components = []experiment.Component{{Role: "generator", Name: "openloop"}, {Role: "workload", Name: "imagehub"}, {Role: "module", Name: "ratelimit", SHA256: strings.Repeat("ef", 32)}}
	r, err := report.New(e, experiment.Done, bs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// All parts are named with version and digest, and the host with what limits it.
func TestMadeWithIsSaid(t *testing.T) {
	r := counted(t, experiment.Counting{UserOnly: true})
	text, json := both(t, r)
	html := page(t, r)
	for _, c := range []struct{ text, html, json string }{
		{"tare: v1, SHA-256 abababababab, with generator openloop, workload imagehub\n", strings.Repeat("ab", 32), `"components"`},
		{"envoy: 1.40.0, /opt/envoy, SHA-256 cdcdcdcdcdcd\n", strings.Repeat("cd", 32), strings.Repeat("cd", 32)},
		{"embedded: v1, a part of tare\n", "v1, a part of tare", `"embedded"`},
		{"module ratelimit: SHA-256 efefefefefef\n", strings.Repeat("ef", 32), strings.Repeat("ef", 32)},
		{"NUMA node 0: CPU 0-1; governor powersave; control groups v2, at most 1.50 cores", "<dt>Host: governor</dt><dd>powersave</dd>", `"numa"`},
		{"Instructions: of user mode alone", "Instructions: of user mode alone", `"instructions_per_request": `},
	} {
		if !strings.Contains(text, c.text) || !strings.Contains(html, c.html) || !strings.Contains(json, c.json) {
			t.Errorf("%q in the text: %v, %q in the page: %v, %q in the JSON: %v", c.text, strings.Contains(text, c.text), c.html, strings.Contains(html, c.html), c.json, strings.Contains(json, c.json))
		}
	}
}

func TestInstructionsAreGivenOrTheReason(t *testing.T) {
	r := counted(t, experiment.Counting{})
	for _, row := range r.InstructionRows()[1:] {
		if got := strings.Join(row[1:], " "); got != "1000 500 1500" {
			t.Errorf("%s: %s, want 1000 500 1500", row[0], got)
		}
	}
	if text, _ := both(t, r); !strings.Contains(text, "of user and kernel mode") || !strings.Contains(page(t, r), "Instructions per request") {
		t.Error("the figures are not printed")
	}
	r = counted(t, experiment.Counting{Not: "not counted: this host has no such counter"})
	text, json := both(t, r)
	if r.InstructionRows() != nil || strings.Contains(json, "instructions_per_request") || !strings.Contains(text, "Instructions: not counted: this host has no such counter\n") {
		t.Errorf("without a counter: %v\n%s", r.InstructionRows(), text)
	}
	if html := page(t, r); strings.Contains(html, "<h3>Instructions per request") || !strings.Contains(html, "Instructions: not counted: this host") {
		t.Error("the page does not say that nothing was counted")
	}
	r = whole(t, 12) // of before
	if text, _ := both(t, r); strings.Contains(text, "Instructions") {
		t.Error("instructions in a result of before they were counted")
	}
}
