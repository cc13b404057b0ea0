package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// defaultSettle is the pause after the other treatments were stopped and before
// a window begins.
const defaultSettle = 200 * time.Millisecond

// stage is a block being carried out.
type stage struct {
	*Apparatus
	plan     study.Block
	arms     []int // treatments that stand; the testbed and the generator know them by their place here
	heaviest int
	up       testbed.Setup
	session  load.Session
	ps       []process
	served   []int64 // by each service before the first phase
	block    Block
	choose   func(study.Phase, *Block) study.Phase // the rate of a probe; nil where there are none
	report   func(study.Kind)
	settle   time.Duration
	counter  func(pid int) (c counter, userOnly bool, err error) // of instructions
}

// carryOut brings everything up, runs the phases, judges, and takes it all
// down. An error is the apparatus's or ctx's; what happened to a block that
// stood is in Block.Void.
func (r *Runner) carryOut(ctx context.Context, a *Apparatus, plan study.Block, heaviest int, choose func(study.Phase, *Block) study.Phase, report func(study.Kind)) (b Block, err error) {
	s := &stage{Apparatus: a, plan: plan, arms: a.Plan.Arms(plan.Index), heaviest: heaviest, choose: choose, report: report, settle: cmp.Or(r.Settle, defaultSettle)}
	if s.counter = r.counter; s.counter == nil {
		s.counter = countInstructions
	}
	s.block = Block{Index: plan.Index, Started: time.Now().UTC()}
	defer func() { b.Took = time.Since(b.Started) }()
	order := make([]int, len(plan.Start))
	for k, i := range plan.Start {
		order[k] = slices.Index(s.arms, i)
	}
	ballast, err := measure.TakeBallast(r.Ballast)
	if err != nil {
		return s.block, fmt.Errorf("bring up block %d: %w", plan.Index, err)
	}
	defer ballast.Release()
	if s.up, err = r.Testbed.Up(ctx, s.standing(), order); err != nil {
		return s.block, fmt.Errorf("bring up block %d: %w", plan.Index, err)
	}
	defer func() { err = errors.Join(err, s.up.Down()) }()
	if err = s.offer(ctx); err == nil || ctx.Err() != nil {
		return s.block, err
	}
	if died := s.died(); died != nil {
		s.block.Void = died.Error()
	}
	if s.block.Void != "" {
		return s.block, nil
	}
	return s.block, err
}

// standing are the topologies of the arms.
func (s *stage) standing() []testbed.Topology {
	ts := make([]testbed.Topology, len(s.arms))
	for k, i := range s.arms {
		ts[k] = s.Topologies[i]
	}
	return ts
}

// deathNotice is how long after an error it may take to learn that a process
// has ended: its sockets close before it can be waited for.
const deathNotice = 500 * time.Millisecond

// died returns why a process of the block ended, if one did.
func (s *stage) died() error {
	t := time.NewTimer(deathNotice)
	defer t.Stop()
	select {
	case <-s.up.Died():
	case <-t.C:
	}
	return s.up.Err()
}

// offer opens the generator and runs the phases.
func (s *stage) offer(ctx context.Context) (err error) {
	if s.session, err = s.Generator.Open(ctx, s.targets(s.up, s.arms), s.Population); err != nil {
		return fmt.Errorf("start generator %s for block %d: %w", s.Generator.Name(), s.plan.Index, err)
	}
	defer func() { err = errors.Join(err, s.session.Close()) }()
	s.ps = processes(s.up, s.arms, s.session)
	if err := s.count(); err != nil {
		return fmt.Errorf("count the instructions of block %d: %w", s.plan.Index, err)
	}
	defer func() { err = errors.Join(err, s.uncount(nil)) }()
	err = s.run(ctx)
	if _, gone := measure.CPU(s.session.PID()); err != nil && ctx.Err() == nil && errors.Is(gone, os.ErrProcessDone) {
		s.block.Void = err.Error() // the generator is a process of the block like the others
	}
	return err
}

func (s *stage) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	defer func() { cancel(); <-watched }()
	go func() { // a process that dies ends the block at once
		defer close(watched)
		select {
		case <-s.up.Died():
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := s.countServed(ctx); err != nil {
		return err
	}
	for _, p := range s.plan.Phases {
		if p.Heaviest && len(p.Targets) == 0 {
			p.Targets = []int{s.heaviest}
		}
		if p.Kind == study.Probe {
			p = s.choose(p, &s.block)
		}
		if err := s.phase(ctx, p); err != nil {
			return fmt.Errorf("%s phase of block %d: %w", p.Kind, s.plan.Index, err)
		}
	}
	return s.judge(ctx)
}

func (s *stage) countServed(ctx context.Context) error {
	s.served = make([]int64, len(s.arms))
	for k := range s.arms {
		st, err := s.up.Stats(ctx, k)
		if err != nil {
			return err
		}
		s.served[k] = st.Served
	}
	return nil
}

func (s *stage) phase(ctx context.Context, p study.Phase) (err error) {
	s.report(p.Kind)
	if p.Alone(len(s.arms)) {
		others := s.others(p.Targets[0])
		if err := s.up.Pause(others...); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.up.Resume(others...)) }()
		if err := pause(ctx, s.settle); err != nil {
			return err
		}
	}
	from, err := readEdge(s.ps)
	if err != nil {
		return err
	}
	rec := PhaseRecord{Phase: p}
	var samples []load.Sample
	if p.Kind == study.Idle {
		err = pause(ctx, p.Duration)
	} else {
		samples, rec.Stats, err = load.Collect(ctx, s.session, s.loadOf(p, s.arms))
		for k := range samples {
			samples[k].Target = uint16(s.arms[samples[k].Target])
		}
	}
	if err != nil {
		return err
	}
	to, err := readEdge(s.ps)
	if err != nil {
		return err
	}
	rec.Wall, rec.Host = to.at.Sub(from.at), to.host.Sub(from.host)
	if rec.Parts, err = parts(s.ps, from, to); err != nil {
		return err
	}
	if to.notCounted != nil {
		if err := s.uncount(to.notCounted); err != nil {
			return err
		}
	}
	s.block.Phases = append(s.block.Phases, rec)
	s.block.Samples = append(s.block.Samples, samples)
	return nil
}

// others are the places of all arms but treatment i.
func (s *stage) others(i int) []int {
	var ks []int
	for k, j := range s.arms {
		if j != i {
			ks = append(ks, k)
		}
	}
	return ks
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge holds every treatment that carries functions against their models, and
// keeps the services' own counts.
func (s *stage) judge(ctx context.Context) error {
	for k, i := range s.arms {
		st, err := s.up.Stats(ctx, k)
		if err != nil {
			return err
		}
		st.Served -= s.served[k]
		s.block.Work = append(s.block.Work, WorkStats{Treatment: i, Stats: st})
		if slices.ContainsFunc(s.carried[i], carried.judged) {
			s.block.Judged = append(s.block.Judged, s.judgeOne(i, st))
		}
	}
	return nil
}

func (s *stage) judgeOne(i int, st workload.Stats) Judgement {
	e := function.Evidence{Served: int(st.Served)}
	touched := map[uint32]bool{}
	for _, samples := range s.block.Samples {
		for _, x := range samples {
			if int(x.Target) != i || x.Written < 0 {
				continue // another treatment's, or never sent
			}
			touched[x.User] = true
			e.Observations = append(e.Observations, function.Observation{Earliest: x.Written, Latest: latest(x),
				Path: s.path(), Caller: s.callers[x.User], Outcome: outcome(x)})
		}
	}
	slices.SortFunc(e.Observations, func(a, b function.Observation) int { return int(a.Earliest - b.Earliest) })
	j := Judgement{Treatment: i, Callers: len(touched)}
	for _, c := range s.carried[i] {
		if !c.judged() {
			continue
		}
		if err := c.function.Judge(c.spec, e); err != nil && j.Wrong == "" {
			j.Wrong = err.Error()
		}
	}
	return j
}

func (c carried) judged() bool { return c.function.Judge != nil }

// latest is when the decision on a request had been made at the latest: a
// request without an answer may still be under way.
func latest(x load.Sample) time.Duration {
	if x.FirstByte >= 0 {
		return x.FirstByte
	}
	return time.Duration(1<<63 - 1)
}

func outcome(x load.Sample) function.Outcome {
	switch x.Class {
	case load.OK:
		return function.Allowed
	case load.Limited:
		return function.Refused
	}
	return function.Unknown
}
