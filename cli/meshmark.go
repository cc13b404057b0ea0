package cli

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/smp"
	"github.com/taremesh/tare/store"
)

func newMeshMark(s State) *cobra.Command {
	var assigned, weights []string
	var data, output *string
	c := &cobra.Command{
		Use:   "meshmark [ID|last]",
		Short: "Compute the MeshMark index of each treatment of a kept result",
		Long: `Compute the index ` + smp.IndexFormat + ` of each treatment of a kept result
(default last): how little of what is assigned its processes used, 0 to 100, over
the classes cpu and memory. Assigned CPU is a core for each worker thread; assigned
memory is what --assigned says, else the control group's limit. Without data in a
class there is no score.

The index rewards whoever is assigned much and does nothing. So beside it stands
what each treatment costs against its baseline.`,
		Example: `  tare meshmark last --assigned memory=128MiB
  tare meshmark last --assigned memory.proxy=64MiB --assigned memory.service=256MiB --assigned cpu.proxy=0.5
  tare meshmark last --weight cpu.proxy=0.5 -o json`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			terms, err := parseTerms(assigned, weights)
			if err != nil {
				return input(err)
			}
			return withReport(c, s, *data, args, func(r *report.Report, rec store.Record) error {
				xs, err := smp.Meshmark(r, rec.Experiment, rec.Blocks, terms)
				if err != nil {
					return input(err)
				}
				if *output == asJSON {
					return printJSON(c, xs)
				}
				return printIndices(c, xs)
			})
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data, output = dataFlag(c), outputFlag(c)
	c.Flags().StringArrayVar(&assigned, "assigned", nil, "what a process may use, `CLASS[.ROLE]=AMOUNT`: cpu=0.5 (cores), memory.proxy=64MiB")
	c.Flags().StringArrayVar(&weights, "weight", nil, "how much more or less a use counts, `CLASS[.ROLE]=W` with W from -0.5 to 0.5")
	return c
}

func parseTerms(assigned, weights []string) (smp.Terms, error) {
	var terms smp.Terms
	for _, text := range assigned {
		t, value, err := parseTerm("assigned", text)
		if err != nil {
			return terms, err
		}
		if t.Value, err = amount(t.Class, value); err != nil {
			return terms, fmt.Errorf("--assigned %s: %w", text, err)
		}
		terms.Assigned = append(terms.Assigned, t)
	}
	for _, text := range weights {
		t, value, err := parseTerm("weight", text)
		if err != nil {
			return terms, err
		}
		if t.Value, err = strconv.ParseFloat(value, 64); err != nil {
			return terms, fmt.Errorf("--weight %s: %q is no number", text, value)
		}
		terms.Weights = append(terms.Weights, t)
	}
	return terms, terms.Check()
}

// roles are those whose use is measured.
var roles = []string{"proxy", "service"}

func parseTerm(flag, text string) (smp.Term, string, error) {
	what, value, ok := strings.Cut(text, "=")
	class, role, hasRole := strings.Cut(what, ".")
	if !ok || class == "" || hasRole && role != roles[0] && role != roles[1] {
		return smp.Term{}, "", fmt.Errorf("--%s %s: want CLASS=… or CLASS.ROLE=… (classes: %s; roles: %s)", flag, text, strings.Join(smp.Classes(), ", "), strings.Join(roles, ", "))
	}
	return smp.Term{Class: class, Role: role}, value, nil
}

// sizes are the units of memory, in bytes.
var sizes = []struct {
	unit  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}

// amount reads cores, or a size as MB.
func amount(class, text string) (float64, error) {
	if class != smp.ClassMemory {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is no number of cores", text)
		}
		return x, nil
	}
	for _, s := range sizes {
		if number, ok := strings.CutSuffix(text, s.unit); ok {
			if x, err := strconv.ParseFloat(number, 64); err == nil {
				return x * s.bytes / 1e6, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is no size such as 64MiB", text)
}

func printIndices(c *cobra.Command, xs []smp.Index) error {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "%s: how little of what is assigned was used; read it with the cost below\n\n", smp.IndexFormat)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TREATMENT\tscore\tclass\tvalue\trole\tused\tassigned\tweight\tassigned by")
	for _, x := range xs {
		name, score := x.Treatment, orDash(x.Score, "%.1f")
		for _, class := range x.Classes {
			value := orDash(class.Value, "%.3f")
			for _, u := range class.Uses {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.4g %s\t%s\t%+g\t%s\n", name, score, class.Name, value, u.Role, u.Used, class.Unit, limit(u.Assigned, class.Unit), u.Weight, u.Source)
				name, score, value = "", "", ""
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, x := range xs {
		if x.Score == nil {
			fmt.Fprintf(out, "no score for %s: %s\n", x.Treatment, x.Why)
		}
	}
	return printCosts(c, xs)
}

func printCosts(c *cobra.Command, xs []smp.Index) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCOST OF\tagainst\twhat\tit\tbaseline\tdifference\tinterval\tverdict")
	for _, x := range xs {
		for _, cost := range x.Cost {
			between := ""
			if cost.Low != nil && cost.High != nil {
				between = fmt.Sprintf("[%.4g, %.4g]", *cost.Low, *cost.High)
			}
			fmt.Fprintf(w, "%s\t%s\t%s, %s\t%s\t%s\t%s\t%s\t%s\n", x.Treatment, x.Baseline, cost.What, cost.Unit,
				orDash(cost.Treatment, "%.4g"), orDash(cost.Baseline, "%.4g"), orDash(cost.Difference, "%+.4g"), between, cost.Verdict)
		}
	}
	return w.Flush()
}

func orDash(x *float64, format string) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf(format, *x)
}

func limit(x float64, unit string) string {
	if x <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.4g %s", x, unit)
}
