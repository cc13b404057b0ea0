package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/taremesh/tare/report"
)

func TestPlanOfPlanesAndPairs(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"plan", "../examples/imagehub.yaml", "--dataplane", "envoy,embedded"}, []string{
			"direct               control direct\n",
			"wasm-envoy           ratelimit as wasm at the server, on top of token-envoy, also against noop-wasm-envoy\n",
			"token-aa-embedded    control aa, on top of token-embedded\n",
			" 0 refused;",
		}},
		{[]string{"plan", "../examples/talk.yaml"}, []string{
			"wasm against library, two treatments at a time, each on 8 connections; beside a closed loop, latency at 500 requests/s each\n",
			"token-embedded           a step only: control token, on top of router-embedded\n",
			"wasm-envoy-at-100        11 blocks against library-envoy-at-100 (",
			"wasm-embedded-closed     ",
			" · closed 500ms · closed 500ms · closed 500ms · closed 500ms\n",
			" 0 refused;",
		}},
	} {
		r := tare(t, t.TempDir(), c.args...)
		if r.code != 0 || r.err != "" {
			t.Errorf("%v: exit %d, %s", c.args, r.code, r.err)
		}
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%v: no %q in\n%s", c.args, want, r.out)
			}
		}
	}
	for _, c := range []struct{ args, want string }{
		{"plan ../examples/imagehub.yaml --dataplane envoy,envoy", `tare: --dataplane envoy,envoy: data plane "envoy" is named twice`},
		{"plan ../examples/imagehub.yaml --dataplane envoy,", `data plane "": want a name`},
		{"plan ../examples/imagehub.yaml --dataplane envoy,nginx", `"nginx" (known: embedded, envoy)`},
		{"aa --dataplane envoy,embedded --proxy", "identical arms, so they stand on one data plane"},
		{"plan ../examples/talk.yaml --time 30s", "give it more (--time)"},
	} {
		r := tare(t, t.TempDir(), strings.Fields(c.args)...)
		if r.code != 2 || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit %d, %s", c.args, r.code, r.err)
		}
	}
}

// A pairs study is carried out by real processes: two at a time, with closed
// loops, and its table is reported again from what was kept.
func TestRunOfPairs(t *testing.T) {
	dir := t.TempDir()
	file := write(t, `tare: study/1
name: pairs
workload: {name: echo}
treatments:
  - {name: plain, control: router}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: more, baseline: plain, workload: {work: 20us}}
design: {name: pairs, pair: [plain, more], levels: [400/s, closed], blocks: 2, warmup: 50, idle: 50ms, latency: 750ms, solo: 600ms, closed: 100ms}
reference:
  source: nobody
  figures: [{treatment: more, level: closed, rate: 123/s}]
`)
	r := tare(t, dir, "run", file, "-o", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	var got report.Report
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Blocks != 4 || got.Pairs == nil || len(got.Pairs.Rows) != 3 || !got.Screening {
		t.Fatalf("%d blocks, %+v", got.Blocks, got.Pairs)
	}
	loop := got.Pairs.Rows[1]
	for _, side := range []report.PairSide{loop.Baseline, loop.Treatment} {
		if side.Value == nil || *side.Value < 10 {
			t.Errorf("closed loop %+v: %+v", loop, side)
		}
	}
	if loop.Endpoint != "throughput" || *loop.Treatment.Reference != 123 {
		t.Errorf("%+v", loop)
	}
	for _, x := range got.Treatments {
		if x.RefusedUnderLoad > 0 || x.Blocks > 2 {
			t.Errorf("%+v", x)
		}
	}
	again := tare(t, dir, "report", "last")
	if again.code != 0 || !strings.Contains(again.out, "MORE AGAINST PLAIN  beside it the figures of nobody") {
		t.Errorf("exit %d: %s%s", again.code, again.out, again.err)
	}
}
