package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/report"
)

// kept is a history of five results: one lacks the figure, the level changes at
// the third that has it, and from the last on the kernel is another.
func kept() *comparison.History {
	h := &comparison.History{Study: "nightly"}
	number := func(x float64) *float64 { return &x }
	for k, id := range []string{"a", "b", "c", "d", "e"} {
		p := comparison.Point{Side: comparison.Side{ID: id, Started: time.Date(2030, 1, 1+k, 0, 0, 0, 0, time.UTC), Tare: "v1"}}
		if id == "e" {
			p.Segment = 1
		}
		h.Points = append(h.Points, p)
	}
	h.Breaks = []comparison.Break{{Before: "e", Why: []comparison.Difference{{What: "kernel", Old: "6.1", New: "6.2", Breaks: true}}}}
	router := "router"
	h.Series = []comparison.Series{{Treatment: "native", Baseline: &router, Endpoint: "p50", Unit: "us",
		Values: []*float64{number(10), nil, number(11), number(20), number(30)}, Halves: []*float64{number(1), nil, number(2), number(0), number(1)},
		Changes: []comparison.Change{{At: "d"}}}}
	return h
}

func TestDrawnHistories(t *testing.T) {
	number := func(x float64) *float64 { return &x }
	day := func(d int) time.Time { return time.Date(2030, 1, d, 0, 0, 0, 0, time.UTC) }
	got := drawnHistories(kept())
	if len(got) != 1 || len(got[0].Breaks) != 1 || !strings.Contains(got[0].Breaks[0].Why, "kernel") || !strings.Contains(got[0].Breaks[0].Why, "6.2") {
		t.Fatalf("%+v", got)
	}
	want := report.History{Title: "native − router, p50", Unit: "us", Changes: []int{2}, Breaks: []report.HistoryBreak{{At: 3, Why: got[0].Breaks[0].Why}}, Points: []report.HistoryPoint{
		{ID: "a", At: day(1), Value: 10, Low: number(9), High: number(11), Note: "tare v1"},
		{ID: "c", At: day(3), Value: 11, Low: number(9), High: number(13), Note: "tare v1"},
		{ID: "d", At: day(4), Value: 20, Note: "tare v1"},
		{ID: "e", At: day(5), Value: 30, Low: number(29), High: number(31), Note: "tare v1"},
	}}
	if d := cmp.Diff(want, got[0]); d != "" {
		t.Error(d)
	}
	var page bytes.Buffer
	if err := writeHistory(kept())(&page); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"History of nightly", "native − router, p50", `class="broken"`, `class="change"`} {
		if !strings.Contains(page.String(), s) {
			t.Errorf("the page lacks %s", s)
		}
	}
}
