package cli

import (
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/exposition"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
)

// asHgrm is the one format that needs the raw samples.
const asHgrm = "hgrm"

// reportFormats are what a report can be printed as.
var reportFormats = []struct {
	name  string
	write func(w io.Writer, r *report.Report) error
}{
	{table, func(w io.Writer, r *report.Report) error { return r.Text(w) }},
	{asJSON, func(w io.Writer, r *report.Report) error { return r.JSON(w) }},
	{"html", func(w io.Writer, r *report.Report) error { return r.HTML(w) }},
	{"csv", func(w io.Writer, r *report.Report) error { return r.CSV(w) }},
	{"bench", exposition.Bench},
	{"openmetrics", exposition.OpenMetrics},
}

// formatNames lists them all.
func formatNames() []string {
	var names []string
	for _, f := range reportFormats {
		names = append(names, f.name)
	}
	return append(names, asHgrm)
}

func checkFormat(format string) error {
	if !slices.Contains(formatNames(), format) {
		return inputf("unknown output format %q (known: %s)", format, strings.Join(formatNames(), ", "))
	}
	return nil
}

func printReport(c *cobra.Command, r *report.Report, format string) error {
	for _, f := range reportFormats {
		if f.name == format {
			return f.write(c.OutOrStdout(), r)
		}
	}
	return checkFormat(format)
}

// recordOutputs are the outputs of a command that has the record of a result,
// and so all formats.
type recordOutputs struct {
	*outputs
	treatment string // of -o hgrm
	folder    string // of --hgrm
}

func recordFlags(c *cobra.Command) *recordOutputs {
	o := &recordOutputs{outputs: outputFlags(c)}
	o.known = checkFormat
	c.Flags().Lookup("output").Usage = "output format: table, json, html, csv, bench (benchstat reads it), openmetrics, or hgrm with --treatment"
	c.Flags().StringVar(&o.treatment, "treatment", "", "of -o hgrm: the treatment whose percentiles are printed")
	c.Flags().StringVar(&o.folder, "hgrm", "", "also write each treatment's percentiles into a `directory`, as TREATMENT.hgrm")
	for flag, f := range map[string]completer{"output": fixed(formatNames()...), "hgrm": directories} {
		_ = c.RegisterFlagCompletionFunc(flag, f) // the flag is there
	}
	return o
}

// settle refuses what could not be written in the end.
func (o *recordOutputs) settle(r *report.Report) error {
	switch {
	case o.format != asHgrm && o.treatment != "":
		return inputf("--treatment is of -o hgrm")
	case o.format == asHgrm && o.treatment == "" && len(r.Treatments) != 1:
		return inputf("-o hgrm prints one treatment: say which by --treatment, or write all by --hgrm DIR (treatments: %s)", strings.Join(treatmentNames(r), ", "))
	case o.format == asHgrm && o.treatment == "":
		o.treatment = r.Treatments[0].Name
	case o.treatment != "" && !slices.Contains(treatmentNames(r), o.treatment):
		return inputf("--treatment %s: no such treatment (known: %s)", o.treatment, strings.Join(treatmentNames(r), ", "))
	}
	if o.folder != "" {
		if err := writable(filepath.Join(o.folder, "tare.hgrm")); err != nil {
			return inputf("--hgrm: %w", err)
		}
	}
	return nil
}

func treatmentNames(r *report.Report) []string {
	var names []string
	for _, t := range r.Treatments {
		names = append(names, t.Name)
	}
	return names
}

// printRecord gives the report everywhere that it was asked for.
func (o *recordOutputs) printRecord(c *cobra.Command, r *report.Report, rec store.Record) error {
	if err := o.settle(r); err != nil {
		return err
	}
	var errs []error
	if o.folder != "" {
		for _, name := range treatmentNames(r) {
			errs = append(errs, replace(filepath.Join(o.folder, name+".hgrm"), func(w io.Writer) error {
				return exposition.Hgrm(w, rec.Experiment, rec.Blocks, name)
			}))
		}
	}
	if o.format != asHgrm {
		return errors.Join(append(errs, o.print(c, r))...)
	}
	errs = append(errs, exposition.Hgrm(c.OutOrStdout(), rec.Experiment, rec.Blocks, o.treatment), o.files(c, r))
	return errors.Join(errs...)
}
