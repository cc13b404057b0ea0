package cli

import (
	"io"
	"strings"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/report"
)

// writeHistory writes a history as a page with pictures.
func writeHistory(h *comparison.History) func(io.Writer) error {
	return func(w io.Writer) error { return report.HistoryHTML(w, "History of "+h.Study, drawnHistories(h)) }
}

// drawnHistories are the series of a history as they are drawn: results that
// lack a figure have no point in it.
func drawnHistories(h *comparison.History) []report.History {
	var out []report.History
	for _, s := range h.Series {
		d := report.History{Title: s.Treatment + ", " + s.Endpoint, Unit: s.Unit}
		if s.Baseline != nil {
			d.Title = s.Treatment + " − " + *s.Baseline + ", " + s.Endpoint
		}
		segment := 0
		for k, v := range s.Values {
			if v == nil {
				continue
			}
			at := h.Points[k]
			if len(d.Points) > 0 && at.Segment != segment {
				d.Breaks = append(d.Breaks, report.HistoryBreak{At: len(d.Points), Why: whyBroken(h, segment, at.Segment)})
			}
			segment = at.Segment
			for _, c := range s.Changes {
				if c.At == at.ID {
					d.Changes = append(d.Changes, len(d.Points))
				}
			}
			p := report.HistoryPoint{ID: at.ID, At: at.Started, Value: *v, Note: "tare " + at.Tare}
			if half := s.Halves[k]; half != nil && *half > 0 {
				low, high := *v-*half, *v+*half
				p.Low, p.High = &low, &high
			}
			d.Points = append(d.Points, p)
		}
		out = append(out, d)
	}
	return out
}

// whyBroken joins the reasons of the breaks between two segments.
func whyBroken(h *comparison.History, from, to int) string {
	var why []string
	for _, b := range h.Breaks[from:min(to, len(h.Breaks))] {
		for _, d := range b.Why {
			why = append(why, d.String())
		}
	}
	return strings.Join(why, "; ")
}
