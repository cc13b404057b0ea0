package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/study"
)

// agenda is what is left to do of an atlas, before it begins and under way.
type agenda struct {
	began  time.Time
	left   []time.Duration // that each batch is expected to take; 0: it is kept
	blocks []int           // of each batch
}

// startsIn is about what it takes to see whether a cell comes up alone.
const startsIn = 300 * time.Millisecond

// agenda looks up what is kept of the batches and how long the others take.
func (m *atlasMaker) agenda(ctx context.Context, batches []atlas.Batch) (*agenda, error) {
	entries, err := m.entries(ctx)
	if err != nil {
		return nil, err
	}
	a := &agenda{began: time.Now()}
	for _, b := range batches {
		plan, err := study.MakePlan(*b.Study, study.Options{Seed: m.flags.seed})
		if err != nil {
			return nil, err
		}
		takes := plan.Expected
		switch e := newest(entries, plan.Digest); {
		case e == nil:
			takes += time.Duration(len(b.Cells)) * startsIn
		case e.State == experiment.Done:
			takes = 0
		default:
			takes = max(1, takes*time.Duration(len(plan.Blocks)-e.Blocks)/time.Duration(len(plan.Blocks)))
		}
		a.left, a.blocks = append(a.left, takes), append(a.blocks, len(plan.Blocks))
	}
	return a, nil
}

// describe says how much all of it is.
func (a *agenda) describe(cells int) string {
	kept, sum, least := 0, time.Duration(0), a.blocks[0]
	for i, d := range a.left {
		if d == 0 {
			kept++
		}
		sum, least = sum+d, min(least, a.blocks[i])
	}
	words := fmt.Sprintf("%d places in %d batches", cells, len(a.left))
	if kept > 0 {
		words += fmt.Sprintf(", %d of them kept already", kept)
	}
	if kept == len(a.left) {
		return words
	}
	words += fmt.Sprintf("; about %s", seconds(sum))
	if least < study.MinBlocks {
		words += fmt.Sprintf("; a screening: some have %d blocks, and verdicts need %d (a longer --time)", least, study.MinBlocks)
	}
	return words
}

// at says how long the batches from the i-th on take, at the pace so far.
func (a *agenda) at(i int) string {
	if a.left[i] == 0 {
		return ", kept"
	}
	done, left := time.Duration(0), time.Duration(0)
	for k, d := range a.left {
		if k < i {
			done += d
		} else {
			left += d
		}
	}
	if took := time.Since(a.began); done > 0 {
		left = time.Duration(float64(left) * max(1, float64(took)/float64(done)))
	}
	return fmt.Sprintf(", about %s left", seconds(cmp.Or(left, time.Second)))
}
