package report_test

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"testing"

	"github.com/taremesh/tare/report"
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
			others := map[string][]float64{}
			for _, line := range lines[1:] {
				if of(line, "study") != r.Study || of(line, "experiment") != r.ID {
					t.Fatalf("line %q", line)
				}
				v, err := strconv.ParseFloat(of(line, "value"), 64)
				switch {
				case of(line, "kind") == "comparison":
					compared = append(compared, v)
				case of(line, "kind") != "block":
					others[of(line, "kind")] = append(others[of(line, "kind")], v)
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
			for kind, want := range otherValues(r) {
				if !slices.Equal(others[kind], want) {
					t.Errorf("%s: %v, want %v", kind, others[kind], want)
				}
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

// otherValues are what the rows of each further kind hold; an absent value reads as 0.
func otherValues(r *report.Report) map[string][]float64 {
	out := map[string][]float64{}
	add := func(kind string, x *float64) {
		if x == nil {
			x = new(float64)
		}
		out[kind] = append(out[kind], *x)
	}
	for _, x := range r.Effects {
		add("effect", &x.Estimate)
	}
	for _, x := range r.Slopes {
		add("slope", &x.Estimate)
	}
	for _, w := range r.Shapley {
		for _, x := range w.Shares {
			add("share", &x.Estimate)
		}
		add("share", &w.Total.Estimate)
	}
	for _, s := range r.Shifts {
		out["shift"] = append(out["shift"], s.Estimate...)
	}
	for _, t := range r.Treatments {
		for _, o := range t.Outcomes {
			for _, c := range o.Classes {
				add("outcome", c.P50)
				add("outcome", c.P90)
			}
		}
	}
	return out
}
