package cli

import "github.com/spf13/cobra"

func newAtlasAdvice(s State) *cobra.Command {
	f := &atlasFlags{kept: true}
	var data, output *string
	c := &cobra.Command{
		Use:   "advice FUNCTION",
		Short: "Say where a function could be put, from what an atlas measured and showed",
		Long: `Say where a function could be put: the cheapest place, those that cannot be told
from it, and which places were shown to keep state together, to be swapped under
load, to survive wrong code. It reads what is kept of every atlas, and weighs
nothing.`,
		Example:           `  tare atlas advice ratelimit`,
		Args:              exactly(1, "the name of a function"),
		ValidArgsFunction: first(functionNames),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			m, err := newAtlasMaker(s, c, *data, f)
			if err != nil {
				return err
			}
			a, err := m.make(c.Context())
			if err != nil {
				return err
			}
			x, err := a.Advise(args[0])
			if err != nil {
				return input(err)
			}
			if *output == asJSON {
				return printJSON(c, x)
			}
			return x.Text(c.OutOrStdout())
		},
	}
	data, output = dataFlag(c), outputFlag(c)
	return c
}
