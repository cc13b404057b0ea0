package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
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
on, and a whole one is printed again at once. --seed makes a new one.

What is added to a request is measured. What a form can do is what the project's
tests did with it through real proxies: reach, state and safety, each cell shown,
refused with the plane's words, or not tried.`,
		Example: `  tare atlas --time 20m
  tare atlas --dataplane embedded,envoy --only ratelimit,wasm -o json
  tare atlas --html atlas.html
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
	c.Flags().IntVar(&f.abreast, "abreast", atlas.DefaultAbreast, "functions that stand at a time")
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
	case f.abreast < 1 || f.abreast > 20:
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

// atlasMaker carries out the batches of an atlas.
type atlasMaker struct {
	state   State
	command *cobra.Command
	data    string
	flags   *atlasFlags
	weights atlas.Weights
	list    *functionList
	planes  []string
	noops   map[string][]study.Form
	made    *atlas.Atlas
}

func newAtlasMaker(s State, c *cobra.Command, data string, f *atlasFlags) (*atlasMaker, error) {
	list, err := listFunctions(s)
	if err != nil {
		return nil, err
	}
	m := &atlasMaker{state: s, command: c, data: data, flags: f, list: list, noops: map[string][]study.Form{}}
	if m.weights, err = atlas.ParseWeights(f.weights); err != nil {
		return nil, inputf("--weights: %w", err)
	}
	if m.planes, err = m.atlasPlanes(); err != nil {
		return nil, err
	}
	for _, e := range list.entries {
		for _, p := range e.Places {
			for _, plane := range p.Planes {
				if e.Name == "noop" {
					m.noops[plane] = append(m.noops[plane], p.Form)
				}
			}
		}
	}
	return m, nil
}

// atlasPlanes are the planes that were asked for, else those that can be started here.
func (m *atlasMaker) atlasPlanes() ([]string, error) {
	if m.flags.planes != "" {
		planes, err := study.ParsePlanes(m.flags.planes)
		if err != nil {
			return nil, inputf("--dataplane %s: %w", m.flags.planes, err)
		}
		for _, p := range planes {
			name, _, _ := strings.Cut(p, "@")
			if !slices.Contains(m.list.planes, name) {
				return nil, inputf("--dataplane %s: no data plane is named %q (known: %s)", m.flags.planes, name, strings.Join(m.list.planes, ", "))
			}
		}
		return planes, nil
	}
	if m.flags.kept {
		return m.list.planes, nil // nothing is started
	}
	planes := []string{study.DefaultPlane}
	if _, err := catalog.FindEnvoy(); err == nil {
		planes = append(planes, "envoy")
	} else {
		fmt.Fprintln(m.command.ErrOrStderr(), "without the data plane envoy:", catalog.EnvoyAbsent)
	}
	return planes, nil
}

// make weighs what is not kept yet.
func (m *atlasMaker) make(ctx context.Context) (*atlas.Atlas, error) {
	var names []string
	for _, f := range m.list.functions {
		names = append(names, f.Name)
	}
	only, err := atlas.ParseOnly(m.flags.only, names)
	if err != nil {
		return nil, inputf("--only: %w", err)
	}
	tries, err := atlas.Tries()
	if err != nil {
		return nil, err
	}
	decisions, err := atlas.Decided(m.list.functions)
	if err != nil {
		return nil, err
	}
	tries = append(tries, atlas.Witnessed(m.list.functions, m.list.entries)...)
	m.made = &atlas.Atlas{Decisions: decisions, Made: time.Now().UTC(), Powers: atlas.Powers(tries, m.planes), Functions: m.list.entries}
	if m.flags.kept {
		return m.made, m.gather(ctx)
	}
	cells, none := atlas.Cells(m.list.functions, m.list.entries, m.planes, only)
	m.made.Unweighed = none
	batches := atlas.Batches(cells, m.noops, atlas.Screen{Abreast: m.flags.abreast, Time: m.flags.time})
	for i, b := range batches {
		fmt.Fprintf(m.command.ErrOrStderr(), "batch %d of %d: %s\n", i+1, len(batches), describeBatch(b))
		if err := m.batch(ctx, b); err != nil {
			return nil, err
		}
	}
	m.made.Finish(m.weights)
	return m.made, nil
}

// gather reads what is kept of every atlas: of each cell the newest.
func (m *atlasMaker) gather(ctx context.Context) error {
	st, err := openStore(ctx, m.state, m.data)
	if err != nil {
		return err
	}
	defer st.Close()
	entries, err := st.List(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !atlas.IsBatch(e.Study) || e.State != experiment.Done {
			continue
		}
		rec, err := st.Load(ctx, e.ID)
		if err != nil {
			return err
		}
		r, err := report.New(rec.Experiment, rec.State, rec.Blocks)
		if err != nil {
			return err
		}
		m.made.Add(r)
	}
	m.made.Finish(m.weights)
	return nil
}

func describeBatch(b atlas.Batch) string {
	where := cmp.Or(b.Cells[0].Plane, "the application")
	return fmt.Sprintf("%s as %s in %s", strings.Join(b.Treatments, ", "), b.Cells[0].Form, where)
}

// batch takes a batch from what is kept, or carries it out. What cannot stand
// is left out of it, with the reason.
func (m *atlasMaker) batch(ctx context.Context, b atlas.Batch) error {
	r, err := m.carryOut(ctx, b, false)
	if r != nil || err != nil {
		return m.add(b, r, err)
	}
	gone, err := m.standing(ctx, b)
	if err != nil {
		return err
	}
	if len(gone) > 0 {
		left := b.Without(gone, m.noops[strings.Split(b.Cells[0].Plane, "@")[0]])
		if left == nil {
			return nil
		}
		b = *left
	}
	r, err = m.carryOut(ctx, b, true)
	return m.add(b, r, err)
}

func (m *atlasMaker) leave(cells []atlas.Cell, why string) {
	for _, c := range cells {
		m.made.Unweighed = append(m.made.Unweighed, atlas.Unweighed{Cell: c, Why: why})
	}
}

// add adds a batch's report. One that failed for itself leaves the others alone.
func (m *atlasMaker) add(b atlas.Batch, r *report.Report, err error) error {
	var coded *codedError
	switch {
	case err == nil:
		m.made.Add(r)
		return nil
	case errors.As(err, &coded) && coded.code == exitInterrupted:
		return &codedError{exitInterrupted, errors.New("interrupted; what was finished is kept, and the same command goes on from there")}
	case m.command.Context().Err() != nil:
		return err
	}
	m.leave(b.Cells, err.Error())
	return nil
}

// standing starts each cell alone. It returns the places of those that do not
// come up, and keeps why.
func (m *atlasMaker) standing(ctx context.Context, b atlas.Batch) ([]int, error) {
	bench, err := catalog.NewBench(m.state.Exe)
	if err != nil {
		return nil, err
	}
	defer bench.Close()
	var gone []int
	for i, c := range b.Cells {
		err := m.standsAlone(ctx, bench, b, i)
		if ctx.Err() != nil {
			return nil, &codedError{exitInterrupted, errors.New("interrupted; what was finished is kept, and the same command goes on from there")}
		}
		if err != nil {
			gone = append(gone, i)
			m.leave([]atlas.Cell{c}, err.Error())
		}
	}
	return gone, nil
}

func (m *atlasMaker) standsAlone(ctx context.Context, bench *catalog.Bench, b atlas.Batch, i int) error {
	var others []int
	for k := range b.Cells {
		if k != i {
			others = append(others, k)
		}
	}
	alone := *b.Without(others, nil)
	plan, err := study.MakePlan(*alone.Study, study.Options{Seed: m.flags.seed})
	if err != nil {
		return err
	}
	a, f, err := lookUp(plan, bench)
	if err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	k := plan.Study.Index(alone.Treatments[0])
	up, err := a.Testbed.Up(ctx, []testbed.Topology{a.Topologies[k]}, []int{0})
	if err != nil {
		return err
	}
	return up.Down()
}

// carryOut finds the batch among what is kept, by the digest of its plan; with
// now it is carried out where it is not there, or not whole.
func (m *atlasMaker) carryOut(ctx context.Context, b atlas.Batch, now bool) (*report.Report, error) {
	plan, err := study.MakePlan(*b.Study, study.Options{Seed: m.flags.seed})
	if err != nil {
		return nil, err
	}
	e, err := m.kept(ctx, plan.Digest)
	if err != nil {
		return nil, err
	}
	r := &runner{state: m.state, command: m.command, data: m.data}
	switch {
	case e != nil && e.State == experiment.Done:
		return m.load(ctx, e.ID)
	case e != nil:
		err = r.resume(ctx, e.ID)
	case now:
		err = r.fresh(ctx, planFlags{seed: m.flags.seed}, b.Study)
	}
	return r.final, err
}

// kept finds the newest result of a plan; nil: there is none.
func (m *atlasMaker) kept(ctx context.Context, digest string) (*store.Entry, error) {
	st, err := openStore(ctx, m.state, m.data)
	if errors.Is(err, store.ErrNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	entries, err := st.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Digest == digest && e.State != experiment.Failed {
			return &e, nil
		}
	}
	return nil, nil
}

func (m *atlasMaker) load(ctx context.Context, id string) (*report.Report, error) {
	st, err := openStore(ctx, m.state, m.data)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	rec, err := st.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	return report.New(rec.Experiment, rec.State, rec.Blocks)
}

func newAtlasAdvice(s State) *cobra.Command {
	f := &atlasFlags{kept: true, abreast: atlas.DefaultAbreast}
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
			if err := f.checkScreen(); err != nil {
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
