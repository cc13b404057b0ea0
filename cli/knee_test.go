package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// busy is a study whose probes are short: of an objective that bounds errors
// alone a few requests are enough.
const busy = `tare: study/1
name: busy
workload: {name: echo}
load: {rate: 300/s, connections: 4}
treatments:
  - {name: plain, control: direct}
  - {name: more, baseline: plain, workload: {work: 100us}}
design: {blocks: 2, warmup: 50, idle: 50ms, time: 60s}
`

func TestKneeRunsAndKeeps(t *testing.T) {
	dir := t.TempDir()
	own := write(t, strings.Replace(busy, "design: {", "design: {name: knee, objective: errors<50%, probe: 250ms, treatments: [plain], ", 1))
	if plan := tare(t, dir, "plan", own); plan.code != 0 || !strings.Contains(plan.out, "the greatest rate under errors<50% of: plain") {
		t.Errorf("exit %d\n%s%s", plan.code, plan.out, plan.err)
	}
	page := filepath.Join(dir, "knee.html")
	run := tare(t, dir, "knee", own, "-o", "json", "--html", page)
	if run.code != 0 {
		t.Fatalf("exit %d\n%s", run.code, run.err)
	}
	var r struct {
		Knee struct {
			Objective  string
			Treatments []struct {
				Name, Bound string
				Rate, Low   *float64
				Curve       []struct {
					Rate, Served float64
					In           float64 `json:"in_mbps"`
					Out          float64 `json:"out_mbps"`
				}
				Probes []struct{ Result string }
			}
		}
	}
	if err := json.Unmarshal([]byte(run.out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Knee.Objective != "errors<50%" || len(r.Knee.Treatments) != 1 {
		t.Fatalf("%+v", r.Knee)
	}
	k := r.Knee.Treatments[0]
	if k.Name != "plain" || k.Rate == nil || *k.Rate < 300 || len(k.Probes) != 8 || len(k.Curve) == 0 || k.Curve[0].In <= k.Curve[0].Out || k.Curve[0].Out <= 0 {
		t.Errorf("%+v", k)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<title id=\"knee-t\">") {
		t.Errorf("no picture of the knee: %v", err)
	}
	for _, args := range [][]string{{"report", "last"}, {"show", "last"}} {
		if shown := tare(t, dir, args...); shown.code != 0 || !strings.Contains(shown.out, "plain keeps errors<50%") {
			t.Errorf("%v: exit %d\n%s%s", args, shown.code, shown.out, shown.err)
		}
	}
}

func TestKneeRefuses(t *testing.T) {
	dir := t.TempDir()
	file := write(t, busy)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no objective":      {[]string{file}, "names no objective: give --objective"},
		"broken objective":  {[]string{file, "--objective", "p99<5"}, `--objective: objective "p99<5": condition "p99<5": 5 has no unit`},
		"unknown treatment": {[]string{file, "--objective", "p50<5ms", "--treatments", "plain,nobody"}, `no treatment is named "nobody" (known: plain, more)`},
		"twice":             {[]string{file, "--objective", "p50<5ms", "--treatments", "plain,plain"}, "listed twice"},
		"broken rate":       {[]string{file, "--objective", "p50<5ms", "--rate", "500"}, "--rate: rate \"500\" has no unit"},
		"quick and time":    {[]string{file, "--objective", "p50<5ms", "--quick", "--time", "5m"}, "--quick and --time both say how long"},
		"no time":           {[]string{file, "--objective", "p99<5ms", "--time", "20s"}, "two blocks of probes"},
		"no file":           {nil, "takes one study file"},
		"two formats":       {[]string{file, "--objective", "p50<5ms", "-o", "xml"}, "unknown output format"},
	} {
		got := tare(t, dir, append([]string{"knee"}, c.args...)...)
		if got.code != 2 || !strings.Contains(got.err, c.want) || got.out != "" {
			t.Errorf("%s: exit %d, %q; want 2 and %q", name, got.code, got.err, c.want)
		}
	}
}
