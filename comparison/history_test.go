package comparison_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/study"
)

// traced makes a history of results, one a day, the last first.
func traced(t *testing.T, asked comparison.Asked, rs ...*comparison.Result) *comparison.History {
	t.Helper()
	tr, err := comparison.NewTracer(asked)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range slices.Backward(rs) {
		tr.Add(r)
	}
	h, err := tr.History()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// days are results of one study, each with the effect on its treatment.
func days(t *testing.T, change func(day int, e *experiment.Experiment), cpu ...float64) []*comparison.Result {
	t.Helper()
	p := planOf(t, "same.yaml", 12)
	p.Digest = "digest"
	var rs []*comparison.Result
	for day, effect := range cpu {
		e := experimentOf(fmt.Sprintf("day-%02d", day+1), p, day)
		if change != nil {
			change(day, &e)
		}
		r, err := comparison.Read(e, experiment.Done, with(effects{cpu: effect}).blocks(p, uint64(day)+40), study.Margins{})
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func seriesOf(t *testing.T, h *comparison.History, k comparison.Kind, treatment, endpoint string) comparison.Series {
	t.Helper()
	for _, s := range h.Series {
		if s.Kind == k && s.Treatment == treatment && s.Endpoint == endpoint {
			return s
		}
	}
	t.Fatalf("no series of %s by %s", treatment, endpoint)
	return comparison.Series{}
}

// A treatment that became 30 µs heavier on the ninth day is found there, and
// nothing else is.
func TestHistoryFindsTheChange(t *testing.T) {
	h := traced(t, comparison.Asked{}, days(t, nil, 0, 0, 0, 0, 0, 0, 0, 0, 30, 30, 30, 30, 30, 30)...)
	cpu := seriesOf(t, h, comparison.Apart, "after", "cpu")
	if len(cpu.Changes) != 1 || cpu.Changes[0].At != "day-09" || cpu.Changes[0].Low > 30 || cpu.Changes[0].High < 30 {
		t.Errorf("changes of cpu: %+v, want one of 30 at day-09", cpu.Changes)
	}
	if p50 := seriesOf(t, h, comparison.Apart, "after", "p50"); len(p50.Changes) > 0 {
		t.Errorf("changes of p50: %+v", p50.Changes)
	}
	if len(h.Points) != 14 || h.Points[0].ID != "day-01" || len(cpu.Values) != 14 || len(h.Breaks) > 0 {
		t.Errorf("%d results from %s on, %d values, breaks %+v", len(h.Points), h.Points[0].ID, len(cpu.Values), h.Breaks)
	}
	var out bytes.Buffer
	if err := h.Text(&out); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "history.txt", out.Bytes())
}

// A change of the host is a break with its reason, and no change point.
func TestHistoryBreaks(t *testing.T) {
	h := traced(t, comparison.Asked{Treatment: "after", Endpoint: "cpu"}, days(t, func(day int, e *experiment.Experiment) {
		if day >= 6 {
			e.Environment.CPU = "another CPU"
		}
		e.Environment.Kernel = fmt.Sprint("6.", day) // differs, and breaks nothing
	}, 0, 0, 0, 0, 0, 0, 30, 30, 30, 30, 30, 30)...)
	cpu := seriesOf(t, h, comparison.Apart, "after", "cpu")
	if len(h.Breaks) != 1 || h.Breaks[0].Before != "day-07" || h.Breaks[0].Why[0].What != "host: cpu" {
		t.Errorf("breaks %+v", h.Breaks)
	}
	if len(cpu.Changes) > 0 {
		t.Errorf("what lies across a break is no change: %+v", cpu.Changes)
	}
	if len(h.Series) != 2 { // difference and own figure
		t.Errorf("%d series of one treatment by one endpoint", len(h.Series))
	}
	var out bytes.Buffer
	if err := h.Text(&out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "not comparable with those before: host: cpu: a CPU, now another CPU") || strings.Count(text, "|") != 2 {
		t.Errorf("the break is not named:\n%s", text)
	}
}

func TestHistoryOfLittle(t *testing.T) {
	if _, err := comparison.NewTracer(comparison.Asked{Endpoint: "p95"}); err == nil || !strings.Contains(err.Error(), "p50, cpu") {
		t.Errorf("an endpoint that there is not: %v", err)
	}
	empty, err := comparison.NewTracer(comparison.Asked{})
	if err != nil {
		t.Fatal(err)
	}
	empty.LeaveOut("day-01", "no block")
	if _, err := empty.History(); !errors.Is(err, comparison.ErrEmpty) || !strings.Contains(err.Error(), "day-01: no block") {
		t.Errorf("a history of nothing: %v", err)
	}
	one := traced(t, comparison.Asked{}, days(t, nil, 0)...)
	if len(one.Points) != 1 || len(one.Series) == 0 {
		t.Errorf("a history of one: %+v", one)
	}
	same := days(t, nil, 0)
	still := traced(t, comparison.Asked{}, same[0], same[0], same[0], same[0], same[0], same[0])
	for _, s := range still.Series {
		if len(s.Changes) > 0 {
			t.Errorf("a series without spread changes: %+v", s.Changes)
		}
	}
	other, err := comparison.NewTracer(comparison.Asked{Treatment: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	other.Add(same[0])
	if _, err := other.History(); !errors.Is(err, comparison.ErrEmpty) {
		t.Errorf("a treatment that nobody has: %v", err)
	}
}
