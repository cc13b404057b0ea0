package report

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// describe is what every row on a treatment says of it.
func (r *Report) describe(treatment string) csvRow {
	for _, t := range r.Treatments {
		if t.Name == treatment {
			return described(t)
		}
	}
	return csvRow{"treatment": treatment}
}

// settingWords are levels of factors by name: connections=16 response=1KiB.
func settingWords(set map[string]string) string {
	var parts []string
	for _, factor := range slices.Sorted(maps.Keys(set)) {
		parts = append(parts, factor+"="+set[factor])
	}
	return strings.Join(parts, " ")
}

// estimated is a row with an estimate and its interval.
func estimated(kind, endpoint, unit string, i Interval) csvRow {
	return csvRow{"kind": kind, "endpoint": endpoint, "unit": unit, "value": exact(i.Estimate), "low": exact(i.Low), "high": exact(i.High)}
}

func (r *Report) effectLines() []csvRow {
	var rows []csvRow
	for _, x := range r.Effects {
		row := estimated("effect", x.Endpoint, x.Unit, x.Interval)
		row["factor"], row["from"], row["to"] = strings.Join(x.Factors, "×"), strings.Join(x.From, "×"), strings.Join(x.To, "×")
		row["aliases"], row["margin"], row["minimum_detectable"] = strings.Join(x.Aliases, " "), exact(x.Margin), exact(x.MinimumDetectable)
		row["verdict"], row["direction"], row["primary"] = x.Verdict, value(x.Direction), strconv.FormatBool(x.Primary)
		if q := x.Ratio; q != nil {
			row["ratio"], row["ratio_low"], row["ratio_high"] = exact(q.Estimate), exact(q.Low), exact(q.High)
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *Report) slopeLines() []csvRow {
	var rows []csvRow
	for _, s := range r.Slopes {
		row := estimated("slope", s.Endpoint, s.Unit, s.Interval)
		row["factor"], row["per"], row["primary"] = s.Factor, s.Per, strconv.FormatBool(false)
		if s.Curved {
			row["why"] = "curved: one slope does not say it all"
		}
		row["from"], row["to"] = s.Points[0].Level, s.Points[len(s.Points)-1].Level
		rows = append(rows, row)
	}
	return rows
}

// shareLines are the Shapley shares; the row without a factor is their sum.
func (r *Report) shareLines() []csvRow {
	var rows []csvRow
	for _, w := range r.Shapley {
		for _, s := range w.Shares {
			row := estimated("share", w.Endpoint, w.Unit, s.Interval)
			row["treatment"], row["baseline"], row["factor"], row["from"], row["to"] = w.All, w.None, s.Factor, s.From, s.To
			rows = append(rows, row)
		}
		row := estimated("share", w.Endpoint, w.Unit, w.Total)
		row["treatment"], row["baseline"] = w.All, w.None
		rows = append(rows, row)
	}
	return rows
}

func (r *Report) shiftLines() []csvRow {
	var rows []csvRow
	for _, s := range r.Shifts {
		for k, q := range s.Levels {
			row := r.describe(s.Treatment)
			maps.Copy(row, estimated("shift", "response", unitMicros, Interval{s.Estimate[k], s.Low[k], s.High[k]}))
			row["baseline"], row["factor"], row["at"] = s.Baseline, value(s.Factor), exact(q)
			rows = append(rows, row)
		}
	}
	return rows
}

func (r *Report) outcomeLines() []csvRow {
	var rows []csvRow
	for _, t := range r.Treatments {
		for _, o := range t.Outcomes {
			for _, c := range o.Classes {
				rows = append(rows, c.line(t, o.Phase, "p50", c.P50, c.P50Interval), c.line(t, o.Phase, "p90", c.P90, c.P90Interval))
			}
		}
	}
	return rows
}

func (c ClassFigures) line(t Treatment, phase, endpoint string, v *float64, i *Interval) csvRow {
	row := described(t)
	row["kind"], row["phase"], row["class"], row["endpoint"], row["unit"] = "outcome", phase, c.Class, endpoint, unitMicros
	row["count"], row["share"] = strconv.Itoa(c.Count), exact(c.Share)
	if v == nil {
		row["why"] = c.Why
		return row
	}
	row["value"] = exact(*v)
	if i != nil {
		row["low"], row["high"] = exact(i.Low), exact(i.High)
	}
	return row
}
