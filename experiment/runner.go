package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// Runner carries out plans.
type Runner struct {
	Testbed testbed.Testbed
	Journal Journal
	// Progress, if set, is told what happens, from the goroutine that runs.
	Progress func(Event)
	// Spent is how much of the study's time has gone before Run.
	Spent time.Duration
	// Notes are kept as warnings of the first block that is run.
	Notes []string
	// Settle is the pause before a window, once the others are stopped; 0: 200 ms.
	Settle time.Duration
	// Ballast is how many bytes of memory are held while a block stands (see
	// measure.Ballast); 0: none.
	Ballast uint64

	counter func(pid int) (c counter, userOnly bool, err error) // of instructions; nil: the kernel's
}

// Event is one step of a run.
type Event struct {
	Block   int           // index of the block under way
	Blocks  int           // planned
	Done    int           // finished that count
	Voids   int           // finished that do not
	Phase   study.Kind    // under way; empty when a block has just finished
	Elapsed time.Duration // of the run, earlier sittings included
	Left    time.Duration // expected
	// Block that has just finished, and what all finished ones say so far;
	// nil during a phase.
	Finished *Block
	Analysis *Analysis
}

// Outcome is how a run ended.
type Outcome struct {
	State  State
	Blocks []Block // all finished ones, voids included
	// Stopped early because every interval is narrow enough.
	Enough bool
}

// stopTimeout bounds what is written after a run was cancelled.
const stopTimeout = 10 * time.Second

// Run carries out the plan's blocks that are not done yet. The experiment must
// have been begun in the journal. On cancellation the block under way is given
// up, all else is kept, and the error is ctx's.
func (r *Runner) Run(ctx context.Context, id string, a *Apparatus, done []Block) (Outcome, error) {
	c := &course{Runner: r, Apparatus: a, id: id, began: time.Now(), before: r.Spent, blocks: done, notes: r.Notes, known: cache{}}
	for _, b := range done {
		c.before += b.Took
	}
	err := c.run(ctx)
	out := Outcome{State: Done, Blocks: c.blocks, Enough: c.enough}
	switch {
	case err != nil && ctx.Err() != nil:
		out.State, err = Interrupted, ctx.Err()
	case err != nil:
		out.State = Failed
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return out, errors.Join(err, r.Journal.End(end, id, out.State, time.Now().UTC()))
}

// course is one run under way.
type course struct {
	*Runner
	*Apparatus
	id     string
	began  time.Time
	before time.Duration // spent in earlier sittings
	blocks []Block
	notes  []string // not yet kept
	enough bool
	// analysis of the blocks; nil before the first that counts.
	analysis *Analysis
	known    cache
}

func (c *course) run(ctx context.Context) error {
	if err := c.analyse(); err != nil {
		return err
	}
	for _, b := range c.Plan.Blocks {
		if c.finished(b.Index) {
			continue
		}
		if c.enough = c.enoughSoFar(b.Index); c.enough || c.timeIsUp() {
			return nil
		}
		if err := c.untilItCounts(ctx, b); err != nil {
			return err
		}
	}
	c.enough = c.enoughSoFar(len(c.Plan.Blocks))
	return nil
}

// finished reports whether the journal holds the block, counting.
func (c *course) finished(index int) bool {
	for _, b := range c.blocks {
		if b.Index == index && b.Void == "" {
			return true
		}
	}
	return false
}

// enoughSoFar looks at the data, if the plan's rule has a look after so many blocks.
func (c *course) enoughSoFar(blocks int) bool {
	r := c.Plan.Rule
	rule := stat.Rule{First: r.First, Every: r.Every, Level: r.Level}
	if r.Stop != study.StopWidth || !rule.Look(blocks) || c.analysis == nil {
		return false
	}
	if c.Plan.Study.Design.Name == study.Knee {
		return rule.Enough(c.analysis.kneeWidths(c.Plan))
	}
	return rule.Enough(c.analysis.primaryWidths())
}

// fewest blocks are carried out whatever the time: one alone gives no interval.
const fewest = 2

// timeIsUp: a further block would not end in time.
func (c *course) timeIsUp() bool {
	if len(c.blocks) < fewest || c.Plan.Study.Design.Blocks > 0 {
		return false
	}
	return c.elapsed()+c.meanBlock() > c.Plan.Study.Design.Time
}

func (c *course) elapsed() time.Duration { return c.before + time.Since(c.began) }

func (c *course) meanBlock() time.Duration {
	if len(c.blocks) == 0 {
		return c.Plan.Expected / time.Duration(len(c.Plan.Blocks))
	}
	var sum time.Duration
	for _, b := range c.blocks {
		sum += b.Took
	}
	return sum / time.Duration(len(c.blocks))
}

// untilItCounts repeats a block until it is not void, or until the share of
// voids is used up: then it counts as it is, stamped.
func (c *course) untilItCounts(ctx context.Context, plan study.Block) error {
	rule := stat.VoidRule(c.Plan.Rule.Voids)
	attempt, voids := 1, 0
	for _, b := range c.blocks {
		if b.Void != "" {
			voids++
		}
		if b.Index == plan.Index {
			attempt = b.Attempt + 1
		}
	}
	for ; ; attempt, voids = attempt+1, voids+1 {
		b, err := c.carryOut(ctx, c.Apparatus, plan, c.heaviest(plan), c.probe, func(k study.Kind) { c.tell(Event{Block: plan.Index, Phase: k}) })
		if err != nil {
			return err
		}
		b.Attempt = attempt
		b.ID = fmt.Sprintf("%s-b%03d-a%d", c.id, b.Index, attempt)
		if b.Void == "" {
			b.Void = rule.Reason(strain(c.Plan, b))
			if b.Void != "" && !rule.Allows(voids, len(c.Plan.Blocks)) {
				b.Warnings = append(b.Warnings, "kept although void, since a fifth of the blocks were void before it: "+b.Void)
				b.Void = ""
			}
		} else if !rule.Allows(voids, len(c.Plan.Blocks)) {
			return fmt.Errorf("block %d: %s, and a fifth of the blocks were void before it; give the machine rest or look at the last lines above", plan.Index, b.Void)
		}
		if err := c.keep(ctx, b); err != nil {
			return err
		}
		if b.Void == "" {
			return nil
		}
	}
}

func (c *course) keep(ctx context.Context, b Block) error {
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	b.Warnings = append(b.Warnings, c.notes...)
	if err := c.Journal.Append(keep, c.id, b); err != nil {
		return err
	}
	c.notes = nil
	c.blocks = append(c.blocks, b)
	if err := c.analyse(); err != nil {
		return err
	}
	c.tell(Event{Block: b.Index, Finished: &b, Analysis: c.analysis})
	return nil
}

// analyse brings the analysis up to the blocks.
func (c *course) analyse() error {
	an, err := analyse(c.Plan, c.blocks, c.known)
	if errors.Is(err, ErrNoBlocks) {
		return nil
	}
	c.analysis = an
	return err
}

func (c *course) tell(e Event) {
	if c.Progress == nil {
		return
	}
	e.Blocks = len(c.Plan.Blocks)
	for _, b := range c.blocks {
		if b.Void == "" {
			e.Done++
		} else {
			e.Voids++
		}
	}
	e.Elapsed = c.elapsed()
	e.Left = time.Duration(e.Blocks-e.Done) * c.meanBlock()
	if c.Plan.Study.Design.Blocks == 0 {
		e.Left = min(e.Left, c.Plan.Study.Design.Time-e.Elapsed)
	}
	e.Left = max(e.Left, 0)
	c.Progress(e)
}

// heaviest is the treatment that the interference control of a block compares
// with its baseline: of those on the baseline's data plane (of all, where the
// baseline has none) the one with the greatest CPU time per request when that
// baseline's first control block begins, and the same from then on.
func (c *course) heaviest(plan study.Block) int {
	k := slices.IndexFunc(plan.Phases, func(p study.Phase) bool { return p.Kind == study.Solo && !p.Heaviest })
	if k < 0 {
		return -1
	}
	base := plan.Phases[k].Targets[0]
	for i := range c.blocks {
		if w, _ := windowOf(&c.blocks[i]); w.baseline == base && w.heaviest >= 0 {
			return w.heaviest
		}
	}
	s := &c.Plan.Study
	best, most := -1, -1.0
	for i := range c.Topologies {
		var sum float64
		if c.analysis != nil {
			for _, x := range c.analysis.Treatments[i].PerBlock[CPU] {
				sum += x
			}
		}
		near := s.PlaneOf(base) == "" || s.PlaneOf(i) == s.PlaneOf(base)
		if i != base && near && s.Treatments[i].Control != study.AA && sum > most {
			best, most = i, sum
		}
	}
	return best
}
