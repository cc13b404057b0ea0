package exposition

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/taremesh/tare/report"
)

// OpenMetrics writes the report as OpenMetrics text 1.0, which Prometheus and
// others read (docs/formats/openmetrics.md).
func OpenMetrics(w io.Writer, r *report.Report) error {
	var b strings.Builder
	b.WriteString("# TYPE tare_experiment gauge\n# HELP tare_experiment 1; what was measured, by what, and where.\n")
	writeSample(&b, "tare_experiment", about(r), "1")
	for _, f := range families(r) {
		f.openMetrics(&b)
	}
	b.WriteString("# EOF\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write metrics of %s: %w", r.ID, err)
	}
	return nil
}

var kindWords = map[kind]string{gauge: "gauge", counter: "counter", histogram: "histogram"}

func (f family) openMetrics(b *strings.Builder) {
	name := f.name
	if f.unit != "" {
		name += "_" + f.unit
	}
	fmt.Fprintf(b, "# TYPE %s %s\n", name, kindWords[f.kind])
	if f.unit != "" {
		fmt.Fprintf(b, "# UNIT %s %s\n", name, f.unit)
	}
	fmt.Fprintf(b, "# HELP %s %s\n", name, escaped(f.help))
	for _, p := range f.points {
		switch f.kind {
		case histogram:
			p.openBuckets(b, name)
		case counter:
			writeSample(b, name+"_total", p.labels, exact(p.value))
		default:
			writeSample(b, name, p.labels, exact(p.value))
		}
	}
}

// openBuckets writes cumulative counts. There is no sum: the report keeps none.
func (p point) openBuckets(b *strings.Builder, name string) {
	sum := uint64(0)
	for k, n := range p.counts {
		sum += n
		le := "+Inf"
		if k < len(p.bounds) {
			le = canonical(p.bounds[k])
		}
		writeSample(b, name+"_bucket", with(p.labels, "le", le), strconv.FormatUint(sum, 10))
	}
}

// canonical is how OpenMetrics wants bounds written: with a point or an exponent.
func canonical(x float64) string {
	s := exact(x)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

func writeSample(b *strings.Builder, name string, labels [][2]string, v string) {
	b.WriteString(name)
	for i, kv := range labels {
		before := ","
		if i == 0 {
			before = "{"
		}
		fmt.Fprintf(b, `%s%s="%s"`, before, kv[0], escaped(kv[1]))
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + v + "\n")
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func escaped(s string) string { return escapes.Replace(strings.ToValidUTF8(s, "�")) }
