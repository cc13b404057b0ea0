package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// sentences says what each treatment adds to its baseline, one sentence each,
// and which baselines stood twice.
func sentences(r *Report, p *study.Plan) []string {
	var out []string
	for i, t := range p.Study.Treatments {
		if t.Baseline == "" || t.Control == study.AA {
			continue
		}
		if s := r.sentence(subject(&p.Study, i)+" adds to", t.Name, t.Baseline); s != "" {
			out = append(out, s)
		}
		for _, name := range t.Against {
			if s := r.sentence(subject(&p.Study, i)+" against", t.Name, name); s != "" {
				out = append(out, s)
			}
		}
	}
	for _, a := range r.AA {
		if len(a.Pooled) > 0 {
			out = append(out, fmt.Sprintf("%s is compared by %s as the mean of it and %s, its A/A copy.", a.Baseline, strings.Join(a.Pooled, " and "), a.Treatment))
		}
	}
	out = append(append(out, r.effectSentences()...), r.interactionSentences()...)
	return append(out, r.ratioSentences(&p.Study)...)
}

// sentence is empty without a comparison of the two.
func (r *Report) sentence(begins, treatment, baseline string) string {
	var parts []string
	for _, e := range []experiment.Endpoint{experiment.Throughput, experiment.P50, experiment.CPU, experiment.Mean} {
		if c, ok := r.find(treatment, baseline, e); ok {
			parts = append(parts, clause(c))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s: %s.", begins, baseline, strings.Join(parts, "; "))
}

// subject names what a treatment adds.
func subject(s *study.Study, i int) string {
	t := s.Treatments[i]
	switch {
	case t.Form != "" && t.Control == "":
		return fmt.Sprintf("%s (%s %s)", t.Name, t.Form, s.FunctionOf(i).Name)
	case t.Control != "":
		return fmt.Sprintf("%s (control)", t.Name)
	}
	return t.Name
}

func (r *Report) find(treatment, baseline string, e experiment.Endpoint) (Comparison, bool) {
	for _, c := range r.Comparisons {
		if c.Treatment == treatment && c.Baseline == baseline && c.Endpoint == string(e) {
			return c, true
		}
	}
	return Comparison{}, false
}

var endpointWords = map[string]string{
	string(experiment.P50): "at p50", string(experiment.P90): "at p90", string(experiment.P99): "at p99",
	string(experiment.CPU): "of CPU per request", string(experiment.MarginalCPU): "of CPU for one request more", string(experiment.Throughput): "in a closed loop",
	string(experiment.KneeRate): "of the knee", string(experiment.Mean): "at the mean",
}

// unitWords is a unit as it is printed.
func unitWords(unit string) string {
	if unit == unitPerSecond {
		return "requests/s"
	}
	return "µs"
}

func clause(c Comparison) string {
	s := fmt.Sprintf("%s %s ± %s %s, %s", signed(c.Estimate), unitWords(c.Unit), plain(half(c.Interval)), endpointWords[c.Endpoint], verdictWords(c))
	if !c.Primary {
		s += ", exploratory"
	}
	return s
}

// verdictWords is the verdict with its direction and what is still missing.
func verdictWords(c Comparison) string {
	s := stat.Verdict(c.Verdict).Words()
	if c.Direction != nil {
		s += ", " + *c.Direction
	}
	if c.BlocksNeeded > 0 {
		s += " (" + stat.MoreBlocks(c.BlocksNeeded) + ")"
	}
	return s
}

func half(i Interval) float64 { return (i.High - i.Low) / 2 }

// plain prints three significant digits, never more than two decimals.
func plain(x float64) string {
	switch a := math.Abs(x); {
	case a >= 100:
		return fmt.Sprintf("%.0f", x)
	case a >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func signed(x float64) string {
	if x < 0 {
		return "−" + plain(-x)
	}
	return "+" + plain(x)
}

// interactionSentences say where one factor's effect depends on another.
func (r *Report) interactionSentences() []string {
	var out []string
	for _, x := range r.Effects {
		if len(x.Factors) != 2 || !x.Primary || x.Direction == nil || x.Verdict == string(stat.Immaterial) {
			continue
		}
		word := "mislead"
		if x.Verdict != string(stat.Material) {
			word = "may mislead"
		}
		s := fmt.Sprintf("%s and %s interact %s: main effects alone %s. From %s to %s %s adds %s %s at %s %s and %s at %s (interaction %s ± %s, %s)",
			x.Factors[0], x.Factors[1], endpointWords[x.Endpoint], word, x.From[0], x.To[0], x.Factors[0],
			signed(x.Means[2]-x.Means[0]), unitWords(x.Unit), x.Factors[1], x.From[1], signed(x.Means[3]-x.Means[1]), x.To[1],
			signed(x.Estimate), plain(half(x.Interval)), verdictWords(Comparison{Verdict: x.Verdict, Direction: x.Direction, BlocksNeeded: x.BlocksNeeded}))
		if a := aliasWords(x.Aliases); a != "" {
			s += "; or it is what this fraction cannot tell from it: " + a
		}
		out = append(out, s+".")
	}
	return out
}

// effectSentences say what each factor does on average.
func (r *Report) effectSentences() []string {
	var out []string
	at := map[string]int{}
	for _, x := range r.Effects {
		if len(x.Factors) != 1 || !x.Primary {
			continue
		}
		c := Comparison{Endpoint: x.Endpoint, Interval: x.Interval, Unit: x.Unit, Verdict: x.Verdict, Direction: x.Direction, Primary: true, BlocksNeeded: x.BlocksNeeded}
		begin := fmt.Sprintf("%s from %s to %s adds, averaged over the other factors", x.Factors[0], x.From[0], x.To[0])
		if a := aliasWords(x.Aliases); a != "" {
			begin += " (and with what this fraction cannot tell from it: " + a + ")"
		}
		if k, known := at[begin]; known {
			out[k] = strings.TrimSuffix(out[k], ".") + "; " + clause(c) + "."
			continue
		}
		at[begin] = len(out)
		out = append(out, begin+": "+clause(c)+".")
	}
	return out
}
