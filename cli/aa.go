package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

func newAA(s State) *cobra.Command {
	var f planFlags
	var data, output *string
	arms, studies, proxied := 0, 0, false
	c := &cobra.Command{
		Use:   "aa",
		Short: "Check the apparatus itself: identical arms must come out identical",
		Long: `Start an even number of identical arms in every block and compare them in
disjoint pairs, so that no observation enters two comparisons. About 5 % of the
pairs may be found to differ; the exact binomial interval of the rate must hold
5 %, else the exit code is 1. Below 100 comparisons the interval is wide: repeat
with --studies.`,
		Example: `  tare aa                        # 4 pairs, a quick look
  tare aa --studies 25 --proxy   # 100 comparisons through embedded proxies`,
		Args: exactly(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			if arms < 2 || arms%2 != 0 {
				return inputf("--arms %d: want an even number of at least 2", arms)
			}
			if studies < 1 {
				return inputf("--studies %d: want at least 1", studies)
			}
			total := report.Rejections{}
			for i := range studies {
				g := f
				g.seed = f.seed + uint64(i)
				r := &runner{state: s, command: c, data: *data, output: &outputs{format: *output}}
				if err := r.fresh(c.Context(), g, aaStudy(arms, proxied)); err != nil {
					return err
				}
				if r.final == nil || r.final.Rejections == nil {
					return fmt.Errorf("study %d of %d gave no pairs to compare: give it more time", i+1, studies)
				}
				total.Rejected += r.final.Rejections.Rejected
				total.Of += r.final.Rejections.Of
			}
			return judgeAA(c, total, studies, *output)
		},
	}
	f.add(c)
	c.Flags().IntVar(&arms, "arms", 8, "identical arms in each study")
	c.Flags().IntVar(&studies, "studies", 1, "studies, one after the other")
	c.Flags().BoolVar(&proxied, "proxy", false, "put a proxy before every arm")
	data, output = dataFlag(c), outputFlag(c)
	return c
}

// aaTotal is the rate of all arms together: it keeps two cores below half.
const aaTotal = 4000

// aaStudy is n identical arms.
func aaStudy(arms int, proxied bool) *study.Study {
	s := &study.Study{Format: study.Format, Name: "aa", Question: "Do identical arms come out identical?",
		Workload: study.Part{Name: "echo"},
		Load:     study.Load{Rate: study.Rate(min(500, aaTotal/arms))},
		Design:   study.Design{Name: study.DesignAA, Stop: study.StopFixed, ControlEvery: -1, Time: 75 * time.Second},
	}
	control := study.Direct
	if proxied {
		control = study.Router
	}
	for i := range arms {
		s.Treatments = append(s.Treatments, study.Treatment{Name: fmt.Sprintf("arm-%d", i+1), Control: control})
	}
	return s
}

// judgeAA prints the sum over all studies; a rate that the interval does not
// hold fails the gate.
func judgeAA(c *cobra.Command, n report.Rejections, studies int, output string) error {
	b, err := stat.Count(n.Rejected, n.Of, 0.95)
	if err != nil {
		return err
	}
	n.Low, n.High = b.Low, b.High
	switch {
	case studies == 1: // its own report says it
	case output == asJSON:
		if err := printJSON(c, map[string]report.Rejections{"rejections": n}); err != nil {
			return err
		}
	default:
		fmt.Fprintf(c.OutOrStdout(), "in all: %d of %d pairs were found to differ (95 %% interval of the rate: %.1f to %.1f %%)\n", n.Rejected, n.Of, 100*b.Low, 100*b.High)
	}
	if !b.Holds(0.05) {
		return &codedError{exitGate, fmt.Errorf("identical arms differ too often or too seldom: %d of %d pairs, the interval %.1f to %.1f %% does not hold 5 %%", n.Rejected, n.Of, 100*b.Low, 100*b.High)}
	}
	return nil
}
