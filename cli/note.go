package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/store"
)

func newNote(s State) *cobra.Command {
	var data *string
	c := &cobra.Command{
		Use:     "note ID|last TEXT",
		Short:   "Write a note on a kept result; an empty text takes it away",
		Example: `  tare note last "after the kernel upgrade"`,
		Args:    exactly(2, "an id, the beginning of one, or last, and a text in quotes"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := store.CheckNote(args[1]); err != nil {
				return input(err)
			}
			return withLabels(c, s, *data, args[0], func(st store.Store, id string) error {
				return st.Annotate(c.Context(), id, args[1])
			})
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data = dataFlag(c)
	return c
}

func newTag(s State) *cobra.Command {
	var data *string
	var remove []string
	c := &cobra.Command{
		Use:   "tag ID|last TAG…",
		Short: "Put tags on a kept result, which tare list filters by",
		Long: `Put tags on a kept result. tare list --tag shows those that have one. The tag
"keep" holds a result: retention does not take it.`,
		Example: `  tare tag last nightly envoy-1.40
  tare tag last --remove nightly`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) < 2 && len(remove) == 0 {
				return inputf("%s takes an id, the beginning of one, or last, and tags; see %s --help", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := store.CheckTags(args[1:]); err != nil {
				return input(err)
			}
			return withLabels(c, s, *data, args[0], func(st store.Store, id string) error {
				return st.Tag(c.Context(), id, args[1:], remove)
			})
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	data = dataFlag(c)
	c.Flags().StringSliceVar(&remove, "remove", nil, "tags to take away")
	return c
}

// tagged leaves the entries that have every one of the tags.
func tagged(entries []store.Entry, tags []string) []store.Entry {
	wanted := []store.Entry{} // in JSON none is a list too
	for _, e := range entries {
		if !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(e.Tags, t) }) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// labelsText is what is said of an entry, for a cell of a table.
func labelsText(e store.Entry) string {
	text := ""
	for _, b := range e.Baselines {
		text += fmt.Sprintf("%s%s ", baselinePrefix, b)
	}
	for _, t := range e.Tags {
		text += t + " "
	}
	if e.Note != "" {
		text += fmt.Sprintf("“%s”", firstLine(e.Note))
	}
	return text
}
