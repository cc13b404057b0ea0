package cli_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestGateCommand(t *testing.T) {
	dir := t.TempDir()
	keep(t, dir,
		keptResult{id: "same", study: "cpu", age: 4 * day}, keptResult{id: "worse", study: "cpu", age: 3 * day, cpu: 12},
		keptResult{id: "unsure", study: "cpu", age: 2 * day, cpu: 3.3}, keptResult{id: "other", study: "cpu", age: day, host: "another CPU"},
		keptResult{id: "better", study: "cpu", cpu: -12})
	runs{
		{"gate", 0, "gate: PASS · better", ""},
		{"gate same", 0, "gate: PASS", ""},
		{"gate worse", 1, "gate: FAIL", "1 of 2 comparisons are material and worse"},
		{"gate unsure", 4, "gate: UNDECIDED", "undecided"},
		{"gate unsure --undecided pass", 0, "gate: UNDECIDED", ""},
		{"gate unsure --undecided fail", 1, "gate: UNDECIDED", "--undecided is fail"},
		{"gate unsure --undecided maybe", 2, "", "want pass or fail"},
		{"gate worse --endpoint p50", 0, "gate: PASS", ""},
		{"gate worse --endpoint cpu --treatment after", 1, "gate: FAIL", ""},
		{"gate worse --treatment nobody", 2, "", `no treatment "nobody"`},
		{"gate worse --endpoint p90", 2, "", "cannot be gated"},
		{"gate worse --endpoint cpu --margin cpu=10%", 0, "judged anew from the same intervals: the margin of cpu is 10 %, the plan's was 1 %", ""},
		{"gate same --endpoint p99", 4, "undecided", "undecided"},
		{"gate worse -o json", 1, `"outcome": "fail"`, ""},
		{"gate nothing", 2, "", "no such experiment"},
		{"gate a b", 2, "", "takes one id"},
		{"gate --own", 2, "", "--own is for a comparison with a --baseline"},
		{"gate --baseline main", 2, "", "no baseline has that name"},
		{"baseline set main same", 0, "", ""},
		{"gate worse --baseline main", 1, "against baseline main (same, 12 blocks)", "material and worse"},
		{"gate better --baseline main", 0, "gate: PASS", ""},
		{"gate worse --baseline main --own --endpoint cpu", 1, "its own figure before", ""},
		{"gate other --baseline main", 2, "", "not comparable"},
		{"gate other --baseline main --force", 0, "FORCED", ""},
		{"gate worse --markdown - -o json", 2, "", "both want standard output"},
		{"gate worse --junit /nowhere/x.xml", 2, "", "--junit"},
	}.in(t, dir)

	place := t.TempDir()
	junit, markdown := filepath.Join(place, "gate.xml"), filepath.Join(place, "gate.md")
	runs{
		{"gate worse --junit " + junit + " --markdown " + markdown, 1, "gate: FAIL", ""},
		{"gate worse --markdown -", 1, "### ❌ gate: FAIL", ""},
	}.in(t, dir)
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suite struct {
			Tests    int        `xml:"tests,attr"`
			Failures int        `xml:"failures,attr"`
			Cases    []struct{} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil || suites.Suite.Tests != 2 || suites.Suite.Failures != 1 || len(suites.Suite.Cases) != 2 {
		t.Errorf("JUnit %+v, %v", suites, err)
	}
	if text, err := os.ReadFile(markdown); err != nil || !strings.HasPrefix(string(text), "### ❌ gate: FAIL") {
		t.Errorf("summary %q, %v", text, err)
	}
}

// The workflows of docs/gate.md are YAML, and what they call is there.
func TestGateWorkflows(t *testing.T) {
	text, err := os.ReadFile("../docs/gate.md")
	if err != nil {
		t.Fatal(err)
	}
	flows := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	commands := 0
	for _, f := range flows {
		var flow struct {
			Name string
			Jobs map[string]struct {
				Steps []struct{ Run string }
			}
		}
		if err := yaml.Unmarshal([]byte(f[1]), &flow); err != nil || flow.Name == "" || len(flow.Jobs) != 1 {
			t.Errorf("a workflow with %d jobs, %v:\n%s", len(flow.Jobs), err, f[1])
		}
		for _, step := range flow.Jobs["gate"].Steps {
			for line := range strings.Lines(step.Run) {
				args, ours := strings.CutPrefix(strings.TrimSpace(line), "tare ")
				if !ours {
					continue
				}
				commands++
				if r := tare(t, t.TempDir(), append(strings.Fields(args), "--help")...); r.code != 0 || !strings.Contains(r.out, "Usage:") {
					t.Errorf("tare %s: exit %d, %s", args, r.code, r.err)
				}
			}
		}
	}
	if len(flows) != 2 || commands < 7 {
		t.Errorf("%d workflows with %d commands of tare", len(flows), commands)
	}
}
