package cli

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/smp"
	"github.com/taremesh/tare/store"
)

func newSMP(s State) *cobra.Command {
	c := &cobra.Command{
		Use:   "smp",
		Short: "Take in and give out files of Service Mesh Performance",
		Args:  exactly(0, "a subcommand: import, export"),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newSMPImport(s), newSMPExport(s))
	return c
}

func newSMPImport(s State) *cobra.Command {
	unit := ""
	var output *string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a study of a test file, or figures of a result file",
		Long: `Read a file of Service Mesh Performance, YAML or JSON; - is standard input.

A test file becomes a study on standard output: a treatment for each endpoint of
each client, URLs whole, with the load generator that the file names. What a
study has no word for stays in its block smp. A study whose generator or
workload tare lacks is refused by tare run, by name.

A result file becomes figures in microseconds. The field latencies_ms of many
files holds seconds: one whose greatest latency is below 1 is refused until
--latency-unit says the unit.`,
		Example: `  tare smp import test.yaml > study.yaml
  tare smp import result.yaml --latency-unit s
  tare smp import result.yaml -o json`,
		Args: exactly(1, "one file"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			if unit != "" && !slices.Contains(smp.LatencyUnits(), smp.LatencyUnit(unit)) {
				return inputf("--latency-unit %s: unknown unit (known: ms, s)", unit)
			}
			f, err := readSMP(s, args[0])
			if err != nil {
				return input(err)
			}
			if len(f.Results) > 0 {
				return importResults(c, f, smp.LatencyUnit(unit), *output)
			}
			if unit != "" {
				return inputf("--latency-unit is of result files, and %s is a test", args[0])
			}
			text, err := f.Study()
			if err != nil {
				return input(err)
			}
			_, err = c.OutOrStdout().Write(text)
			return err
		},
		ValidArgsFunction: first(files("yaml", "yml", "json")),
	}
	c.Flags().StringVar(&unit, "latency-unit", "", "what latencies_ms of a result file holds: ms or s")
	output = outputFlag(c)
	_ = c.RegisterFlagCompletionFunc("latency-unit", fixed(string(smp.Milliseconds), string(smp.Seconds))) // the flag is there
	return c
}

// mostSMP is more than any file of messages needs.
const mostSMP = 4 << 20

func readSMP(s State, name string) (*smp.File, error) {
	r := s.In
	if name != standard {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read SMP: %w", err)
		}
		defer f.Close()
		r = f
	}
	text, err := io.ReadAll(io.LimitReader(r, mostSMP+1))
	if err != nil {
		return nil, fmt.Errorf("read SMP: %w", err)
	}
	if len(text) > mostSMP {
		return nil, fmt.Errorf("%s: larger than %d MiB: no file of this format is", name, mostSMP>>20)
	}
	return smp.Read(name, text)
}

func importResults(c *cobra.Command, f *smp.File, unit smp.LatencyUnit, output string) error {
	figures, err := f.Figures(unit)
	if err != nil {
		return input(err)
	}
	if output == asJSON {
		return printJSON(c, figures)
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "result\tstarted\trequests/s\tmin µs\tmean µs\tp50 µs\tp90 µs\tp99 µs\tmax µs\t")
	for _, x := range figures {
		l := x.Latency
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", x.ID, x.Started, figure(x.Rate), figure(l.Min), figure(l.Mean), figure(l.P50), figure(l.P90), figure(l.P99), figure(l.Max))
	}
	return w.Flush()
}

func figure(x *float64) string { return orDash(x, "%.1f") }

func newSMPExport(s State) *cobra.Command {
	format, details := string(smp.YAML), ""
	var data *string
	c := &cobra.Command{
		Use:   "export [ID|last]",
		Short: "Write a kept result as the official messages of Service Mesh Performance",
		Long: `Write a kept result (default last) as messages of Service Mesh Performance
` + smp.Version + `: a result for each treatment, the configurations of their
proxies, the test and the environment. Latencies are in milliseconds. What no
message has a field for (intervals, blocks, errors, verdicts, the generator, no
mesh) stands in labels, and whole in the report, which details_uri names:
--details writes it.`,
		Example: `  tare smp export last > result.yaml
  tare smp export last --format json --details details.json > result.json`,
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(smp.Encodings(), smp.Encoding(format)) {
				return inputf("unknown format %q (known: yaml, json)", format)
			}
			if details != "" {
				if err := writable(details); err != nil {
					return inputf("--details: %w", err)
				}
			}
			return withReport(c, s, *data, args, func(r *report.Report, rec store.Record) error {
				return export(c, r, rec, smp.Encoding(format), details)
			})
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data = dataFlag(c)
	c.Flags().StringVar(&format, "format", format, "yaml or json")
	c.Flags().StringVar(&details, "details", "", "also write the report as a JSON `file`, which details_uri then names")
	for flag, f := range map[string]completer{"format": fixed(string(smp.YAML), string(smp.JSON)), "details": files("json")} {
		_ = c.RegisterFlagCompletionFunc(flag, f) // the flag is there
	}
	return c
}

func export(c *cobra.Command, r *report.Report, rec store.Record, as smp.Encoding, details string) error {
	uri := "urn:tare:report:" + r.ID
	if details != "" {
		uri = (&url.URL{Path: details}).String()
	}
	f, err := smp.Export(r, rec.Experiment, rec.Blocks, uri)
	if err != nil {
		return err
	}
	if details != "" {
		if err := replace(details, r.JSON); err != nil {
			return err
		}
	}
	return f.Write(c.OutOrStdout(), as)
}

// withReport loads the result that the arguments name, last without one, and
// hands its report over with it.
func withReport(c *cobra.Command, s State, data string, args []string, do func(*report.Report, store.Record) error) error {
	switch {
	case len(args) == 0:
		args = []string{"last"}
	case len(args) > 1:
		return exactly(1, "one id, the beginning of one, or last")(c, args)
	}
	return withResult(c, s, data, &outputs{format: table, known: checkOutput}, args[0], func(_ store.Store, rec store.Record) error {
		r, err := report.New(rec.Experiment, rec.State, rec.Blocks)
		if err != nil {
			return err
		}
		return do(r, rec)
	})
}
