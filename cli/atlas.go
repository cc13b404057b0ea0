package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/atlas"
)

// atlasFormats are what an atlas can be printed as.
var atlasFormats = []struct {
	name  string
	write func(*atlas.Atlas, io.Writer) error
}{
	{table, (*atlas.Atlas).Text},
	{asJSON, (*atlas.Atlas).JSON},
	{"html", (*atlas.Atlas).HTML},
}

// atlasFlags are what an atlas covers and how it is made.
type atlasFlags struct {
	planes, only, weights, output, html string
	time                                time.Duration
	abreast                             int
	seed                                uint64
	kept                                bool
}

func newAtlas(s State) *cobra.Command {
	f := &atlasFlags{}
	var data *string
	c := &cobra.Command{
		Use:   "atlas",
		Short: "Weigh every function in every form a little, and print it against what each form can do",
		Long: `Weigh every function in every form on every data plane: a screening, in which
each gets a short look. Batches of a few stand at a time and share their controls:
an A/A copy, and the no-op of the same form. Each batch is a result of its own,
kept like any other (tare list); with the same command an interrupted atlas goes
on, and a whole one is printed again at once. --seed makes a new one. Where memory
is short, fewer stand at a time, in more batches.

What is added to a request is measured. What a form can do is what the project's
tests did with it through real proxies: reach, state and safety, each cell shown,
refused with the plane's words, or not tried.`,
		Example: `  tare atlas --time 25m --html atlas.html
  tare atlas --dataplane embedded,envoy --only ratelimit,wasm -o json
  tare atlas --kept --weights reach=1,state=2,safety=3
  tare atlas advice route-path`,
		Args: exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			m, err := newAtlasMaker(s, c, *data, f)
			if err != nil {
				return err
			}
			made, err := m.make(c.Context())
			if err != nil {
				return err
			}
			if f.kept && len(made.Batches) == 0 {
				return inputf("of that, no finished batch of an atlas is kept; weigh it with: tare atlas")
			}
			return f.print(c, made)
		},
	}
	data = dataFlag(c)
	f.add(c)
	c.Flags().StringVarP(&f.output, "output", "o", table, "output format: table, json or html")
	c.Flags().StringVar(&f.html, "html", "", "also write the atlas as one HTML `file`")
	c.Flags().StringVar(&f.weights, "weights", "", "one number for each form, by weights such as reach=1,state=2,safety=3 (default none)")
	_ = c.RegisterFlagCompletionFunc("output", fixed(table, asJSON, "html")) // the flag is there
	c.AddCommand(newAtlasAdvice(s))
	return c
}

func (f *atlasFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.planes, "dataplane", "", "data planes, as in embedded,envoy (default those that are on this machine)")
	c.Flags().StringVar(&f.only, "only", "", "functions and forms to weigh, as in ratelimit,route-path,wasm (default all)")
	c.Flags().DurationVar(&f.time, "time", 0, "time for all of it, such as 20m (default half a minute for each batch)")
	c.Flags().IntVar(&f.abreast, "abreast", 0, fmt.Sprintf("functions that stand at a time (default %d, or fewer where memory is short)", atlas.DefaultAbreast))
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of every random choice; another one makes a new atlas")
	c.Flags().BoolVar(&f.kept, "kept", false, "weigh nothing: print what is kept, of each the newest")
}

func (f *atlasFlags) check() error {
	if !slices.ContainsFunc(atlasFormats, func(x struct {
		name  string
		write func(*atlas.Atlas, io.Writer) error
	}) bool {
		return x.name == f.output
	}) {
		return inputf("unknown output format %q (known: table, json, html)", f.output)
	}
	if f.html != "" {
		if err := writable(f.html); err != nil {
			return inputf("--html: %w", err)
		}
	}
	return f.checkScreen()
}

func (f *atlasFlags) checkScreen() error {
	switch {
	case f.time < 0:
		return inputf("--time %v: want a time above 0", f.time)
	case f.abreast < 0 || f.abreast > 20:
		return inputf("--abreast %d: want 1 to 20", f.abreast)
	}
	return nil
}

func (f *atlasFlags) print(c *cobra.Command, a *atlas.Atlas) error {
	var errs []error
	for _, x := range atlasFormats {
		if x.name == f.output {
			errs = append(errs, x.write(a, c.OutOrStdout()))
		}
	}
	return errors.Join(append(errs, give(c, f.html, a.HTML))...)
}
