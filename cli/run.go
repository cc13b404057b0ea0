package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
)

// planFlags change a study from the command line.
type planFlags struct {
	dataPlane string
	time      time.Duration
	quick     bool
	seed      uint64
	sleep     bool
}

func (f *planFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dataPlane, "dataplane", "", "data plane of every treatment with a proxy, or several as in envoy,embedded (default the study's, else embedded)")
	c.Flags().DurationVar(&f.time, "time", 0, "time for the whole run, such as 90s or 10m (default the study's)")
	c.Flags().BoolVar(&f.quick, "quick", false, "5 short blocks: a first look, without verdicts")
	c.Flags().BoolVar(&f.sleep, "sleep", false, "let idle cores sleep, as this host does by itself: every hop then holds what it takes to wake them")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "seed of every random choice (default derived from the study)")
}

// planOf plans a study as the flags change it.
func (f *planFlags) planOf(s *study.Study) (*study.Plan, error) {
	if f.quick && f.time != 0 {
		return nil, errors.New("--quick and --time both say how long: give one of them")
	}
	if f.dataPlane != "" {
		planes, err := study.ParsePlanes(f.dataPlane)
		if err != nil {
			return nil, fmt.Errorf("--dataplane %s: %w", f.dataPlane, err)
		}
		s.DataPlane = planes
	}
	if f.time < 0 {
		return nil, fmt.Errorf("--time %v: want a time above 0", f.time)
	}
	return study.MakePlan(*s, study.Options{Seed: f.seed, Time: f.time, Quick: f.quick})
}

func newRun(s State) *cobra.Command {
	var f planFlags
	var data *string
	var out *outputs
	resume := ""
	c := &cobra.Command{
		Use:   "run FILE",
		Short: "Carry out a study, keep the result and report it",
		Long: `Carry out a study: check it, start every treatment on fresh processes block by
block, and report. Each finished block is kept at once; Ctrl-C keeps what was
done, and --resume goes on after that, or after a crash, with what is left of
the time.`,
		Example: `  tare run examples/imagehub.yaml
  tare run examples/imagehub.yaml --time 10m -o json > result.json
  tare run examples/imagehub.yaml --html report.html
  tare run --resume last`,
		Args: func(c *cobra.Command, args []string) error {
			if resume != "" {
				return exactly(0, "no file with --resume")(c, args)
			}
			return exactly(1, "one study file")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := out.check(c); err != nil {
				return err
			}
			r := &runner{state: s, command: c, data: *data, output: out, sleep: f.sleep}
			if resume != "" {
				if err := planned(c); err != nil {
					return err
				}
				return r.resume(c.Context(), resume)
			}
			given, err := study.ReadFile(args[0])
			if err != nil {
				return input(err)
			}
			return r.fresh(c.Context(), f, given)
		},
	}
	f.add(c)
	data, out = dataFlag(c), outputFlags(c)
	c.Flags().StringVar(&resume, "resume", "", "go on with an unfinished run: its id, or last")
	return c
}

// planned refuses flags that would change a plan which has been made already.
func planned(c *cobra.Command) error {
	for _, name := range []string{"dataplane", "time", "quick", "seed"} {
		if c.Flags().Changed(name) {
			return inputf("--%s cannot go with --resume: a run goes on by the plan that it was begun with", name)
		}
	}
	return nil
}

// runner carries out one plan for a command.
type runner struct {
	state   State
	command *cobra.Command
	data    string
	output  *outputs
	sleep   bool           // of idle cores
	awake   measure.Awake  // held from the pilot to the last block
	ballast uint64         // bytes, held beside each block
	notes   []string       // for the first block that is run
	spent   time.Duration  // of the study's time, before the run
	final   *report.Report // what was reported
	planned *study.Plan    // what was carried out
}

// fresh begins a new experiment.
func (r *runner) fresh(ctx context.Context, f planFlags, given *study.Study) error {
	began := time.Now()
	r.sleep = f.sleep
	plan, err := f.planOf(given)
	if err != nil {
		return input(err)
	}
	id, err := newID(began)
	if err != nil {
		return err
	}
	return r.with(ctx, plan, func(a *experiment.Apparatus, b *catalog.Bench, dir string) error {
		lock, err := store.Acquire(dir, id, plan.Study.Name)
		if err != nil {
			return err
		}
		defer lock.Release()
		if a, err = r.suit(ctx, f, *given, a, b); err != nil {
			return interrupted(ctx, err)
		}
		e, err := r.experiment(id, a.Plan)
		if err != nil {
			return err
		}
		if e.Planes, err = a.Programs(ctx); err != nil {
			return err
		}
		if e.Components, err = a.Components(); err != nil {
			return err
		}
		r.spent = time.Since(began)
		st, err := catalog.OpenStore(ctx, dir)
		if err != nil {
			return err
		}
		defer st.Close()
		if err := st.Begin(ctx, e); err != nil {
			return err
		}
		return r.carryOut(ctx, st, e, a, b, nil)
	})
}

// with looks up and checks the plan before anything is written.
func (r *runner) with(ctx context.Context, plan *study.Plan, do func(*experiment.Apparatus, *catalog.Bench, string) error) error {
	dir, err := dataDir(r.state, r.data)
	if err != nil {
		return err
	}
	b, err := catalog.NewBench(r.state.Exe)
	if err != nil {
		return err
	}
	defer b.Close()
	a, f, err := lookUp(plan, b)
	if err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return input(err)
	}
	r.awake = keepAwake(r.command, r.sleep)
	defer r.awake.Release()
	r.ballast = ballastSize(r.command)
	return do(a, b, dir)
}

// keepAwake holds idle cores awake where the host lets it; else it says once
// that they sleep.
func keepAwake(c *cobra.Command, sleep bool) measure.Awake {
	if sleep {
		return measure.Awake{}
	}
	a, err := measure.KeepAwake()
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "%v; they sleep, and intervals are wider\n", err)
	}
	return a
}

// ballastSize is how much memory is held beside each block; where the host
// refuses, it says so once, and none is.
func ballastSize(c *cobra.Command) uint64 {
	size := measure.BallastSize()
	b, err := measure.TakeBallast(size)
	if err != nil {
		fmt.Fprintf(c.ErrOrStderr(), "%v; none is held, and intervals are wider\n", err)
		return 0
	}
	b.Release()
	return size
}

// lookUp finds everything that a plan names and runs the function's model over it.
func lookUp(plan *study.Plan, b *catalog.Bench) (*experiment.Apparatus, *experiment.Forecast, error) {
	a, err := experiment.NewApparatus(plan, b.Catalog)
	if err != nil {
		return nil, nil, input(err)
	}
	f, err := a.Forecast()
	return a, f, err
}

// suit lowers a default rate where queues would widen the intervals. It plans
// again from the study as it was given: a plan's own study has its phases
// fitted to the rate.
func (r *runner) suit(ctx context.Context, f planFlags, given study.Study, a *experiment.Apparatus, b *catalog.Bench) (*experiment.Apparatus, error) {
	rate := a.Plan.Study.Load.Rate
	if !a.Plan.Study.Load.DefaultRate {
		return a, nil
	}
	busy, err := (&experiment.Runner{Testbed: a.Testbed, Ballast: r.ballast}).Pilot(ctx, a)
	if err != nil {
		return nil, err
	}
	lower := experiment.RateFor(rate, busy)
	if lower == rate {
		return a, nil
	}
	given.Load = a.Plan.Study.Load // with its defaults
	given.Load.Rate = lower
	given.Load.Lowered = fmt.Sprintf("the rate is %v for each treatment instead of %v, which would need %.0f %% of the host", lower, rate, 100*busy)
	fmt.Fprintln(r.command.ErrOrStderr(), given.Load.Lowered)
	plan, err := f.planOf(&given)
	if err != nil {
		return nil, err
	}
	return experiment.NewApparatus(plan, b.Catalog)
}

// interrupted gives a cancelled start its exit code.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return &codedError{exitInterrupted, errors.New("interrupted before the first block")}
}

// newID makes an id that sorts by its time.
func newID(now time.Time) (string, error) {
	random := make([]byte, 3)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(random), nil
}

func (r *runner) experiment(id string, plan *study.Plan) (experiment.Experiment, error) {
	p, err := program()
	if err != nil {
		return experiment.Experiment{}, err
	}
	return experiment.Experiment{ID: id, Started: time.Now().UTC(), Plan: *plan,
		Environment: r.environment(), Program: p, Command: append([]string{"tare"}, r.state.Args...)}, nil
}

// environment is what this host is while the runner measures on it.
func (r *runner) environment() measure.Environment {
	e := measure.ReadEnvironment()
	e.Idle, e.Ballast = r.awake.String(), r.ballast
	return e
}

// resume goes on with an experiment: what was kept is read again once the data
// directory is held, so that nobody adds to it meanwhile.
func (r *runner) resume(ctx context.Context, name string) error {
	dir, err := dataDir(r.state, r.data)
	if err != nil {
		return err
	}
	entry, err := r.find(ctx, name)
	if err != nil {
		return err
	}
	return holding(ctx, dir, entry.ID, entry.Study, func(st store.Store) error { return r.resumeFrom(ctx, st, entry.ID) })
}

func (r *runner) resumeFrom(ctx context.Context, st store.Store, id string) error {
	rec, err := st.Load(ctx, id)
	if err != nil {
		return err
	}
	e := rec.Experiment
	if rec.State == experiment.Done {
		return inputf("resume %s: it is done; see tare show %s", e.ID, e.ID)
	}
	return r.with(ctx, &e.Plan, func(a *experiment.Apparatus, b *catalog.Bench, _ string) error {
		if r.notes, err = r.changes(e); err != nil {
			return err
		}
		for _, n := range r.notes {
			fmt.Fprintln(r.command.ErrOrStderr(), "warning:", n)
		}
		if err := st.Begin(ctx, e); err != nil {
			return err
		}
		return r.carryOut(ctx, st, e, a, b, rec.Blocks)
	})
}

// find looks an experiment up by what the user calls it.
func (r *runner) find(ctx context.Context, name string) (store.Entry, error) {
	st, err := openStore(ctx, r.state, r.data)
	if err != nil {
		return store.Entry{}, err
	}
	defer st.Close()
	entries, err := st.List(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	id, err := store.Resolve(entries, name)
	if err != nil {
		return store.Entry{}, input(err)
	}
	return entries[slices.IndexFunc(entries, func(e store.Entry) bool { return e.ID == id })], nil
}

// changes lists what is not as it was when the experiment began.
func (r *runner) changes(e experiment.Experiment) ([]string, error) {
	now, err := program()
	if err != nil {
		return nil, err
	}
	env := r.environment()
	var notes []string
	for _, c := range []struct{ what, was, is string }{
		{"program", e.Program.SHA256, now.SHA256},
		{"CPU", e.Environment.CPU, env.CPU},
		{"number of cores", fmt.Sprint(e.Environment.Cores), fmt.Sprint(env.Cores)},
		{"state of idle cores", cmp.Or(e.Environment.Idle, measure.Awake{}.String()), env.Idle},
		{"ballast in bytes", fmt.Sprint(e.Environment.Ballast), fmt.Sprint(env.Ballast)},
		{"kernel", e.Environment.Kernel, env.Kernel},
	} {
		if c.was != c.is {
			notes = append(notes, fmt.Sprintf("resumed from here on; the %s changed since the run began: %s, now %s; the blocks before and after may not be comparable", c.what, c.was, c.is))
		}
	}
	return notes, nil
}

// standing is how many treatments are ever brought up.
func standing(s *study.Study) int {
	n := 0
	for i := range s.Treatments {
		if s.Stands(i) {
			n++
		}
	}
	return n
}

// carryOut runs and reports.
func (r *runner) carryOut(ctx context.Context, st store.Store, e experiment.Experiment, a *experiment.Apparatus, b *catalog.Bench, done []experiment.Block) error {
	errOut := r.command.ErrOrStderr()
	fmt.Fprintf(errOut, "%s: %d treatments, %d blocks, about %s; kept as %s\n", e.Plan.Study.Name, standing(&e.Plan.Study), len(e.Plan.Blocks), seconds(e.Plan.Expected), e.ID)
	p := newProgress(errOut, &e.Plan.Study)
	run := experiment.Runner{Testbed: a.Testbed, Journal: st, Progress: p.event, Notes: r.notes, Spent: r.spent, Ballast: r.ballast}
	out, err := run.Run(ctx, e.ID, a, done)
	p.end()
	r.planned = &e.Plan
	rep, rerr := report.New(e, out.State, out.Blocks)
	switch {
	case rerr == nil:
		r.final = rep
		if r.output == nil {
			break // the command has its own answer
		}
		if perr := r.output.print(r.command, rep); perr != nil {
			err = errors.Join(err, perr)
		}
	case !errors.Is(rerr, experiment.ErrNoBlocks):
		err = errors.Join(err, rerr)
	}
	if out.State == experiment.Interrupted {
		return &codedError{exitInterrupted, fmt.Errorf("interrupted; %d finished blocks are kept, go on with: tare run --resume %s", len(out.Blocks), e.ID)}
	}
	return err
}
