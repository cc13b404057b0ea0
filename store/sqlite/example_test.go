package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/store/sqlite"
	"github.com/taremesh/tare/study"
)

func Example() {
	if err := example(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// block 0 of a1, 1 sample: took 250µs
	// done
}

func example(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return err
	}
	defer s.Close()

	start := time.Now()
	e := experiment.Experiment{ID: "a1", Started: start, Plan: study.Plan{Study: study.Study{Name: "small", Load: study.Load{Rate: 500}}}}
	b := experiment.Block{Attempt: 1, Started: start, Samples: [][]load.Sample{{{LastByte: 250 * time.Microsecond, Status: 200}}}}
	if err := s.Begin(ctx, e); err != nil {
		return err
	}
	if err := s.Append(ctx, e.ID, b); err != nil {
		return err
	}
	if err := s.End(ctx, e.ID, experiment.Done, time.Now()); err != nil {
		return err
	}

	id, err := s.Resolve(ctx, store.Last)
	if err != nil {
		return err
	}
	r, err := s.Load(ctx, id)
	if err != nil {
		return err
	}
	samples := r.Blocks[0].Samples[0]
	fmt.Printf("block %d of %s, %d sample: took %v\n", r.Blocks[0].Index, id, len(samples), samples[0].Response())
	fmt.Println(r.State)
	return nil
}
