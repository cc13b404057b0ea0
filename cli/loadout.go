package cli

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/exposition"
	"github.com/taremesh/tare/loadreport"
)

// loadOutputs says where the result of a load goes, and as what.
type loadOutputs struct {
	format                   string
	html, csv, hgrm, samples string // files; - is standard output, in the place of the table
}

func (o *loadOutputs) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&o.format, "output", "o", table, "output format: table or json")
	f.StringVar(&o.html, "html", "", "also write a page with the heat map, the spectrum and the checks as one HTML `file`")
	f.StringVar(&o.csv, "csv", "", "also write the load over time as a CSV `file`")
	f.StringVar(&o.hgrm, "hgrm", "", "also write the latency's percentiles as HdrHistogram's text into a `file`")
	f.StringVar(&o.samples, "samples", "", "also write every request into a `file`, as docs/formats/samples.md says")
}

// loadFile is one of the files that may be asked for.
type loadFile struct {
	flag, file string
	write      func(io.Writer, *loadreport.Result, *gathered) error
}

func (o *loadOutputs) files() []loadFile {
	return []loadFile{
		{"--html", o.html, func(w io.Writer, r *loadreport.Result, _ *gathered) error { return r.HTML(w) }},
		{"--csv", o.csv, func(w io.Writer, r *loadreport.Result, _ *gathered) error { return r.CSV(w) }},
		{"--hgrm", o.hgrm, func(w io.Writer, _ *loadreport.Result, g *gathered) error {
			greatest, err := g.collector.Greatest()
			if err != nil {
				return err
			}
			return g.collector.Responses(func(all iter.Seq[time.Duration]) error { return exposition.Percentiles(w, greatest, all) })
		}},
		{"--samples", o.samples, func(w io.Writer, _ *loadreport.Result, g *gathered) error { return g.collector.EncodeSamples(w) }},
	}
}

// check refuses what could not be written in the end, before anything begins.
func (o *loadOutputs) check(c *cobra.Command) error {
	if err := checkOutput(o.format); err != nil {
		return err
	}
	var standards []string
	if c.Flags().Changed("output") {
		standards = append(standards, "-o "+o.format)
	}
	taken := map[string]string{}
	for _, f := range o.files() {
		switch {
		case f.file == "":
		case f.file == standard:
			standards = append(standards, f.flag+" -")
		case taken[f.file] != "":
			return inputf("%s and %s name the same file %s", taken[f.file], f.flag, f.file)
		default:
			if err := writable(f.file); err != nil {
				return inputf("%s: %w", f.flag, err)
			}
			taken[f.file] = f.flag
		}
	}
	if len(standards) > 1 {
		return inputf("%s and %s both want standard output: give one a file", standards[0], standards[1])
	}
	return nil
}

// print gives the result everywhere that it was asked for.
func (o *loadOutputs) print(c *cobra.Command, r *loadreport.Result, g *gathered) error {
	var errs []error
	toStandard := false
	for _, f := range o.files() {
		toStandard = toStandard || f.file == standard
		if err := give(c, f.file, func(w io.Writer) error { return f.write(w, r, g) }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.flag, err))
		}
	}
	switch {
	case toStandard:
	case o.format == asJSON:
		errs = append(errs, printJSON(c, r))
	default:
		errs = append(errs, r.Text(c.OutOrStdout()))
	}
	return errors.Join(errs...)
}
