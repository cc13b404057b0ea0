package report

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/experiment"
)

// Checks are what the blocks say of the run itself.
type Checks struct {
	Order  Check         `json:"start_order"`
	Drift  Check         `json:"drift"`
	Warmup Check         `json:"warmup"`
	Orders []OrderCheck  `json:"start_orders"`
	Drifts []DriftCheck  `json:"drifts"`
	Warm   []WarmupCheck `json:"warmups"`
}

// Check is one check in a line.
type Check struct {
	Made  bool   `json:"made"` // false: too few blocks, and the line says so
	Fired bool   `json:"fired"`
	Line  string `json:"line"`
}

// OrderCheck is the effect of being started one place later.
type OrderCheck struct {
	Endpoint string `json:"endpoint"`
	Unit     string `json:"unit"`
	Interval
	Span   float64 `json:"span"` // from the first place to the last
	Margin float64 `json:"margin"`
	Fired  bool    `json:"fired"`
}

// DriftCheck is how a figure moved over the blocks.
type DriftCheck struct {
	Of       string    `json:"of"` // all treatments, or the difference
	Endpoint string    `json:"endpoint"`
	Unit     string    `json:"unit"`
	PerBlock *Interval `json:"per_block"` // null where the figures lie on a line
	Span     float64   `json:"span"`      // from the first block to the last
	Changes  []Change  `json:"changes"`
	Margin   float64   `json:"margin"`
	Fired    bool      `json:"fired"`
}

// Change is a place where a level changed.
type Change struct {
	At     int     `json:"at"` // place of the first block after it, from 0, among those that the figure has
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// WarmupCheck is what MSER-5 says of a treatment's latency phases.
type WarmupCheck struct {
	Treatment string  `json:"treatment"`
	Requests  float64 `json:"requests"` // at the beginning, that still belong to the warm-up
	Share     float64 `json:"share"`    // of the phase
	Fired     bool    `json:"fired"`
}

func (r *Report) addChecks(an *experiment.Analysis) {
	c := &Checks{Orders: []OrderCheck{}, Drifts: []DriftCheck{}, Warm: []WarmupCheck{}}
	for _, o := range an.Checks.Order {
		c.Orders = append(c.Orders, OrderCheck{string(o.Endpoint), unit(o.Endpoint), interval(o.PerPlace), o.Span, o.Margin, o.Fired})
	}
	for _, d := range an.Checks.Drift {
		out := DriftCheck{Of: d.Of, Endpoint: string(d.Endpoint), Unit: unit(d.Endpoint), PerBlock: optional(d.PerBlock), Span: d.Span,
			Changes: []Change{}, Margin: d.Margin, Fired: d.Fired}
		for _, p := range d.Changes {
			out.Changes = append(out.Changes, Change{p.At, p.Before, p.After})
		}
		c.Drifts = append(c.Drifts, out)
	}
	for _, w := range an.Checks.Warmup {
		c.Warm = append(c.Warm, WarmupCheck{an.Treatments[w.Treatment].Name, w.Requests, w.Share, w.Fired})
	}
	c.Order, c.Drift, c.Warmup = c.orderLine(), c.driftLine(), c.warmupLine()
	r.Checks = c
}

const tooFewToCheck = "not made, too few blocks"

func (c *Checks) orderLine() Check {
	out := Check{Made: len(c.Orders) > 0, Line: "order of starting: " + tooFewToCheck}
	var parts []string
	for _, o := range c.Orders {
		out.Fired = out.Fired || o.Fired
		parts = append(parts, fmt.Sprintf("%s %s %s from the first place to the last (per place %s to %s)%s", o.Endpoint, signed(o.Span), unitWords(o.Unit), signedFine(o.Low), signedFine(o.High), alarm(o.Fired)))
	}
	if out.Made {
		out.Line = "order of starting: " + strings.Join(parts, "; ")
	}
	return out
}

func alarm(fired bool) string {
	if fired {
		return ", IT MATTERED"
	}
	return ""
}

func (c *Checks) driftLine() Check {
	out := Check{Made: len(c.Drifts) > 0, Line: "drift over the blocks: " + tooFewToCheck}
	var moved, still []string
	for _, d := range c.Drifts {
		if d.Fired {
			moved = append(moved, d.Of+" by "+d.Endpoint)
		}
		if d.Of == experiment.AllTreatments {
			still = append(still, fmt.Sprintf("%s of all treatments %s %s from the first block to the last", d.Endpoint, signed(d.Span), unitWords(d.Unit)))
		}
	}
	if !out.Made {
		return out
	}
	out.Fired = len(moved) > 0
	found := fmt.Sprintf("none of %d figures moved", len(c.Drifts))
	if out.Fired {
		found = fmt.Sprintf("%d of %d figures MOVED: %s", len(moved), len(c.Drifts), strings.Join(moved, ", "))
	}
	out.Line = "drift over the blocks: " + strings.Join(append(still, found), "; ")
	return out
}

func (c *Checks) warmupLine() Check {
	out := Check{Made: len(c.Warm) > 0, Line: "warm-up by MSER-5: " + tooFewToCheck + ", or requests"}
	var cold []string
	most := 0.0
	for _, w := range c.Warm {
		most = max(most, w.Share)
		if w.Fired {
			cold = append(cold, w.Treatment)
		}
	}
	if !out.Made {
		return out
	}
	out.Fired = len(cold) > 0
	out.Line = fmt.Sprintf("warm-up by MSER-5: all %d treatments settled (at most %.1f %% of a latency phase is not)", len(c.Warm), 100*most)
	if out.Fired {
		out.Line = fmt.Sprintf("warm-up by MSER-5: NOT SETTLED at first: %s (up to %.1f %% of a latency phase)", strings.Join(cold, ", "), 100*most)
	}
	return out
}

func (t *printer) checks(c *Checks) {
	if c == nil {
		return
	}
	for _, one := range []Check{c.Order, c.Drift, c.Warmup} {
		t.line("Check of the %s", one.Line)
	}
	t.line("")
}
