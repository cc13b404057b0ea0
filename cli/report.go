package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
)

func newReport(s State) *cobra.Command {
	var data *string
	var out *recordOutputs
	c := &cobra.Command{
		Use:   "report [ID|last]",
		Short: "Print the report of a kept result (default last)",
		Example: `  tare report last -o json
  tare report last --html report.html --csv figures.csv
  tare report last -o bench > new.txt && benchstat -col /treatment new.txt
  tare report last -o hgrm --treatment native > native.hgrm
  tare report last -o openmetrics > tare.prom`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				args = []string{"last"}
			case len(args) > 1:
				return exactly(1, "one id, the beginning of one, or last")(c, args)
			}
			return withResult(c, s, *data, out.outputs, args[0], func(_ store.Store, rec store.Record) error {
				r, err := report.New(rec.Experiment, rec.State, rec.Blocks)
				if err != nil {
					return err
				}
				return out.printRecord(c, r, rec)
			})
		},
	}
	data, out = dataFlag(c), recordFlags(c)
	return c
}

// withResult loads the result of that name and hands it over with its store.
func withResult(c *cobra.Command, s State, data string, out *outputs, name string, do func(store.Store, store.Record) error) error {
	if err := out.check(c); err != nil {
		return err
	}
	st, err := openStore(c.Context(), s, data)
	if err != nil {
		return err
	}
	defer st.Close()
	id, err := resolve(c.Context(), st, name)
	if err != nil {
		return err
	}
	rec, err := st.Load(c.Context(), id)
	if err != nil {
		return err
	}
	return do(st, rec)
}

// shown is what show prints as JSON: the report with the journal beside it.
type shown struct {
	*report.Report
	Journal []store.BlockEntry `json:"journal"`
}

func newShow(s State) *cobra.Command {
	var data *string
	var out *outputs
	c := &cobra.Command{
		Use:     "show ID|last",
		Short:   "Show a kept result with its journal of blocks",
		Example: "  tare show last -o json | jq .journal",
		Args:    exactly(1, "an id, the beginning of one, or last"),
		RunE: func(c *cobra.Command, args []string) error {
			return withResult(c, s, *data, out, args[0], func(st store.Store, rec store.Record) error {
				return show(c, st, rec, out)
			})
		},
	}
	data, out = dataFlag(c), outputFlags(c)
	return c
}

func show(c *cobra.Command, st store.Store, rec store.Record, out *outputs) error {
	journal, err := st.Blocks(c.Context(), rec.Experiment.ID)
	if err != nil {
		return err
	}
	r, err := report.New(rec.Experiment, rec.State, rec.Blocks)
	if err != nil {
		r = report.Unfinished(rec.Experiment, rec.State, err)
	}
	if err := out.files(c, r); err != nil || out.toStandard() {
		return err
	}
	if out.format == asJSON {
		return printJSON(c, shown{r, journal})
	}
	if err := r.Text(c.OutOrStdout()); err != nil {
		return err
	}
	return printJournal(c, journal)
}

func printJournal(c *cobra.Command, journal []store.BlockEntry) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nBLOCK\tattempt\tid\tstarted\tsamples sha256\tvoid")
	for _, b := range journal {
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%.12s\t%s\n", b.Block, b.Attempt, b.ID, b.Started.Format(time.DateTime), b.SHA256, b.Void)
	}
	return w.Flush()
}

func newList(s State) *cobra.Command {
	var data, output *string
	var tags []string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the kept results, newest first, with what is said of them",
		Example: "  tare list --tag nightly",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			es, err := listed(c.Context(), s, *data)
			if err != nil {
				return err
			}
			es = tagged(es, tags)
			if *output == asJSON {
				return printJSON(c, es)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSTUDY\tSTARTED\tSTATE\tBLOCKS\tVOID\tDIGEST\tLABELS")
			for _, e := range es {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%.12s\t%s\n", e.ID, e.Study, e.Started.Format(time.DateTime), e.State, e.Blocks, e.Voids, e.Digest, labelsText(e))
			}
			return w.Flush()
		},
	}
	data, output = dataFlag(c), outputFlag(c)
	c.Flags().StringSliceVar(&tags, "tag", nil, "only results with all of these tags")
	return c
}

// listed is every kept result; a directory without any has none.
func listed(ctx context.Context, s State, data string) ([]store.Entry, error) {
	st, err := openStore(ctx, s, data)
	if errors.Is(err, store.ErrNothing) {
		return []store.Entry{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return st.List(ctx)
}
