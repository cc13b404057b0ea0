package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/report"
)

// trialOf is the advice on a report with a trial whose mean changed so.
func trialOf(t *testing.T, r *report.Report, mean *report.Comparison) *report.Advice {
	t.Helper()
	a, err := r.Advice()
	if err != nil {
		t.Fatal(err)
	}
	on, err := r.AdviceOn("")
	if err != nil {
		t.Fatal(err)
	}
	gave := *r
	gave.ID, gave.Comparisons = "20260102-000000-abcdef", nil
	if mean != nil {
		p50 := *mean
		p50.Endpoint, p50.Primary = "p50", true
		gave.Comparisons = []report.Comparison{p50, *mean}
	}
	a.AddTrial(&experiment.Trial{Own: 8, Suggested: on.PerCore, Tried: 1000, Bounded: "1047 were suggested, and a treatment has at most 1000"}, &gave, on.Treatment, "centre", "c1000")
	return a
}

func change(verdict, direction string, estimate float64) *report.Comparison {
	c := &report.Comparison{Treatment: "c1000", Baseline: "centre", Endpoint: "mean", Unit: "us", Interval: report.Interval{Estimate: estimate, Low: estimate - 2, High: estimate + 2}, Margin: 5, Verdict: verdict}
	if direction != "" {
		c.Direction = &direction
	}
	return c
}

func TestAdviceGolden(t *testing.T) {
	a := trialOf(t, whole(t, 12), change("material", "worse", 12.3))
	var text, js bytes.Buffer
	if err := a.Text(&text); err != nil {
		t.Fatal(err)
	}
	if err := a.JSON(&js); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "advice.txt", text.Bytes())
	golden.Check(t, "advice.json", js.Bytes())
	var back report.Advice
	if err := json.Unmarshal(js.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*a, back); d != "" {
		t.Error(d)
	}
}

// The change of the mean is said with its interval, also when it is worse.
func TestAdviceSaysWhatCameOfIt(t *testing.T) {
	r := whole(t, 12)
	for _, c := range []struct {
		mean *report.Comparison
		want string
	}{
		{change("material", "worse", 12.3), "With 1000 connections instead of 8 the mean response time of library changes by +12.3 (+10.3 to +14.3) µs, margin ±5.00, material, worse: following the advice made it worse."},
		{change("material", "better", -12.3), "changes by −12.3 (−14.3 to −10.3) µs, margin ±5.00, material, better: following the advice helped."},
		{change("none", "", .5), "following the advice makes no difference that matters."},
		{change("immaterial", "worse", 2.5), "following the advice makes no difference that matters."},
		{change("undecided", "worse", 4), "whether following the advice helps is not decided."},
		{nil, "12 blocks are too few to say what 1000 connections instead of 8 do to the mean response time."},
	} {
		a := trialOf(t, r, c.mean)
		var text bytes.Buffer
		if err := a.Text(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(a.Trial.Sentence, c.want) || !strings.Contains(text.String(), a.Trial.Sentence) || !strings.Contains(text.String(), "at most 1000") {
			t.Errorf("got %q, want %q", a.Trial.Sentence, c.want)
		}
		if c.mean != nil && (a.Trial.Changes[0].Endpoint != "mean" || len(a.Trial.Changes) != 2) {
			t.Errorf("changes %+v", a.Trial.Changes)
		}
	}
}

func TestAdviceOnTreatments(t *testing.T) {
	r := whole(t, 3)
	for _, c := range []struct{ asked, want string }{{"", "library"}, {"token", "token"}, {"token-aa", "token-aa"}} {
		on, err := r.AdviceOn(c.asked)
		if err != nil || on.Treatment != c.want || on.Count == 0 || on.PerCore != float64(on.Count)/2 {
			t.Errorf("on %q: %+v, %v", c.asked, on, err)
		}
	}
	if _, err := r.AdviceOn("nobody"); err == nil || !strings.Contains(err.Error(), "router") {
		t.Errorf("on nobody: %v", err)
	}
	if _, err := unfinished(t).Advice(); err == nil || !strings.Contains(err.Error(), "no histogram") {
		t.Errorf("without a block: %v", err)
	}
}
