package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
)

func newHistory(s State) *cobra.Command {
	var data, output *string
	var asked comparison.Asked
	out := &outputs{known: checkOutput}
	c := &cobra.Command{
		Use:   "history STUDY",
		Short: "Follow one study over its kept results, with change points",
		Long: `Follow one study over its kept results, oldest first: every difference and own
figure as a line, and the places where its level changed. Where results stop
being comparable (another host, another load) the line breaks, and the reasons
are named; changes are looked for between breaks only.`,
		Example: `  tare history imagehub
  tare history imagehub --treatment wasm --endpoint cpu -o json
  tare history imagehub --html history.html`,
		Args: exactly(1, "the name of a study"),
		RunE: func(c *cobra.Command, args []string) error {
			out.format = *output
			if err := out.check(c); err != nil {
				return err
			}
			h, err := historyOf(c.Context(), s, *data, args[0], asked)
			if err != nil {
				return err
			}
			if err := give(c, out.html, writeHistory(h)); err != nil || out.toStandard() {
				return err
			}
			if *output == asJSON {
				return h.JSON(c.OutOrStdout())
			}
			return h.Text(c.OutOrStdout())
		},
		ValidArgsFunction: first(studyNames(s)),
	}
	data, output = dataFlag(c), outputFlag(c)
	c.Flags().StringVar(&out.html, "html", "", "also write it as one HTML `file` with pictures; - is standard output, instead of the table")
	c.Flags().StringVar(&asked.Treatment, "treatment", "", "only this treatment")
	c.Flags().StringVar(&asked.Endpoint, "endpoint", "", "only this endpoint: p50, cpu, p99 or throughput")
	_ = c.RegisterFlagCompletionFunc("endpoint", fixed(comparison.GateEndpoints()...)) // fails for a flag that is not there
	return c
}

func historyOf(ctx context.Context, s State, data, name string, asked comparison.Asked) (*comparison.History, error) {
	t, err := comparison.NewTracer(asked)
	if err != nil {
		return nil, input(err)
	}
	st, err := openStore(ctx, s, data)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	entries, err := st.List(ctx)
	if err != nil {
		return nil, err
	}
	found := false
	for _, e := range entries {
		if e.Study != name {
			continue
		}
		found = true
		if err := trace(ctx, st, t, e); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, inputf("no result of a study %q is kept (there are: %s)", name, strings.Join(studiesOf(entries), ", "))
	}
	h, err := t.History()
	return h, input(err)
}

// trace adds one result. One that has no block that counts is named and left
// out; one that cannot be read is an error.
func trace(ctx context.Context, st store.Store, t *comparison.Tracer, e store.Entry) error {
	if e.Blocks == 0 {
		t.LeaveOut(e.ID, comparison.ErrEmpty.Error())
		return nil
	}
	r, err := readResult(ctx, st, e.ID, study.Margins{})
	if err != nil {
		return err
	}
	t.Add(r)
	return nil
}

// studiesOf lists the studies of results, those of the newest first.
func studiesOf(entries []store.Entry) []string {
	var names []string
	seen := map[string]bool{}
	for _, e := range entries {
		if !seen[e.Study] {
			names, seen[e.Study] = append(names, e.Study), true
		}
	}
	return names
}

// studyNames completes the studies that results are kept of.
func studyNames(s State) completer {
	return suggest(s, cobra.ShellCompDirectiveDefault, listed, func(entries []store.Entry, add func(word, about string)) {
		for _, name := range studiesOf(entries) {
			add(name, "")
		}
	})
}
