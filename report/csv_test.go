package report_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"testing"
)

// What a reader gets back is what the report holds, to the last digit.
func TestCSVRoundTrip(t *testing.T) {
	for name, r := range reports(t) {
		t.Run(name, func(t *testing.T) {
			r.Study = "a \"study\",\nof two lines"
			var b bytes.Buffer
			if err := r.CSV(&b); err != nil {
				t.Fatal(err)
			}
			lines, err := csv.NewReader(&b).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			head := lines[0]
			of := func(line []string, column string) string { return line[slices.Index(head, column)] }
			values := map[string][]float64{}
			var compared []float64
			for _, line := range lines[1:] {
				if of(line, "study") != r.Study || of(line, "experiment") != r.ID {
					t.Fatalf("line %q", line)
				}
				v, err := strconv.ParseFloat(of(line, "value"), 64)
				switch {
				case of(line, "kind") == "comparison":
					compared = append(compared, v)
				case of(line, "value") == "":
					if of(line, "why") == "" {
						t.Errorf("no value and no reason: %q", line)
					}
				case err != nil:
					t.Error(err)
				default:
					key := of(line, "treatment") + " " + of(line, "endpoint")
					values[key] = append(values[key], v)
				}
			}
			var want []float64
			for _, c := range r.Comparisons {
				want = append(want, c.Estimate)
			}
			if !slices.Equal(compared, want) {
				t.Errorf("comparisons %v, want %v", compared, want)
			}
			if r.Series == nil {
				return
			}
			for _, s := range r.Series.Treatments {
				for _, e := range []string{"p50", "cpu", "p90", "throughput"} {
					if got := values[s.Name+" "+e]; !slices.Equal(got, s.Values[e]) {
						t.Errorf("%s %s: %v, want %v", s.Name, e, got, s.Values[e])
					}
				}
				for _, p := range s.Parts {
					if !slices.Equal(values[s.Name+" cpu_"+p.Role], p.CPU) || !slices.Equal(values[s.Name+" private_"+p.Role], p.PrivateMB) {
						t.Errorf("%s %s differs", s.Name, p.Role)
					}
				}
			}
		})
	}
}
