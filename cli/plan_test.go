package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// Everything that is known before a run is printed before it, for every design.
func TestPlanPrintsDesigns(t *testing.T) {
	for _, c := range []struct {
		file string
		want []string
	}{
		{"factors-2x4", []string{
			"33 blocks, about 4:38, seed 7500022074349634, digest ",
			"design factorial; intervals at 96 %; stops when every primary half-width is at most half its margin (looks after 10, 12, … 32 blocks), or the time is spent\n",
			"minimum detectable effect: 0.73 standard deviations of the block differences (33 blocks, 20 primary comparisons, four times in five)",
			"  router                        a step only: control router\n",
			"  c16-resp16kib-wasm-log        control noop, as wasm at the server, connections 16, response 16KiB, access-log on, on top of router\n",
			"  c2-resp1kib-nofilter-nolog-aa control aa, on top of c2-resp1kib-nofilter-nolog\n",
			"factor access-log: off, on\n", "16 of 16 combinations, and an A/A copy of the first\n",
		}},
		{"factors-fraction", []string{
			"design fraction;", "16 of 32 combinations, and an A/A copy of the first\n",
			"resolution V; what cannot be told apart:\n",
			"  connections = request×response×filter×access-log\n",
			"  filter×access-log = connections×request×response\n",
		}},
		{"factors-sweep", []string{"design sweep;", "  connections-64       connections 64, response 1KiB, chain 0, workers 1, on top of router, against centre\n", "8 of 54 combinations"}},
		{"windows", []string{"design windows;", " · latency 1.5s at 500/s · latency 1.5s at 500/s · latency 1.5s at 500/s"}},
	} {
		r := tare(t, t.TempDir(), "plan", "../examples/"+c.file+".yaml")
		if r.code != 0 || r.err != "" {
			t.Errorf("%s: exit %d, %s", c.file, r.code, r.err)
		}
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: no %q in\n%s", c.file, want, r.out)
			}
		}
	}
}

// plannedJSON is what tare plan -o json prints, as far as the tests look.
type plannedJSON struct {
	Plan   study.Plan
	Design struct {
		Cells, Resolution, Primary int
		Aliases                    []struct {
			Effect  string
			Aliases []string
		}
		Looks      []int
		Detectable float64 `json:"minimum_detectable_sd"`
	}
	Outlook *experiment.Outlook
}

func TestPlanAsJSON(t *testing.T) {
	r := tare(t, t.TempDir(), "plan", "../examples/factors-fraction.yaml", "-o", "json")
	var p plannedJSON
	if err := json.Unmarshal([]byte(r.out), &p); err != nil || r.code != 0 {
		t.Fatalf("exit %d, %v, %s", r.code, err, r.err)
	}
	d := p.Design
	if d.Cells != 16 || d.Resolution != 5 || d.Primary != 30 || len(d.Aliases) != 15 || len(d.Looks) != 13 || d.Looks[0] != 10 || !(d.Detectable > 0.5 && d.Detectable < 1) || p.Outlook != nil {
		t.Errorf("%+v", d)
	}
	if len(p.Plan.Study.Combinations()) != 16 || d.Aliases[14].Effect != "filter×access-log" || d.Aliases[14].Aliases[0] != "connections×request×response" {
		t.Errorf("%+v", d.Aliases)
	}
}

const brief = `tare: study/1
name: brief
workload: {name: echo}
load: {rate: 400/s}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: more, baseline: plain, workload: {work: 200us}}
margin: {p50: 30ns, cpu: 500us}
design: {time: 12s, warmup: 50, idle: 50ms, latency: 600ms, control_every: -1}
`

// A pilot is run on real processes, and what it says can be had from a result
// of the same study too. A margin that the study states and cannot keep is
// refused with what would help, but for a screening.
func TestPlanLooksAhead(t *testing.T) {
	dir := t.TempDir()
	file := write(t, brief)
	r := tare(t, dir, "plan", file, "--pilot", "--precision", "1us")
	if r.code != 2 || !strings.Contains(r.err, "pilot: 6 blocks, about 0:") || !strings.Contains(r.err, "the margin of more − plain by p50, ± 0.03 µs, is out of reach") || !strings.Contains(r.err, "state a margin of ") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
	for _, want := range []string{"by a pilot of ", "  more − plain by p50: sd ", "; the margin is 0.03; ", " for ± 1 µs (", "  A/A of plain by cpu: sd ", "REFUSED: the margin of "} {
		if !strings.Contains(r.out, want) {
			t.Errorf("no %q in\n%s", want, r.out)
		}
	}
	if list := tare(t, dir, "list"); strings.Contains(list.out, "brief") {
		t.Errorf("the pilot is kept: %s", list.out)
	}
	if run := tare(t, dir, "run", file, "--quick"); run.code != 0 {
		t.Fatalf("a screening is refused: %s", run.err)
	}
	r = tare(t, dir, "plan", file, "--from", "last", "-o", "json")
	var p plannedJSON
	if err := json.Unmarshal([]byte(r.out), &p); err != nil || r.code != 2 || p.Outlook == nil {
		t.Fatalf("exit %d, %v, %s", r.code, err, r.err)
	}
	if o := p.Outlook; !strings.HasPrefix(o.From, "result ") || o.Blocks < 4 || len(o.Prospects) != 2 || len(o.Gates) != 2 || len(o.Refused) != 2 {
		t.Errorf("%+v", o)
	}
	if r := tare(t, dir, "plan", file, "--from", "last", "--quick"); r.code != 0 || !strings.Contains(r.out, "SCREENING") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
	for _, c := range []struct{ args, want string }{
		{"--pilot --from last", "give one of them"},
		{"--precision 1us", "add --pilot, or --from ID"},
		{"--pilot --precision -1us", "want a time above 0"},
		{"--from nothing", "nothing"},
	} {
		if r := tare(t, dir, append([]string{"plan", file}, strings.Fields(c.args)...)...); r.code != 2 || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit %d, %s", c.args, r.code, r.err)
		}
	}
	other := write(t, strings.Replace(brief, "name: more", "name: less", 1))
	if r := tare(t, dir, "plan", other, "--from", "last"); r.code != 2 || !strings.Contains(r.err, "take one of this study, or --pilot") {
		t.Errorf("another study: exit %d, %s", r.code, r.err)
	}
}
