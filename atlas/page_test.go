package atlas_test

import (
	"bytes"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// full is an atlas of every cell there is, with figures that are made up; one
// cell was left out, and one has too few blocks.
func full(t *testing.T) *atlas.Atlas {
	t.Helper()
	batches, entries, bench := built(t, "")
	tries, err := atlas.Tries()
	if err != nil {
		t.Fatal(err)
	}
	tries = append(tries, atlas.Witnessed(bench.Functions.All(), entries)...)
	a := &atlas.Atlas{Made: time.Unix(0, 0), Powers: atlas.Powers(tries, []string{"embedded", "envoy"}), Functions: entries}
	for i, b := range batches {
		a.Batches = append(a.Batches, atlas.Run{Study: b.Study.Name, Result: fmt.Sprint("run-", i), Blocks: 12})
		for k, c := range b.Cells {
			x := float64(100*i+k)/7 - 10
			s := atlas.Speed{Cell: c, Blocks: 12, Result: fmt.Sprint("run-", i), PrivateMB: pointer(1.5), Screening: i == 0,
				CPU: &report.Interval{Estimate: x, Low: x - 9, High: x + 9}, P50: &report.Interval{Estimate: 1.5 * x, Low: 1.5*x - 20, High: 1.5*x + 20},
				NoopCPU: &report.Interval{Estimate: 3, Low: 1, High: 5}}
			switch fmt.Sprint(c.Function, c.Form) {
			case "corslibrary":
				a.Unweighed = append(a.Unweighed, atlas.Unweighed{Cell: c, Why: "it did not come up"})
				continue
			case "ratelimitlua":
				s.CPU, s.P50, s.Judge = nil, nil, "it let 3 requests pass that it should have stopped, in the class of the long words of a judge"
			}
			a.Speeds = append(a.Speeds, s)
		}
	}
	a.Finish(nil)
	return a
}

func pageOf(t *testing.T, a *atlas.Atlas) string {
	t.Helper()
	var b bytes.Buffer
	if err := a.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The card of each function carries every place: with its figures, or with the
// reason why there are none.
func TestPageCarriesEveryCell(t *testing.T) {
	a := full(t)
	text := html.UnescapeString(pageOf(t, a))
	figures, reasons := 0, 0
	for _, e := range a.Functions {
		if e.Name == "noop" {
			continue
		}
		_, card, found := strings.Cut(text, fmt.Sprintf(`<div id="f-%s">`, e.Name))
		card, _, _ = strings.Cut(card, "</details>")
		if !found {
			t.Errorf("%s has no card", e.Name)
		}
		for _, p := range a.Powers {
			k := slices.IndexFunc(a.Speeds, func(s atlas.Speed) bool { return s.Function == e.Name && s.Form == p.Form && s.Plane == p.Plane })
			switch {
			case k < 0:
				reasons++
				if !strings.Contains(card, p.Name()) {
					t.Errorf("%s as %s has no reason why it is not there", e.Name, p.Name())
				}
			case a.Speeds[k].CPU == nil:
				if !strings.Contains(card, "<b>"+p.Name()+"</b>") || !strings.Contains(card, a.Speeds[k].Judge) {
					t.Errorf("%s as %s does not say what its judge found", e.Name, p.Name())
				}
			default:
				figures++
				if x := a.Speeds[k].CPU; !strings.Contains(card, fmt.Sprintf("%+.1f <small>(%+.1f to %+.1f)", x.Estimate, x.Low, x.High)) {
					t.Errorf("%s as %s has no figures", e.Name, p.Name())
				}
			}
		}
	}
	if figures < 100 || reasons < 100 {
		t.Errorf("%d figures, %d reasons", figures, reasons)
	}
	var b bytes.Buffer
	if err := a.Text(&b); err != nil || !strings.Contains(b.String(), "ratelimit as lua on embedded: no figure, since too few of its batch's blocks count (12)") {
		t.Errorf("the text says nothing of a cell without figures: %v", err)
	}
	x, err := a.Advise("ratelimit")
	if err != nil || len(x.Places) < 5 || slices.ContainsFunc(x.Places, func(s atlas.Speed) bool { return s.Form == study.FormLua }) {
		t.Errorf("%+v, %v", x, err)
	}
	a.Speeds = slices.DeleteFunc(a.Speeds, func(s atlas.Speed) bool { return s.Form != study.FormLua })
	if x, err := a.Advise("ratelimit"); err != nil || !strings.Contains(x.Rules[0].Then, "too few blocks count for a figure") {
		t.Errorf("%+v, %v", x, err)
	}
	for _, want := range []string{"it did not come up", ">application<", string(study.FormDynmodGo), `href="#f-cors"`, "the form itself (no-op)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
