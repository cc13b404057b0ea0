package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/taremesh/tare/experiment"
)

// csvColumns are documented in docs/formats/csv.md.
var csvColumns = []string{"kind", "experiment", "study", "treatment", "baseline", "form", "site", "control", "dataplane", "block", "attempt", "started_s",
	"endpoint", "unit", "value", "low", "high", "margin", "ratio", "ratio_low", "ratio_high", "verdict", "direction", "primary", "minimum_detectable", "why",
	"set", "factor", "from", "to", "per", "at", "phase", "class", "count", "share", "aliases"}

// csvRow is one line by the name of its columns; what is absent is empty.
type csvRow map[string]string

// CSV writes the report in long format: a row of kind block for every
// treatment, block and endpoint, one of kind comparison for each comparison,
// and so on by kind.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	rows := slices.Concat(r.blockRows(), r.kneeRows(), r.comparisonLines())
	for _, more := range []func() []csvRow{r.effectLines, r.slopeLines, r.shareLines, r.shiftLines, r.outcomeLines} {
		rows = append(rows, more()...)
	}
	if err := out.Write(csvColumns); err != nil {
		return fmt.Errorf("write the CSV of %s: %w", r.ID, err)
	}
	for _, row := range rows {
		row["experiment"], row["study"] = r.ID, r.Study
		line := make([]string, len(csvColumns))
		for i, name := range csvColumns {
			line[i] = row[name]
		}
		if err := out.Write(line); err != nil {
			return fmt.Errorf("write the CSV of %s: %w", r.ID, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the CSV of %s: %w", r.ID, err)
	}
	return nil
}

// blockFigure is one figure of a treatment, block by block.
type blockFigure struct {
	endpoint, unit string
	values         []float64 // none: null
}

func (r *Report) blockRows() []csvRow {
	if r.Series == nil {
		return nil
	}
	var rows []csvRow
	for i, s := range r.Series.Treatments {
		t := r.Treatments[i]
		for k, at := range s.Stood {
			b := r.Series.Blocks[at]
			for _, f := range s.figures() {
				row := described(t)
				row["kind"], row["endpoint"], row["unit"] = "block", f.endpoint, f.unit
				row["block"], row["attempt"], row["started_s"] = strconv.Itoa(b.Block), strconv.Itoa(b.Attempt), exact(b.Started)
				if k < len(f.values) {
					row["value"] = exact(f.values[k])
				} else {
					row["why"] = t.Why[f.endpoint]
				}
				rows = append(rows, row)
			}
		}
	}
	return rows
}

func (s TreatmentSeries) figures() []blockFigure {
	var out []blockFigure
	for _, e := range []string{"p50", "p90", "p99", "cpu"} {
		out = append(out, blockFigure{e, unitMicros, s.Values[e]})
	}
	if vs := s.Values[string(experiment.Throughput)]; len(vs) > 0 {
		out = append(out, blockFigure{string(experiment.Throughput), unitPerSecond, vs})
	}
	for _, p := range s.Parts {
		out = append(out, blockFigure{"cpu_" + p.Role, unitMicros, p.CPU}, blockFigure{"private_" + p.Role, "MB", p.PrivateMB})
	}
	return out
}

func described(t Treatment) csvRow {
	return csvRow{"treatment": t.Name, "baseline": value(t.Baseline), "form": value(t.Form), "site": value(t.Site), "control": value(t.Control), "dataplane": value(t.DataPlane), "set": settingWords(t.Set)}
}

func (r *Report) comparisonLines() []csvRow {
	var rows []csvRow
	for _, c := range r.Comparisons {
		row := r.describe(c.Treatment)
		row["kind"], row["baseline"], row["endpoint"], row["unit"] = "comparison", c.Baseline, c.Endpoint, c.Unit
		row["value"], row["low"], row["high"], row["margin"] = exact(c.Estimate), exact(c.Low), exact(c.High), exact(c.Margin)
		if q := c.Ratio; q != nil {
			row["ratio"], row["ratio_low"], row["ratio_high"] = exact(q.Estimate), exact(q.Low), exact(q.High)
		}
		row["verdict"], row["direction"], row["primary"] = c.Verdict, value(c.Direction), strconv.FormatBool(c.Primary)
		row["minimum_detectable"] = exact(c.MinimumDetectable)
		rows = append(rows, row)
	}
	return rows
}

// exact prints a number so that reading it gives the same number.
func exact(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
