package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shownReport is the part of the JSON that the tests look at.
type shownReport struct {
	Treatments []struct {
		Name, Control string
		Form          *string
		DataPlane     *string `json:"dataplane"`
		Requests      int
		P50           *float64 `json:"p50_us"`
		P99           *float64 `json:"p99_us"`
		CPU           *float64 `json:"cpu_us_per_request"`
		Why           map[string]string
		Private       *float64 `json:"private_mb"`
	}
	Comparisons []struct {
		Treatment, Baseline, Endpoint string
		Estimate, Low, High           float64
		Unit, Verdict                 string
		Primary                       bool
	}
	AA []struct {
		Treatment, Baseline string
		P50                 struct{ Estimate, Low, High, Margin float64 }
	}
	Environment struct {
		Idle    string `json:"idle_cores"`
		Ballast uint64 `json:"ballast_bytes"`
	}
	Blocks, Voids int
	Seed          uint64
	Digest        string
	Warnings      []string
	Journal       []struct {
		Block            int
		ID, Started, Sha string `json:"-"`
		SHA256           string `json:"sha256"`
		BlockID          string `json:"id"`
		BlockStarted     string `json:"started"`
	}
}

func decode(t *testing.T, text string) shownReport {
	t.Helper()
	var r shownReport
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("not the JSON of a report: %v\n%s", err, text)
	}
	return r
}

func TestRunWeighsAndKeeps(t *testing.T) {
	dir := t.TempDir()
	run := tare(t, dir, "run", write(t, tiny), "-o", "json")
	if run.code != 0 {
		t.Fatalf("exit %d\n%s", run.code, run.err)
	}
	r := decode(t, run.out)
	if r.Blocks != 3 || len(r.Treatments) != 3 {
		t.Fatalf("%d blocks, %d treatments", r.Blocks, len(r.Treatments))
	}
	plain, more := r.Treatments[0], r.Treatments[2]
	if plain.P50 == nil || more.P50 == nil || *more.P50 < *plain.P50+900 {
		t.Errorf("1 ms of busy work is not in the p50: %v, %v", plain.P50, more.P50)
	}
	if plain.CPU == nil || more.CPU == nil || *more.CPU < *plain.CPU+900 {
		t.Errorf("1 ms of busy work is not in the CPU time: %v, %v", plain.CPU, more.CPU)
	}
	if plain.P99 != nil || plain.Why["p99"] == "" {
		t.Error("a p99 of some hundred requests, or no reason against it")
	}
	for _, c := range r.Comparisons {
		if c.Verdict != "undecided" {
			t.Errorf("verdict %q from 3 blocks", c.Verdict)
		}
	}
	if again := tare(t, dir, "report", "last", "-o", "json"); again.out != run.out {
		t.Errorf("the kept result reports otherwise than the run did:\n%s", cmp.Diff(run.out, again.out))
	}
	show := decode(t, tare(t, dir, "show", "last", "-o", "json").out)
	if len(show.Journal) != 3+r.Voids || show.Journal[0].SHA256 == "" || show.Journal[0].BlockID == "" {
		t.Errorf("journal %+v", show.Journal)
	}
	list := tare(t, dir, "list", "-o", "json")
	var entries []struct {
		ID, Study, Started, State, Digest string
		Blocks                            int
	}
	if err := json.Unmarshal([]byte(list.out), &entries); err != nil || len(entries) != 1 || entries[0].State != "done" || entries[0].Blocks != 3 || entries[0].Digest != r.Digest {
		t.Errorf("list %+v, %v", entries, err)
	}
	if !strings.Contains(run.err, "3 of 3 blocks") || strings.Contains(run.out, "3 of 3 blocks") {
		t.Errorf("progress belongs on standard error: %q", run.err)
	}
}

// TestRunSaysWhatIdleCoresDid: they are kept awake where the host lets them, and
// it is said where it does not, as for ballast; --sleep leaves them as they are.
func TestRunSaysWhatIdleCoresDid(t *testing.T) {
	awake := tare(t, t.TempDir(), "run", write(t, tiny), "-o", "json")
	want := "kept awake"
	if strings.Contains(awake.err, "keep idle cores awake") {
		want = "sleep"
	}
	if got := decode(t, awake.out).Environment.Idle; got != want {
		t.Errorf("idle cores: %q, want %q\n%s", got, want, awake.err)
	}
	if got := decode(t, awake.out).Environment.Ballast; (got == 0) != strings.Contains(awake.err, "of memory beside a block") {
		t.Errorf("a ballast of %d bytes\n%s", got, awake.err)
	}
	asleep := tare(t, t.TempDir(), "run", write(t, tiny), "--sleep", "-o", "json")
	if got := decode(t, asleep.out).Environment.Idle; got != "sleep" || strings.Contains(asleep.err, "idle cores") {
		t.Errorf("with --sleep: idle cores %q\n%s", got, asleep.err)
	}
}

func TestWrongInputIsNamed(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no such command", []string{"rnu"}, "unknown command"},
		{"no such flag", []string{"run", "x", "--fast"}, "unknown flag: --fast"},
		{"no file", []string{"run"}, "takes one study file"},
		{"missing file", []string{"run", "nowhere.yaml"}, "nowhere.yaml"},
		{"unknown workload", []string{"run", write(t, strings.Replace(tiny, "name: echo", "name: ehco", 1))}, `no workload is named "ehco" (known: echo, imagehub)`},
		{"unknown generator", []string{"run", write(t, strings.Replace(tiny, "rate: 300/s", "rate: 300/s, generator: wrk", 1))}, `no generator is named "wrk" (known: openloop)`},
		{"unknown plane", []string{"run", write(t, tiny), "--dataplane", "envoi"}, `no data plane is named "envoi"`},
		{"workload parameter", []string{"run", write(t, strings.Replace(tiny, "work: 1ms", "wrok: 1ms", 1))}, `unknown field "wrok" (known: work, response)`},
		{"unknown form", []string{"run", write(t, strings.Replace(hub, "form: native", "form: natvie", 1))}, `unknown form "natvie" (known: library, native`},
		{"form that the plane lacks", []string{"run", write(t, strings.Replace(hub, "form: native", "form: dynmod", 1))}, "form dynmod does not run on data plane embedded: the embedded data plane loads no"},
		{"no time", []string{"run", write(t, tiny), "--time", "-3s"}, "--time"},
		{"output", []string{"run", write(t, tiny), "-o", "xml"}, "known: table, json"},
		{"two results", []string{"report", "a", "b"}, "takes one id"},
		{"quick and time", []string{"run", write(t, tiny), "--quick", "--time", "30s"}, "give one of them"},
		{"unknown result", []string{"show", "nothing"}, "no experiment is kept here"},
		{"public target", []string{"load", "http://8.8.8.8/"}, "private"},
		{"another plan to resume", []string{"run", "--resume", "last", "--time", "5m"}, "--time cannot go with --resume"},
		{"no workers", []string{"proxy", "--xds", "127.0.0.1:1", "--node", "x", "--workers", "-3"}, "--workers -3: want at least 1"},
		{"nothing to resume", []string{"run", "--resume", "last"}, "no experiment is kept here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tare(t, t.TempDir(), c.args...)
			if r.code != 2 || !strings.Contains(r.err, c.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit %d, want 2; error %q, want one line with %q", r.code, r.err, c.want)
			}
		})
	}
}

// hub is Image Hub with every kind of treatment, in blocks of about a second.
const hub = `tare: study/1
name: hub
workload: {name: imagehub}
function:
  name: ratelimit
  params: {limits: {Personal: 10/min, Team: 100/min, Enterprise: 1000/min}, paths: [/pull]}
load:
  rate: 100/s
  connections: 2
  users:
    count: 500
    mix:
      - {subscription: Personal, share: 20%, weight: 10}
      - {subscription: Team, share: 50%, weight: 100}
      - {subscription: Enterprise, share: 30%, weight: 1000}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
  - {name: token, control: token, baseline: router}
  - {name: token-aa, control: aa, baseline: token}
  - {name: native, form: native, baseline: token}
  - {name: library, form: library, baseline: token}
  - {name: library-off-mesh, form: library, baseline: direct}
enforcement: {subscription: Personal, share: 1%, requests: 30, duration: 700ms}
design: {blocks: 1, warmup: 50, idle: 50ms, latency: 500ms, stop: fixed}
`
