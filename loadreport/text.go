package loadreport

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// number prints a figure with three digits or more, as short as it is.
func number(x float64) string {
	switch a := math.Abs(x); {
	case a >= 999.5:
		return grouped(strconv.FormatFloat(math.Round(x), 'f', 0, 64))
	case a >= 99.95:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case a >= 9.995:
		return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
	}
	return strconv.FormatFloat(math.Round(x*100)/100+0, 'f', -1, 64)
}

// grouped puts commas between thousands.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func percent(share float64) string { return number(100*share) + " %" }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(strconv.Itoa(n)) + " " + many
}

func micro(x *float64) string {
	if x == nil {
		return "–"
	}
	return number(*x)
}

// Title says what was offered.
func (r *Result) Title() string {
	pace := fmt.Sprintf("%s arrivals at %s/s", r.Arrivals, number(r.Rate))
	switch {
	case r.Closed:
		pace = "closed loop"
	case r.Profile != "":
		pace = fmt.Sprintf("%s arrivals at %s,", r.Arrivals, r.Profile)
	case r.Arrivals == "trace":
		pace = fmt.Sprintf("a trace of %s/s", number(r.Rate))
	}
	secure := ""
	if r.TLS {
		secure = " over TLS"
	}
	return fmt.Sprintf("%s%s, %s for %s s, %s, seed %d", r.Protocol, secure, pace, number(r.Seconds), plural(r.Connections, "connection", "connections"), r.Seed)
}

// OutcomesLine says what became of the requests.
func (r *Result) OutcomesLine() string {
	if r.Errors == 0 {
		return "no errors"
	}
	var parts []string
	for _, c := range r.Classes {
		if c.Class != "ok" {
			parts = append(parts, fmt.Sprintf("%s %s", c.Class, grouped(strconv.Itoa(c.Count))))
		}
	}
	return fmt.Sprintf("%s (%s): %s", plural(r.Errors, "error", "errors"), percent(r.ErrorShare), strings.Join(parts, ", "))
}

// printer prints lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// Text writes the result for a person at a terminal.
func (r *Result) Text(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", r.URL)
	p.line("%s", r.Title())
	if r.Closed {
		p.line("%s requests/s: %s sent, %s", number(r.Throughput), plural(r.Requests, "request", "requests"), r.OutcomesLine())
	} else {
		p.line("%s of %s sent, %s answered/s, %s", grouped(strconv.Itoa(r.Requests)), plural(r.Scheduled, "request", "requests"), number(r.Throughput), r.OutcomesLine())
	}
	p.line("")
	r.times(p)
	r.apart(p)
	r.spectrumText(p)
	r.ownText(p)
	r.conditionsText(p)
	for _, warning := range r.Warnings {
		p.line("warning: %s", warning)
	}
	return p.err
}

func (r *Result) times(p *printer) {
	p.line("%-10s %12s %12s %12s %12s %12s  µs", "", "p50", "p90", "p99", "p99.9", "max")
	row := func(name string, q Quantiles) {
		p.line("%-10s %12s %12s %12s %12s %12s", name, micro(q.P50), micro(q.P90), micro(q.P99), micro(q.P999), micro(q.Max))
	}
	row("latency", r.Latency)
	if x := r.Latency.Intervals; len(x) > 0 {
		cells := []any{"  95 %"}
		for _, q := range levels {
			cell := "–"
			if i, ok := x[quantileName(q)]; ok {
				cell = number(i.Low) + "–" + number(i.High)
			}
			cells = append(cells, cell)
		}
		p.line("%-10s %12s %12s %12s %12s", cells...)
	}
	row("service", r.Service)
	defer r.dashes(p)
	if r.Closed {
		p.line("(closed loop: not comparable with open-loop latencies)")
	} else {
		row("lateness", r.Lateness)
	}
}

// dashes says why the lowest quantile of the latency that is missing is.
func (r *Result) dashes(p *printer) {
	for _, q := range levels {
		if why := r.Latency.Why[quantileName(q)]; why != "" {
			p.line("(–: %s)", why)
			return
		}
	}
}

// apart shows classes and kinds, where there are several.
func (r *Result) apart(p *printer) {
	if len(r.Classes) > 1 || r.Errors > 0 {
		p.line("")
		p.line("%-14s %10s %9s %12s %12s %12s  µs", "outcome", "requests", "share", "p50", "p99", "max")
		for _, c := range r.Classes {
			p.line("%-14s %10s %9s %12s %12s %12s", c.Class, grouped(strconv.Itoa(c.Count)), percent(c.Share), micro(c.Latency.P50), micro(c.Latency.P99), micro(c.Latency.Max))
		}
	}
	r.failures(p)
	if len(r.Kinds) > 0 {
		p.line("")
		p.line("%-30s %10s %9s %12s %12s  µs", "kind of request", "requests", "errors", "p50", "p99")
		for _, k := range r.Kinds {
			p.line("%-30s %10s %9s %12s %12s", k.Name, grouped(strconv.Itoa(k.Count)), grouped(strconv.Itoa(k.Errors)), micro(k.Latency.P50), micro(k.Latency.P99))
		}
	}
}

// failures shows how long it took until requests failed that were not answered.
func (r *Result) failures(p *printer) {
	began := false
	for _, c := range r.Classes {
		if c.Failed == nil {
			continue
		}
		if !began {
			p.line("")
			p.line("%-14s %10s %9s %12s %12s %12s  µs after the intended time", "failed", "requests", "", "p50", "p99", "max")
			began = true
		}
		p.line("%-14s %10s %9s %12s %12s %12s", c.Class, grouped(strconv.Itoa(c.Failed.Count)), "", micro(c.Failed.P50), micro(c.Failed.P99), micro(c.Failed.Max))
	}
}

// barWidth is the longest bar of the spectrum in text.
const barWidth = 40

// spectrumText draws the spectrum at the levels that people name.
func (r *Result) spectrumText(p *printer) {
	var shown []Level
	for _, x := range r.Spectrum {
		if slices.Contains(namedLevels, x.Level) {
			shown = append(shown, x)
		}
	}
	if len(shown) < 2 {
		return
	}
	most := shown[len(shown)-1].Latency
	least := shown[0].Latency
	p.line("")
	p.line("%10s %12s", "percentile", "latency µs")
	for _, x := range shown {
		length := 1
		if most > least && least > 0 {
			length = 1 + int(math.Round((barWidth-1)*math.Log(x.Latency/least)/math.Log(most/least)))
		}
		p.line("%10s %12s  %s", strconv.FormatFloat(math.Round(x.Level*1e8)/1e6, 'f', -1, 64), number(x.Latency), strings.Repeat("▪", max(length, 1)))
	}
}

// ownText is what the generator says of itself.
func (r *Result) ownText(p *printer) {
	p.line("")
	p.line("generator  %s µs of CPU per request (%s under load, %s around it, %s tare itself), and %s of a core spinning; %s opened",
		number(r.CPU), number(r.CPUParts.Load), number(r.CPUParts.Around), number(r.CPUParts.Parent), percent(r.SpinShare), plural(r.Opened, "connection", "connections"))
	for _, c := range r.Checks {
		p.line("  %-12s %-13s %s", c.Name, c.State, c.Words)
	}
	for _, w := range r.Workers {
		p.line("worker     %s: %s, its clock %s ± %s µs from ours", w.Name, plural(w.Requests, "request", "requests"), number(w.Offset), number(w.Bound))
	}
	p.line("samples    %s", r.Samples)
	p.line("verdict    %s", r.Verdict.Words())
}

// conditionWords say how a condition came out.
var conditionWords = map[State]string{OK: "met", Failed: "FAILED", Undecided: "undecided"}

func (r *Result) conditionsText(p *printer) {
	for _, c := range r.Conditions {
		figure := "–"
		if c.Figure != nil {
			figure = figureText(*c.Figure, c.Unit)
		}
		words := conditionWords[c.State]
		if c.Why != "" {
			words += ": " + c.Why
		}
		p.line("condition  %s: %s %s", c.Condition, figure, words)
	}
}

func figureText(x float64, unit string) string {
	switch unit {
	case "share":
		return percent(x)
	case "us":
		return number(x) + " µs"
	}
	return number(x) + " " + unit
}
