package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// print writes the table, what is absent and the answer.
func (r *compareResult) print(out io.Writer) error {
	fmt.Fprintf(out, "%s  %g requests/s where a generator keeps to a rate, %d connections, %d rounds of %g s, seed %d\n\n", r.URL, r.Rate, r.Connections, r.Rounds, r.Seconds, r.Seed)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "generator\tsetting\tloop\tfrom\trequests\tper s\tp50 µs\tp90 µs\tp99 µs\tmax µs\tCPU µs\terrors\tfloor p50\tfloor p99\t")
	if r.Planted != nil {
		fmt.Fprintf(w, "arithmetic\t\t\tintended\t–\t–\t%s\t%s\t%s\t%.0f\t–\t–\t–\t–\t\n", micro(&r.Truth[0].US), micro(&r.Truth[1].US), micro(&r.Truth[2].US), micros(r.Planted.For))
	}
	for _, row := range r.Rows {
		t, f := row.Target, row.Floor
		loop := string(row.Loop)
		if !row.Paced {
			loop += ", no rate"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", row.Generator, row.Setting, loop, row.From,
			whole(t.Requests), rounded(t.Throughput), micro(t.P50), micro(t.P90), micro(t.P99), micro(t.Max), micro(t.CPU), whole(t.Errors), micro(f.P50), micro(f.P99))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		said := map[string]bool{}
		for _, run := range row.Runs {
			for _, words := range append([]string{run.Failed}, run.Notes...) {
				if words == "" || said[words] {
					continue
				}
				said[words] = true
				fmt.Fprintf(out, "%s %s, at the %s: %s\n", row.Generator, row.Setting, run.On, endOf(words))
			}
		}
	}
	for _, a := range r.Absent {
		fmt.Fprintf(out, "absent: %s\n", a.Why)
	}
	fmt.Fprintln(out)
	for _, s := range r.Answer {
		fmt.Fprintln(out, s)
	}
	return nil
}

// endOf are words with only the last of the lines that follow the first: those
// of a tool that prints one for each connection say it there. JSON has them all.
func endOf(words string) string {
	lines := strings.Split(words, "\n")
	if len(lines) < 3 {
		return words
	}
	return lines[0] + " " + strings.TrimSpace(lines[len(lines)-1])
}

func whole(n *int) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprint(*n)
}

func rounded(x *float64) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f", *x)
}

func micro(x *float64) string {
	if x == nil {
		return "–"
	}
	if *x >= 1000 {
		return fmt.Sprintf("%.0f", *x)
	}
	return fmt.Sprintf("%.1f", *x)
}
