package atlas

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"slices"
	"strings"
)

// The picture of one vector: what forms can do, ordered by inclusion from
// bottom to top, against what they cost.
const (
	pictureWidth, pictureHeight = 360.0, 300.0
	plotLeft, plotRight         = 12.0, 348.0
	plotTop, plotBottom         = 20.0, 262.0
)

// spot is one group of forms in a picture.
type spot struct {
	x, y  float64 // y is of the first line
	lines []string
	front bool
	known bool // what it costs
}

// Picture draws the powers in one vector. Forms that were not tried are not in
// it; those of which no cost is known stand at its left edge.
func (a *Atlas) Picture(v Vector) template.HTML {
	o := Inclusion(a.Powers, v)
	costs, most := make([]float64, len(o.Groups)), 1.0
	for i, g := range o.Groups {
		costs[i] = a.cost(g)
		if !math.IsNaN(costs[i]) {
			most = max(most, costs[i])
		}
	}
	height := slices.Max(append(slices.Clone(o.Ranks), 1))
	marks := make([]*spot, len(o.Groups))
	for i, g := range o.Groups {
		m := &spot{x: plotLeft + 8, known: !math.IsNaN(costs[i]), front: slices.Contains(o.Front, i), lines: wrapped(names(a.Powers, g))}
		if m.known {
			m.x += (plotRight - plotLeft - 16) * math.Sqrt(max(costs[i], 0)/most)
		} else {
			m.lines[len(m.lines)-1] += " (not weighed)"
		}
		m.y = plotBottom - 16 - (plotBottom-plotTop-32)*float64(o.Ranks[i])/float64(height)
		marks[i] = m
	}
	spread(marks)
	return draw(v, o, marks, most)
}

// longest is how many letters a line of names has at most.
const longest = 34

// wrapped puts names into lines.
func wrapped(all []string) []string {
	lines := []string{""}
	for i, name := range all {
		if i < len(all)-1 {
			name += ", "
		}
		if last := lines[len(lines)-1]; last != "" && len(last)+len(name) > longest {
			lines = append(lines, "")
		}
		lines[len(lines)-1] += name
	}
	return lines
}

// height is what a spot takes.
func (m *spot) height() float64 { return labelHeight * float64(len(m.lines)) }

// spread moves marks of one height apart that would lie on one another.
func spread(marks []*spot) {
	var all []*spot
	for _, m := range marks {
		if m != nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *spot) int { return int(a.y - b.y) })
	for i := 1; i < len(all); i++ {
		if all[i].y-all[i-1].y < all[i-1].height() {
			all[i].y = all[i-1].y + all[i-1].height()
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		most := plotBottom + 6 - all[i].height()
		if i < len(all)-1 {
			most = all[i+1].y - all[i].height()
		}
		all[i].y = min(all[i].y, most)
	}
}

const labelHeight = 14.0

func draw(v Vector, o Order, marks []*spot, most float64) template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s: forms by inclusion, against CPU">`, pictureWidth, pictureHeight, v)
	fmt.Fprintf(&b, `<line class="axis" x1="%g" y1="%g" x2="%g" y2="%g"/>`, plotLeft, plotBottom, plotRight, plotBottom)
	for _, share := range []float64{0, 0.25, 1} {
		x := plotLeft + 8 + (plotRight-plotLeft-16)*math.Sqrt(share)
		anchor := "middle"
		if share == 0 {
			anchor = "start"
		} else if share == 1 {
			anchor = "end"
		}
		fmt.Fprintf(&b, `<text class="tick" text-anchor="%s" x="%g" y="%g">%.3g</text>`, anchor, x, plotBottom+14, share*most)
	}
	fmt.Fprintf(&b, `<text class="tick" text-anchor="end" x="%g" y="%g">µs of CPU that the form itself adds</text>`, plotRight, plotBottom+30)
	fmt.Fprintf(&b, `<text class="tick" x="%g" y="12">↑ can do all below it on a line, and more</text>`, plotLeft)
	for _, e := range o.Edges {
		if above, below := marks[e.Above], marks[e.Below]; above != nil && below != nil {
			fmt.Fprintf(&b, `<line class="edge" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, above.x, above.y, below.x, below.y)
		}
	}
	for _, m := range marks {
		if m == nil {
			continue
		}
		class, anchor, dx := "dot", "start", 7.0
		if m.front {
			class = "dot front"
		}
		if m.x > pictureWidth/2 {
			anchor, dx = "end", -7
		}
		if !m.known {
			class += " unknown"
		}
		fmt.Fprintf(&b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"/>`, class, m.x, m.y)
		for k, line := range m.lines {
			fmt.Fprintf(&b, `<text class="name" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, anchor, m.x+dx, m.y+4+labelHeight*float64(k), html.EscapeString(line))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // made of numbers and escaped names
}

// cost is what the forms of a group add by being there, the least of them: CPU
// of the no-op, without one the least that any function adds in that form. NaN:
// nothing was weighed.
func (a *Atlas) cost(group []int) float64 {
	least := math.NaN()
	for _, k := range group {
		p := a.Powers[k]
		var noops, all []float64
		for _, s := range a.Speeds {
			if s.Form != p.Form || s.Plane != p.Plane {
				continue
			}
			if s.NoopCPU != nil {
				noops = append(noops, s.NoopCPU.Estimate)
			}
			if s.CPU != nil {
				all = append(all, s.CPU.Estimate)
			}
		}
		x := math.NaN()
		switch {
		case len(noops) > 0:
			slices.Sort(noops)
			x = noops[len(noops)/2]
		case len(all) > 0:
			x = slices.Min(all)
		}
		if math.IsNaN(least) || x < least {
			least = x
		}
	}
	return least
}

// Bar draws an interval on a scale that all rows share; it has no text and can
// be stretched.
func (a *Atlas) Bar(s Speed) template.HTML {
	if s.CPU == nil {
		return ""
	}
	low, high := a.scale()
	at := func(v float64) float64 { return 100 * (min(max(v, low), high) - low) / (high - low) }
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><line class="zero" x1="%.2f" y1="0" x2="%.2f" y2="10"/><line class="range" x1="%.2f" y1="5" x2="%.2f" y2="5"/><line class="point" x1="%.2f" y1="1" x2="%.2f" y2="9"/></svg>`,
		at(0), at(0), at(s.CPU.Low), at(s.CPU.High), at(s.CPU.Estimate), at(s.CPU.Estimate)))
}

// scale is what the bars reach over: all estimates, with room for intervals.
func (a *Atlas) scale() (low, high float64) {
	low, high = -5, 5
	for _, s := range a.Speeds {
		if s.CPU != nil {
			low, high = min(low, 1.2*s.CPU.Estimate), max(high, 1.2*s.CPU.Estimate)
		}
	}
	return low, high
}
