package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
)

// asMarkdown is an output format of what is meant for a page.
const asMarkdown = "markdown"

func newCompare(s State) *cobra.Command {
	var data *string
	var names, margins []string
	output, force := table, false
	c := &cobra.Command{
		Use:   "compare OLD NEW",
		Short: "Compare two kept results, and say what differs between them",
		Long: `Compare a new result with an old one: of each treatment the difference from its
in-run baseline, then and now, in which what befell the host in between cancels;
and its own figures, which hold that. Intervals are those of independent runs;
verdicts are by the new result's margins. What differs between the two (host,
kernel, versions, digests, load) is always listed. Results of another workload,
load, design or host CPU are refused, unless forced: the answer then says so.

OLD and NEW are ids, beginnings of ids, last, or baseline:NAME.`,
		Example: `  tare compare baseline:main last
  tare compare 20300102-a4 last -o markdown
  tare compare off-mesh on-mesh --map library-off-mesh=library`,
		Args: exactly(2, "two results, the old one first"),
		RunE: func(c *cobra.Command, args []string) error {
			if output != asMarkdown {
				if err := checkOutput(output); err != nil {
					return inputf("unknown output format %q (known: table, json, markdown)", output)
				}
			}
			mapped, err := parseMap(names)
			if err != nil {
				return err
			}
			asked, err := parseMargins(margins)
			if err != nil {
				return err
			}
			st, err := openStore(c.Context(), s, *data)
			if err != nil {
				return err
			}
			defer st.Close()
			_, _, a, err := compareResults(c.Context(), st, args[0], args[1], asked, comparison.Options{Force: force, Map: mapped})
			if err != nil {
				return err
			}
			switch output {
			case asJSON:
				return a.JSON(c.OutOrStdout())
			case asMarkdown:
				return a.Markdown(c.OutOrStdout())
			}
			return a.Text(c.OutOrStdout())
		},
	}
	data = dataFlag(c)
	c.Flags().StringVarP(&output, "output", "o", table, "output format: table, json or markdown")
	_ = c.RegisterFlagCompletionFunc("output", fixed(table, asJSON, asMarkdown)) // fails for a flag that is not there
	c.Flags().BoolVar(&force, "force", false, "also compare what is not comparable; the answer says so")
	c.Flags().StringSliceVar(&names, "map", nil, "treatments that changed their name, as in `old=new`")
	c.Flags().StringSliceVar(&margins, "margin", nil, "other margins than the plan's, as in `cpu=1%,p50=5us`")
	c.ValidArgsFunction = results(s, anyState)
	return c
}

// readResult loads a result of that name and analyses it.
func readResult(ctx context.Context, st store.Store, name string, asked study.Margins) (*comparison.Result, error) {
	id, err := resolve(ctx, st, name)
	if err != nil {
		return nil, err
	}
	rec, err := st.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	r, err := comparison.Read(rec.Experiment, rec.State, rec.Blocks, asked)
	if errors.Is(err, comparison.ErrEmpty) || errors.Is(err, comparison.ErrIncomparable) {
		return nil, input(err)
	}
	return r, err
}

func compareResults(ctx context.Context, st store.Store, oldName, newName string, asked study.Margins, o comparison.Options) (old, now *comparison.Result, a *comparison.Answer, err error) {
	if old, err = readResult(ctx, st, oldName, asked); err != nil {
		return nil, nil, nil, err
	}
	if now, err = readResult(ctx, st, newName, asked); err != nil {
		return nil, nil, nil, err
	}
	a, err = comparison.Compare(old, now, o)
	return old, now, a, input(err)
}

func parseMap(pairs []string) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range pairs {
		old, name, ok := strings.Cut(p, "=")
		if !ok || old == "" || name == "" {
			return nil, inputf("--map %s: want the old name and the new one, as in old=new", p)
		}
		if _, twice := out[old]; twice {
			return nil, inputf("--map names %q twice", old)
		}
		out[old] = name
	}
	return out, nil
}

// parseMargins reads margins as a study file has them.
func parseMargins(pairs []string) (study.Margins, error) {
	var ms study.Margins
	into := map[string]*study.Margin{"p50": &ms.P50, "p99": &ms.P99, "cpu": &ms.CPU, "rate": &ms.Rate}
	for _, p := range pairs {
		name, text, ok := strings.Cut(p, "=")
		m := into[name]
		if !ok || m == nil {
			return ms, inputf("--margin %s: want p50, p99, cpu or rate with a margin, as in cpu=1%%", p)
		}
		if !m.IsZero() {
			return ms, inputf("--margin gives that of %s twice", name)
		}
		if err := m.UnmarshalText([]byte(text)); err != nil {
			return ms, inputf("--margin %s: %w", p, err)
		}
	}
	return ms, nil
}
