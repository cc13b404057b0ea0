package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

func newPlan(s State) *cobra.Command {
	p := &planner{state: s}
	var output *string
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Show what a run would do and could show, and refuse what cannot answer the question",
		Long: `Show what a run would do before anything runs: the design with its cells, of a
fraction its resolution and aliases, blocks and phases, the rule of stopping, the
seed, the time, and the smallest difference that would be seen.

That difference depends on how much blocks differ on this machine. With --pilot a
few blocks are run to learn it (about a minute; nothing is kept), with --from it
is taken from an earlier result of the same study. Then the plan says how long
each interval takes to be as narrow as half its margin, or as --precision asks
for, and it is refused where a margin that the study states is out of reach of
its time, or where the host cannot serve its rate. With too little time for any
verdict (--quick, a short --time) only the latter is.`,
		Example: `  tare plan examples/imagehub.yaml --time 10m
  tare plan examples/imagehub.yaml --pilot --precision 1us
  tare plan examples/imagehub.yaml --from last -o json`,
		Args: exactly(1, "one study file"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			if err := p.check(); err != nil {
				return err
			}
			p.command, p.json = c, *output == asJSON
			return p.run(c.Context(), args[0])
		},
	}
	p.add(c)
	p.data, output = dataFlag(c), outputFlag(c)
	c.Flags().BoolVar(&p.pilot, "pilot", false, "run a few blocks to learn how much they differ")
	c.Flags().StringVar(&p.from, "from", "", "take how much blocks differ from a result of this study: its id, or last")
	c.Flags().DurationVar(&p.precision, "precision", 0, "half-width to say the time of, such as 1us (default half of each margin); needs --pilot or --from")
	return c
}

// planner plans a study and looks ahead.
type planner struct {
	planFlags
	state     State
	command   *cobra.Command
	data      *string
	json      bool
	pilot     bool
	from      string
	precision time.Duration
}

func (p *planner) check() error {
	switch {
	case p.pilot && p.from != "":
		return inputf("--pilot and --from both say how much blocks differ: give one of them")
	case p.precision < 0:
		return inputf("--precision %v: want a time above 0", p.precision)
	case p.precision > 0 && !p.pilot && p.from == "":
		return inputf("--precision needs to know how much blocks differ: add --pilot, or --from ID with a result of this study")
	}
	return nil
}

func (p *planner) run(ctx context.Context, file string) error {
	given, err := study.ReadFile(file)
	if err != nil {
		return input(err)
	}
	plan, err := p.planOf(given)
	if err != nil {
		return input(err)
	}
	b, err := catalog.NewBench(p.state.Exe)
	if err != nil {
		return err
	}
	defer b.Close()
	a, forecast, err := lookUp(plan, b)
	if err != nil {
		return err
	}
	var outlook *experiment.Outlook
	if forecast.Check() == nil {
		if a, outlook, err = p.outlook(ctx, given, a, b); err != nil {
			return err
		}
	}
	design := designOf(a.Plan)
	if p.json {
		err = printJSON(p.command, planOutput{a.Plan, forecast, design, outlook})
	} else {
		printPlan(p.command, a.Plan, forecast, design, outlook)
	}
	if err != nil {
		return err
	}
	if outlook != nil && len(outlook.Refused) > 0 {
		return inputf("the plan cannot answer its question: %s", strings.Join(outlook.Refused, "; "))
	}
	return input(forecast.Check())
}

// planOutput is what tare plan prints as JSON.
type planOutput struct {
	Plan     *study.Plan          `json:"plan"`
	Forecast *experiment.Forecast `json:"forecast"`
	Design   designFacts          `json:"design"`
	Outlook  *experiment.Outlook  `json:"outlook,omitempty"` // with --pilot or --from
}

// outlook learns how much blocks differ, where that is asked for. A pilot may
// lower a default rate, as the run would.
func (p *planner) outlook(ctx context.Context, given *study.Study, a *experiment.Apparatus, b *catalog.Bench) (*experiment.Apparatus, *experiment.Outlook, error) {
	if a.Plan.Study.Design.Name == study.Knee && (p.pilot || p.from != "") {
		return nil, nil, inputf("--pilot and --from say how much response times differ between blocks, and design %s compares knees: run it with a short --time for a first look", study.Knee)
	}
	r := &runner{state: p.state, command: p.command, data: *p.data}
	if p.from != "" {
		o, err := p.earlier(ctx, r, a.Plan)
		return a, o, err
	}
	if !p.pilot {
		return a, nil, nil
	}
	defer keepAwake(p.command, p.sleep).Release()
	r.ballast = ballastSize(p.command)
	a, err := r.suit(ctx, p.planFlags, *given, a, b)
	if err != nil {
		return nil, nil, interrupted(ctx, err)
	}
	o, err := p.tryOut(ctx, *given, a.Plan, b, r.ballast)
	return a, o, interrupted(ctx, err)
}

// earlier is the outlook by a result that is kept.
func (p *planner) earlier(ctx context.Context, r *runner, plan *study.Plan) (*experiment.Outlook, error) {
	entry, err := r.find(ctx, p.from)
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, p.state, *p.data)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	rec, err := st.Load(ctx, entry.ID)
	if err != nil {
		return nil, err
	}
	e := rec.Experiment
	o, err := experiment.NewOutlook(plan, "result "+e.ID, &e.Plan, rec.Blocks, max(e.Environment.Cores, 1), p.precision)
	if err != nil {
		return nil, inputf("--from %s: %w", p.from, err)
	}
	return o, nil
}

// tryOut runs a pilot.
func (p *planner) tryOut(ctx context.Context, given study.Study, plan *study.Plan, b *catalog.Bench, ballast uint64) (*experiment.Outlook, error) {
	pilot, err := plan.Pilot(given)
	if err != nil {
		return nil, input(err)
	}
	a, forecast, err := lookUp(pilot, b)
	if err != nil {
		return nil, err
	}
	if err := forecast.Check(); err != nil {
		return nil, input(err)
	}
	errOut := p.command.ErrOrStderr()
	fmt.Fprintf(errOut, "pilot: %d blocks, about %s\n", len(pilot.Blocks), seconds(pilot.Expected))
	progress := newProgress(errOut, &pilot.Study)
	run := experiment.Runner{Testbed: a.Testbed, Journal: unkept{}, Progress: progress.event, Ballast: ballast}
	out, err := run.Run(ctx, "pilot", a, nil)
	progress.end()
	if err != nil {
		return nil, fmt.Errorf("pilot: %w", err)
	}
	return experiment.NewOutlook(plan, "a pilot", pilot, out.Blocks, runtime.NumCPU(), p.precision)
}

// unkept is the journal of a pilot.
type unkept struct{}

func (unkept) Begin(context.Context, experiment.Experiment) error { return nil }

func (unkept) Append(context.Context, string, experiment.Block) error { return nil }

func (unkept) End(context.Context, string, experiment.State, time.Time) error { return nil }
