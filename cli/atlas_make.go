package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/report"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

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
		if _, err := catalog.FindEnvoy(); err != nil && !m.flags.kept && slices.Contains(planes, "envoy") {
			return nil, fmt.Errorf("--dataplane %s: %w", m.flags.planes, err)
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
		return m.made, m.gather(ctx, only)
	}
	if err := m.weigh(ctx, only); err != nil {
		return nil, err
	}
	m.made.Finish(m.weights)
	return m.made, nil
}

// weigh carries out the batches of the wanted cells.
func (m *atlasMaker) weigh(ctx context.Context, only atlas.Only) error {
	cells, none := atlas.Cells(m.list.functions, m.list.entries, m.planes, only)
	m.made.Unweighed = none
	if len(cells) == 0 {
		return inputf("nothing there can be weighed: %s", strings.Join(atlas.Missing(m.list.entries, m.planes, only), "; "))
	}
	batches := atlas.Batches(cells, m.noops, atlas.Screen{Abreast: m.abreast(), Time: m.flags.time})
	a, err := m.agenda(ctx, batches)
	if err != nil {
		return err
	}
	fmt.Fprintln(m.command.ErrOrStderr(), a.describe(len(cells)))
	for i, b := range batches {
		fmt.Fprintf(m.command.ErrOrStderr(), "batch %d of %d%s: %s\n", i+1, len(batches), a.at(i), describeBatch(b))
		if err := m.batch(ctx, b); err != nil {
			return err
		}
	}
	if n := len(m.made.Unweighed); n > 0 {
		fmt.Fprintf(m.command.ErrOrStderr(), "%d not weighed; why is said below the figures\n", n)
	}
	return nil
}

// abreast is how many cells stand at a time, as was asked, else as the memory
// allows.
func (m *atlasMaker) abreast() int {
	if m.flags.abreast > 0 {
		return m.flags.abreast
	}
	host := measure.ReadEnvironment()
	memory := cmp.Or(host.MemoryLimit, host.Memory)
	n := atlas.AbreastIn(memory)
	if n < atlas.DefaultAbreast {
		fmt.Fprintf(m.command.ErrOrStderr(), "%d MB of memory are short: %d functions stand at a time, in more batches\n", memory/1e6, n)
	}
	return n
}

// gather reads what is kept of every atlas: of each wanted cell the newest.
func (m *atlasMaker) gather(ctx context.Context, only atlas.Only) error {
	entries, err := m.entries(ctx)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case !atlas.IsBatch(e.Study):
			continue
		case e.State != experiment.Done:
			fmt.Fprintf(m.command.ErrOrStderr(), "left out: %s (%s) is %s; the command that began it goes on with it\n", e.ID, e.Study, e.State)
			continue
		}
		r, err := m.load(ctx, e.ID)
		if err != nil {
			return err
		}
		m.made.Add(r)
	}
	m.made.Keep(func(c atlas.Cell) bool {
		return only.Wants(c.Function, c.Form) && (m.flags.planes == "" || c.Plane == "" || slices.Contains(m.planes, c.Plane))
	})
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
	case m.command.Context().Err() != nil || ofTheStore(err):
		return err
	}
	m.leave(b.Cells, err.Error())
	return nil
}

// ofTheStore reports whether an error would meet the other batches too.
func ofTheStore(err error) bool {
	var held *store.HeldError
	return errors.As(err, &held) || slices.ContainsFunc([]error{store.ErrReadOnly, store.ErrFull, store.ErrDisk, store.ErrDamaged, store.ErrNewer, store.ErrBusy},
		func(known error) bool { return errors.Is(err, known) })
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
		if err != nil && ctx.Err() == nil {
			err = m.standsAlone(ctx, bench, b, i) // a port may have been taken meanwhile
		}
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
	entries, err := m.entries(ctx)
	if err != nil {
		return nil, err
	}
	return newest(entries, digest), nil
}

// entries are all results there are.
func (m *atlasMaker) entries(ctx context.Context) ([]store.Entry, error) {
	st, err := openStore(ctx, m.state, m.data)
	if errors.Is(err, store.ErrNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return st.List(ctx)
}

// newest is the first of the entries that are of a plan and did not fail.
func newest(entries []store.Entry, digest string) *store.Entry {
	k := slices.IndexFunc(entries, func(e store.Entry) bool { return e.Digest == digest && e.State != experiment.Failed })
	if k < 0 {
		return nil
	}
	return &entries[k]
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
