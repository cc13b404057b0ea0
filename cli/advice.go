package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
)

// adviceTime is how long a trial takes unless it is told.
const adviceTime = 2 * time.Minute

// adviser gives the talk's advice on one result, and tries it.
type adviser struct {
	state     State
	data      string
	treatment string
	plan      planFlags // of the trial: its time and seed
	try       bool
}

func newAdvice(s State) *cobra.Command {
	a := &adviser{state: s}
	var data, output *string
	c := &cobra.Command{
		Use:   "advice ID|last",
		Short: "Take the talk's advice on a histogram, and try it",
		Long: `Say what the talk makes of a result's response-time histograms: take the largest
bucket by count and divide it by the number of cores. That is a suggestion, no
finding. With --try the next run is made of it: the treatment with its own
number of connections and with the suggested one, under the same load, every
request drawn at random, kept like every result. The answer is the change of the
mean response time with its interval, also when it is worse.`,
		Example: `  tare advice last
  tare advice last --try --treatment native --time 2m`,
		Args: exactly(1, "an id, the beginning of one, or last"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			for _, flag := range []string{"time", "seed"} {
				if c.Flags().Changed(flag) && !a.try {
					return inputf("--%s is of a trial: give --try too", flag)
				}
			}
			a.data = *data
			advice, err := a.advise(c, args[0])
			if advice != nil {
				if perr := printAdvice(c, advice, *output); perr != nil && err == nil {
					err = perr
				}
			}
			return err
		},
	}
	c.Flags().BoolVar(&a.try, "try", false, "carry out a run with the suggested number of connections")
	c.Flags().StringVar(&a.treatment, "treatment", "", "treatment to try it on (default the last that is no control)")
	c.Flags().DurationVar(&a.plan.time, "time", adviceTime, "time for the trial")
	c.Flags().Uint64Var(&a.plan.seed, "seed", 0, "seed of every random choice of the trial (default derived from its study)")
	data, output = dataFlag(c), outputFlag(c)
	return c
}

func printAdvice(c *cobra.Command, a *report.Advice, format string) error {
	if format == asJSON {
		return a.JSON(c.OutOrStdout())
	}
	return a.Text(c.OutOrStdout())
}

// advise reads the result and, if asked to, tries the advice. An interrupted
// trial gives its advice as far as it came, and an error.
func (a *adviser) advise(c *cobra.Command, name string) (*report.Advice, error) {
	rec, err := a.load(c.Context(), name)
	if err != nil {
		return nil, err
	}
	r, err := report.New(rec.Experiment, rec.State, rec.Blocks)
	if err != nil {
		return nil, err
	}
	advice, err := r.Advice()
	if err != nil {
		return nil, input(err)
	}
	on, err := r.AdviceOn(a.treatment)
	if err != nil {
		return nil, input(err)
	}
	if !a.try {
		return advice, nil
	}
	trial, err := experiment.NewTrial(&rec.Experiment.Plan, on.Treatment, on.PerCore)
	if err != nil {
		return nil, input(err)
	}
	run := &runner{state: a.state, command: c, data: a.data}
	err = run.fresh(c.Context(), a.plan, &trial.Study)
	if run.final == nil {
		return nil, err
	}
	own, tried := trial.Cells(run.planned)
	advice.AddTrial(trial, run.final, on.Treatment, own, tried)
	return advice, err
}

// load reads a result whole; the store is closed again before a trial opens it.
func (a *adviser) load(ctx context.Context, name string) (store.Record, error) {
	st, err := openStore(ctx, a.state, a.data)
	if err != nil {
		return store.Record{}, err
	}
	defer st.Close()
	id, err := st.Resolve(ctx, name)
	if err != nil {
		return store.Record{}, input(err)
	}
	return st.Load(ctx, id)
}
