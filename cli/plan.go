package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

func newPlan(s State) *cobra.Command {
	var f planFlags
	var output *string
	c := &cobra.Command{
		Use:     "plan FILE",
		Short:   "Show what a run would do, and whether the load stays clear of the function's limits",
		Example: "  tare plan examples/imagehub.yaml --time 10m",
		Args:    exactly(1, "one study file"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			plan, err := f.plan(args[0])
			if err != nil {
				return input(err)
			}
			b, err := catalog.NewBench(s.Exe)
			if err != nil {
				return err
			}
			defer b.Close()
			_, forecast, err := lookUp(plan, b)
			if err != nil {
				return err
			}
			if *output == asJSON {
				err = printJSON(c, map[string]any{"plan": plan, "forecast": forecast})
			} else {
				printPlan(c, plan, forecast)
			}
			if err != nil {
				return err
			}
			return input(forecast.Check())
		},
	}
	f.add(c)
	output = outputFlag(c)
	return c
}

func printPlan(c *cobra.Command, p *study.Plan, f *experiment.Forecast) {
	out := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }
	s := p.Study
	out("%s: %s", s.Name, s.Question)
	out("%d blocks, about %s, seed %d, digest %.12s", len(p.Blocks), seconds(p.Expected), p.Seed, p.Digest)
	if p.Screening {
		out("SCREENING: fewer than %d blocks, no verdict but undecided; give it more time", study.MinBlocks)
	}
	out("intervals at %g %%; stops when %s", 100*p.Rule.Level, stopWords(p.Rule))
	out("")
	if cells := s.Cells(); cells != nil {
		printCells(out, p, cells)
	} else if s.Design.Name == study.Knee {
		printKnee(out, p)
	} else {
		out("treatments, each on %v requests/s and %d connections:", float64(s.Load.Rate), s.Load.Connections)
		for i, t := range s.Treatments {
			out("  %-20s %s", t.Name, describe(&s, i))
		}
	}
	out("")
	printBlocks(out, p)
	if f != nil {
		out("")
		out("the function's model, over every request before enforcement and closed loops: %d refused; the lowest that a user is left with is %.0f %% of its allowance (%s, block %d of %s); %d buckets touched at most",
			f.Refused, 100*f.Lowest, f.User, f.Block, f.Treatment, f.Callers)
	}
}

// printCells says what a pairs study compares, and how often.
func printCells(out func(string, ...any), p *study.Plan, cells []study.Cell) {
	s := &p.Study
	out("%s against %s, two treatments at a time, each on %d connections; beside a closed loop, latency at %v requests/s each", s.Design.Pair[1], s.Design.Pair[0], s.Load.Connections, float64(s.Load.Rate))
	for i, t := range s.Treatments {
		if !s.Stands(i) {
			out("  %-24s a step only: %s", t.Name, describe(s, i))
		}
	}
	for _, c := range cells {
		pairs, solo, copies := 0, 0, 0
		for _, b := range p.Blocks {
			switch {
			case b.Arms[1] == c.Copy:
				copies++
			case b.Arms[1] == c.Treatment:
				pairs++
				if slices.ContainsFunc(b.Phases, func(ph study.Phase) bool { return ph.Kind == study.Solo }) {
					solo++
				}
			}
		}
		out("  %-24s %d blocks against %s (%d of them with solo windows), %d A/A blocks", s.Treatments[c.Treatment].Name, pairs, s.Treatments[c.Baseline].Name, solo, copies)
	}
}

func stopWords(r study.Rule) string {
	if r.Stop == study.StopFixed {
		return "all blocks are done"
	}
	return fmt.Sprintf("every primary half-width is at most half its margin (looks at %d, %d, … blocks), or the time is spent", r.First, r.First+r.Every)
}

// describe says what a treatment is: its baseline plus one thing.
func describe(s *study.Study, i int) string {
	t := s.Treatments[i]
	var parts []string
	if t.Control != "" {
		parts = append(parts, "control "+string(t.Control))
	}
	switch {
	case t.Control == study.Noop:
		parts = append(parts, fmt.Sprintf("as %s at the %s", t.Form, t.Site))
	case t.Form != "":
		parts = append(parts, fmt.Sprintf("%s as %s at the %s", s.Function.Name, t.Form, t.Site))
	}
	if !t.Workload.IsZero() {
		parts = append(parts, "other workload parameters")
	}
	if t.Baseline != "" {
		parts = append(parts, "on top of "+t.Baseline)
	}
	if len(t.Against) > 0 {
		parts = append(parts, "also against "+strings.Join(t.Against, ", "))
	}
	return strings.Join(parts, ", ")
}

// printBlocks prints one line for each kind of block.
func printBlocks(out func(string, ...any), p *study.Plan) {
	kinds := map[string][]string{}
	var order []string
	for _, b := range p.Blocks {
		var phases []string
		for _, ph := range b.Phases {
			word := fmt.Sprintf("%s %v", ph.Kind, ph.Duration)
			if ph.Rate > 0 {
				word += fmt.Sprintf(" at %.0f/s", ph.Rate)
			}
			phases = append(phases, word)
		}
		// The two solo windows come in random order; they are one kind of block.
		key := strings.Join(phases, " · ")
		if kinds[key] == nil {
			order = append(order, key)
		}
		kinds[key] = append(kinds[key], fmt.Sprint(b.Index))
	}
	for _, key := range order {
		out("blocks %s: %s", strings.Join(kinds[key], ","), key)
	}
}
