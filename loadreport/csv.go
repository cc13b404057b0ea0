package loadreport

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/taremesh/tare/load"
)

// CSV writes the load over time, a row for each stretch of equal length.
// Quantiles are those of bins a fifth wide: they are for drawing.
func (r *Result) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"start_s", "seconds", "requests", "errors", "p50_us", "p90_us", "p99_us", "lateness_p99_us", "lateness_max_us"}
	for class := range load.Classes {
		head = append(head, class.String())
	}
	rows := [][]string{head}
	for k := range r.line.slots {
		s := &r.line.slots[k]
		width := r.line.width.Seconds()
		row := []string{exact(float64(k) * width), exact(width), strconv.Itoa(s.requests), strconv.Itoa(s.errors()),
			exact(quantile(&s.latency, 0.5)), exact(quantile(&s.latency, 0.9)), exact(quantile(&s.latency, 0.99)), exact(quantile(&s.late, 0.99)), exact(s.latest)}
		for _, n := range s.classes {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, row)
	}
	if err := out.WriteAll(rows); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// exact prints a number so that reading it gives the same number; none is empty.
func exact(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}
