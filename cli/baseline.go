package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/store"
)

func newBaseline(s State) *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Give kept results names that later ones are compared with",
		Long: `Give kept results names that stay while results come and go. A name is used as
tare gate --baseline NAME, and wherever a result is asked as baseline:NAME.
Retention does not take a result that has one.`,
		Example: `  tare baseline set main last --why "release 1.4"
  tare baseline list`,
		Args: exactly(0, "a subcommand: set, list or remove"),
		RunE: func(c *cobra.Command, _ []string) error {
			return inputf("%s takes a subcommand: set, list or remove", c.CommandPath())
		},
	}
	c.AddCommand(newBaselineSet(s), newBaselineList(s), newBaselineRemove(s))
	return c
}

func newBaselineSet(s State) *cobra.Command {
	var data *string
	why := ""
	c := &cobra.Command{
		Use:     "set NAME ID|last",
		Short:   "Name a kept result, or give the name to another one",
		Example: `  tare baseline set main last --why "release 1.4"`,
		Args:    exactly(2, "a name, and an id, the beginning of one, or last"),
		RunE: func(c *cobra.Command, args []string) error {
			return withLabels(c, s, *data, args[1], func(st store.Store, id string) error {
				b := store.Baseline{Name: args[0], Experiment: id, Since: time.Now().UTC(), Why: why}
				if err := b.Check(); err != nil {
					return input(err)
				}
				if err := st.SetBaseline(c.Context(), b); err != nil {
					return asInput(err)
				}
				fmt.Fprintf(c.OutOrStdout(), "baseline %s is %s\n", b.Name, id)
				return nil
			})
		},
		ValidArgsFunction: second(results(s, anyState)),
	}
	data = dataFlag(c)
	c.Flags().StringVar(&why, "why", "", "what makes it the baseline, in a line")
	return c
}

func newBaselineList(s State) *cobra.Command {
	var data, output *string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the names, what they name, and which of these are gone",
		Example: "  tare baseline list -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			all, err := namedResults(c.Context(), s, *data)
			if err != nil {
				return err
			}
			if *output == asJSON {
				return printJSON(c, all)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tID\tSTUDY\tSINCE\tWHY")
			for _, b := range all {
				study := b.Study
				if b.Gone {
					study = "(gone)"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.Name, b.Experiment, study, b.Since.Format(time.DateTime), firstLine(b.Why))
			}
			return w.Flush()
		},
	}
	data, output = dataFlag(c), outputFlag(c)
	return c
}

// namedResult is a baseline with what it names.
type namedResult struct {
	store.Baseline
	Study string `json:"study,omitempty"`
	Gone  bool   `json:"gone"`
}

func namedResults(ctx context.Context, s State, data string) ([]namedResult, error) {
	all := []namedResult{}
	st, err := openStore(ctx, s, data)
	if errors.Is(err, store.ErrNothing) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	baselines, err := st.Baselines(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := st.List(ctx)
	if err != nil {
		return nil, err
	}
	studies := map[string]string{}
	for _, e := range entries {
		studies[e.ID] = e.Study
	}
	for _, b := range baselines {
		study, kept := studies[b.Experiment]
		all = append(all, namedResult{b, study, !kept})
	}
	return all, nil
}

func newBaselineRemove(s State) *cobra.Command {
	var data *string
	c := &cobra.Command{
		Use:     "remove NAME",
		Short:   "Take a name away; the result stays",
		Example: "  tare baseline remove main",
		Args:    exactly(1, "a name"),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := openForLabels(c.Context(), s, *data)
			if err != nil {
				return err
			}
			defer st.Close()
			return asInput(st.RemoveBaseline(c.Context(), args[0]))
		},
		ValidArgsFunction: first(baselineNames(s)),
	}
	data = dataFlag(c)
	return c
}

// openForLabels opens results that are there to change what is said of them;
// an older schema is brought forward.
func openForLabels(ctx context.Context, s State, data string) (store.Store, error) {
	there, err := openStore(ctx, s, data)
	if err != nil {
		return nil, err
	}
	if err := there.Close(); err != nil {
		return nil, err
	}
	dir, err := dataDir(s, data)
	if err != nil {
		return nil, err
	}
	return catalog.OpenStore(ctx, dir)
}

// withLabels opens the results and finds the one of that name.
func withLabels(c *cobra.Command, s State, data, name string, do func(st store.Store, id string) error) error {
	st, err := openForLabels(c.Context(), s, data)
	if err != nil {
		return err
	}
	defer st.Close()
	id, err := resolve(c.Context(), st, name)
	if err != nil {
		return err
	}
	return do(st, id)
}

// baselinePrefix marks the name of a kept baseline where a result is asked.
const baselinePrefix = "baseline:"

// resolve finds the result that a user means: an id, the beginning of one,
// last, or baseline:NAME.
func resolve(ctx context.Context, st store.Store, name string) (string, error) {
	of, isBaseline := strings.CutPrefix(name, baselinePrefix)
	if !isBaseline {
		id, err := st.Resolve(ctx, name)
		return id, asInput(err)
	}
	baselines, err := st.Baselines(ctx)
	if err != nil {
		return "", err
	}
	entries, err := st.List(ctx)
	if err != nil {
		return "", err
	}
	b, err := store.FindBaseline(baselines, entries, of)
	return b.Experiment, input(err)
}

// asInput marks those errors of a store that are the user's.
func asInput(err error) error {
	for _, theirs := range []error{store.ErrUnknown, store.ErrAmbiguous, store.ErrNothing, store.ErrNoBaseline, store.ErrGone, store.ErrHeld, store.ErrExists, store.ErrVersion} {
		if errors.Is(err, theirs) {
			return input(err)
		}
	}
	return err
}

// firstLine is a text for a cell of a table.
func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}

// second completes the second argument and no other.
func second(f completer) completer {
	return func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return nothing(c, args, typed)
		}
		return f(c, args, typed)
	}
}

// baselineNames completes the names of kept baselines.
func baselineNames(s State) completer {
	return suggest(s, cobra.ShellCompDirectiveDefault, namedResults, func(all []namedResult, add func(word, about string)) {
		for _, b := range all {
			add(b.Name, b.Experiment+" "+b.Study)
		}
	})
}
