package exposition

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/study"
)

// benchUnits are the figures of a line in Go's benchmark format: nanoseconds,
// which its readers know and scale.
var benchUnits = []struct {
	endpoint experiment.Endpoint
	unit     string
	by       float64 // from the report's own unit
}{
	{experiment.P50, "p50-ns", 1e3},
	{experiment.P90, "p90-ns", 1e3},
	{experiment.P99, "p99-ns", 1e3},
	{experiment.CPU, "cpu-ns/op", 1e3},
	{experiment.Throughput, "requests/s", 1},
}

// Bench writes the report in Go's benchmark format, which benchstat reads
// (docs/formats/benchmark.md): for every block that counts, in the order of the
// plan, one line for each treatment. A figure that is null is left out, and a
// treatment without any has no line.
func Bench(w io.Writer, r *report.Report) error {
	var b strings.Builder
	for _, kv := range [][2]string{{"goos", "linux"}, {"goarch", r.Environment.Arch}, {"cpu", r.Environment.CPU}, {"study", r.Study}} {
		if kv[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", kv[0], oneLine(kv[1]))
		}
	}
	b.WriteString("Unit requests/s better=higher\n")
	if r.Series != nil {
		names := benchNames(r)
		for k := range r.Series.Blocks {
			for i, t := range r.Series.Treatments {
				if at := slices.Index(t.Stood, k); at >= 0 {
					benchLine(r, &b, names[i], t, at)
				}
			}
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write benchmarks of %s: %w", r.ID, err)
	}
	return nil
}

func benchLine(r *report.Report, b *strings.Builder, name string, t report.TreatmentSeries, at int) {
	var figures []string
	add := func(x float64, unit string) {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			figures = append(figures, exact(x)+" "+unit)
		}
	}
	for _, u := range benchUnits {
		if vs := t.Values[string(u.endpoint)]; at < len(vs) {
			add(vs[at]*u.by, u.unit)
		}
	}
	for _, p := range t.Parts {
		if at < len(p.CPU) {
			add(p.CPU[at]*1e3, p.Role+"-cpu-ns/op")
		}
		if at < len(p.PrivateMB) {
			add(p.PrivateMB[at]*1e6, p.Role+"-private-B")
		}
	}
	if len(figures) > 0 {
		fmt.Fprintf(b, "%s 1 %s\n", name, strings.Join(figures, " "))
	}
}

// benchNames gives each treatment its benchmark: the study, the treatment as
// the study file names it, and what its copies differ by. So benchstat can put
// any of them into columns.
func benchNames(r *report.Report) []string {
	names := make([]string, len(r.Treatments))
	count := func() map[string]int {
		seen := map[string]int{}
		for _, name := range names {
			seen[name]++
		}
		return seen
	}
	for i, t := range r.Treatments {
		names[i] = benchName(r, t, value(t.Of))
	}
	// An A/A copy may be a copy of the same: it has the name of its own, and so
	// has whatever else would share one.
	for _, copies := range []bool{true, false} {
		seen := count()
		for i, t := range r.Treatments {
			if seen[names[i]] > 1 && (!copies || value(t.Control) == string(study.AA)) {
				names[i] = benchName(r, t, t.Name)
			}
		}
	}
	return names
}

// benchName is the benchmark of a treatment under the name of what it is a copy of.
func benchName(r *report.Report, t report.Treatment, of string) string {
	if of == "" {
		of = t.Name
	}
	var b strings.Builder
	b.WriteString("Benchmark")
	for part := range strings.SplitSeq(r.Study, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	keys := [][2]string{{"treatment", of}, {"level", value(t.Level)}}
	if severalPlanes(r) {
		keys = append(keys, [2]string{"dataplane", value(t.DataPlane)})
	}
	for _, factor := range slices.Sorted(maps.Keys(t.Set)) {
		keys = append(keys, [2]string{factor, t.Set[factor]})
	}
	for _, kv := range keys {
		if kv[1] != "" {
			b.WriteString("/" + benchWord(kv[0]) + "=" + benchWord(strings.TrimSuffix(kv[1], "/s")))
		}
	}
	// Without it a reader would take the end of a name such as wasm-16 for it.
	return b.String() + "-" + strconv.Itoa(max(1, r.Environment.Cores))
}

// severalPlanes: the only plane of a study would keep what has none out of its row.
func severalPlanes(r *report.Report) bool {
	first := ""
	for _, t := range r.Treatments {
		if p := value(t.DataPlane); p != "" && first != "" && p != first {
			return true
		} else if p != "" {
			first = p
		}
	}
	return false
}

// benchWord keeps to one word what a part of a name holds.
func benchWord(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '/' || r == '=' {
			return '_'
		}
		return r
	}, s)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
