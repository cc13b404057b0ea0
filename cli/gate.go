package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
)

// gating is one call of gate.
type gating struct {
	baseline        string
	selection       comparison.Selection
	margins, names  []string
	force           bool
	undecided       string
	junit, markdown string
	data, output    *string
	asked           study.Margins
	mapped          map[string]string
}

func newGate(s State) *cobra.Command {
	g := &gating{}
	c := &cobra.Command{
		Use:   "gate [ID|last]",
		Short: "Fail where a result is materially worse, for CI",
		Long: `Judge a kept result (default last) and end with an exit code: 1 where a
comparison is material and worse, 4 where one is undecided and none is worse, 0
otherwise. What is judged are the result's own primary comparisons, each
treatment against its baseline, or with --baseline the change of these
differences since a kept baseline. Where the A/A gate failed, nothing passes as
lying within the margin. --margin judges by other margins than the plan's, from
the same intervals, and says so.`,
		Example: `  tare gate                                     # the newest result, by itself
  tare gate --baseline main --junit gate.xml --markdown "$GITHUB_STEP_SUMMARY"
  tare gate last --endpoint cpu --margin cpu=1% --undecided pass`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				args = []string{"last"}
			case len(args) > 1:
				return exactly(1, "one id, the beginning of one, or last")(c, args)
			}
			if err := g.check(c); err != nil {
				return err
			}
			st, err := openStore(c.Context(), s, *g.data)
			if err != nil {
				return err
			}
			defer st.Close()
			out, err := g.judge(c, st, args[0])
			if err != nil {
				return err
			}
			return errors.Join(g.print(c, out), g.exit(out))
		},
		ValidArgsFunction: first(results(s, anyState)),
	}
	g.data, g.output = dataFlag(c), outputFlag(c)
	f := c.Flags()
	f.StringVar(&g.baseline, "baseline", "", "kept baseline to compare with, by its `name`")
	f.StringSliceVar(&g.selection.Endpoints, "endpoint", nil, "endpoints to judge, as in p50,cpu (default all primary ones)")
	f.StringSliceVar(&g.selection.Treatments, "treatment", nil, "treatments to judge (default all)")
	f.BoolVar(&g.selection.Own, "own", false, "with --baseline: judge each treatment's own figures too, which hold the host's drift")
	f.StringSliceVar(&g.margins, "margin", nil, "other margins than the plan's, as in `cpu=1%,p50=5us`")
	f.StringSliceVar(&g.names, "map", nil, "treatments that changed their name since the baseline, as in `old=new`")
	f.BoolVar(&g.force, "force", false, "also compare with a baseline that is not comparable; the answer says so")
	f.StringVar(&g.undecided, "undecided", "", "what undecided counts as: pass or fail (default an exit code of its own)")
	f.StringVar(&g.junit, "junit", "", "also write JUnit XML to a `file`")
	f.StringVar(&g.markdown, "markdown", "", "also write a summary in Markdown to a `file`; - is standard output, instead of the table")
	for name, f := range map[string]completer{
		"baseline": baselineNames(s), "endpoint": fixed(comparison.GateEndpoints()...), "undecided": fixed("pass", "fail"),
		"junit": files("xml"), "markdown": files("md"),
	} {
		_ = c.RegisterFlagCompletionFunc(name, f) // fails for a flag that is not there
	}
	return c
}

// check refuses what could not be done in the end, before anything is read.
func (g *gating) check(c *cobra.Command) (err error) {
	if err := checkOutput(*g.output); err != nil {
		return err
	}
	switch comparison.Unsettled(g.undecided) {
	case comparison.UnsettledOwn, comparison.UnsettledPass, comparison.UnsettledFail:
	default:
		return inputf("--undecided %s: want pass or fail", g.undecided)
	}
	if g.baseline == "" {
		for _, name := range []string{"own", "map", "force"} {
			if c.Flags().Changed(name) {
				return inputf("--%s is for a comparison with a --baseline", name)
			}
		}
	}
	if g.asked, err = parseMargins(g.margins); err != nil {
		return err
	}
	if g.mapped, err = parseMap(g.names); err != nil {
		return err
	}
	if g.markdown == standard && c.Flags().Changed("output") {
		return inputf("--markdown - and -o both want standard output: give one a file")
	}
	for _, file := range []struct{ flag, name string }{{"--junit", g.junit}, {"--markdown", g.markdown}} {
		if file.name == "" || file.flag == "--markdown" && file.name == standard {
			continue
		}
		if err := writable(file.name); err != nil {
			return inputf("%s: %w", file.flag, err)
		}
	}
	return nil
}

func (g *gating) judge(c *cobra.Command, st store.Store, name string) (*comparison.Gate, error) {
	if g.baseline == "" {
		r, err := readResult(c.Context(), st, name, g.asked)
		if err != nil {
			return nil, err
		}
		out, err := comparison.InRun(r, g.selection)
		return out, input(err)
	}
	old, now, a, err := compareResults(c.Context(), st, baselinePrefix+g.baseline, name, g.asked, comparison.Options{Force: g.force, Map: g.mapped})
	if err != nil {
		return nil, err
	}
	out, err := comparison.Against(now, old, a, g.baseline, g.selection)
	return out, input(err)
}

func (g *gating) print(c *cobra.Command, out *comparison.Gate) error {
	var errs []error
	if g.junit != "" {
		errs = append(errs, replace(g.junit, func(w io.Writer) error { return out.JUnit(w, comparison.Unsettled(g.undecided)) }))
	}
	switch {
	case g.markdown == standard:
		return errors.Join(append(errs, out.Markdown(c.OutOrStdout()))...)
	case g.markdown != "":
		errs = append(errs, replace(g.markdown, out.Markdown))
	}
	if *g.output == asJSON {
		return errors.Join(append(errs, out.JSON(c.OutOrStdout()))...)
	}
	return errors.Join(append(errs, out.Text(c.OutOrStdout()))...)
}

// exit gives the outcome its exit code.
func (g *gating) exit(out *comparison.Gate) error {
	of := func(o comparison.Outcome) string {
		return fmt.Sprintf("%d of %d comparisons", out.Count(o), len(out.Cases))
	}
	worse := &codedError{exitGate, fmt.Errorf("the gate failed: %s are material and worse", of(comparison.Fail))}
	switch out.Outcome {
	case comparison.Pass:
		return nil
	case comparison.Fail:
		return worse
	}
	switch comparison.Unsettled(g.undecided) {
	case comparison.UnsettledPass:
		return nil
	case comparison.UnsettledFail:
		return &codedError{exitGate, fmt.Errorf("the gate failed: %s are undecided, and --undecided is fail", of(comparison.Unsure))}
	}
	return &codedError{exitUndecided, fmt.Errorf("the gate is undecided: %s are; run longer, or say what that counts as with --undecided", of(comparison.Unsure))}
}
