// Package storetest holds a store.Store against what package store promises.
//
// Run opens stores at fresh places and puts each through the same cases:
// everything that is kept comes back equal, nothing that is kept ever changes,
// readers see whole blocks only while a writer appends, and a writer that is
// killed at any moment leaves whole blocks only. For the last, Run starts the
// test binary again as the writer. Faults of one kind of database (a full
// disk, a damaged file) are tested where that database is.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

// Opener opens the store that stands at a place, and makes it when it is
// missing. The same place is the same store, from another process too. A place
// is a folder of its own; a store that is no file may take it as a name. The
// opener fails the test when it cannot.
type Opener func(t *testing.T, place string) store.Store

// Run holds the stores that open gives against the contract. It must be called
// from a test of its own, before anything else of that test.
func Run(t *testing.T, open Opener) {
	if place := os.Getenv(writerEnv); place != "" {
		writeUntilKilled(t, open(t, place))
		return
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, Opener)
	}{
		{"what is kept comes back", testRoundTrip},
		{"times are UTC to the nanosecond", testTimes},
		{"lists are in order", testOrder},
		{"what breaks a rule is refused", testRefusals},
		{"a known id resumes", testResume},
		{"a context that is done writes nothing", testCancelled},
		{"names resolve", testResolve},
		{"what is kept stays over a reopening", testReopen},
		{"labels are kept, and refused where they say nothing", testLabels},
		{"a baseline outlives its experiment, by name", testBaselineGone},
		{"what is removed is gone, and nothing else", testRemove},
		{"what is held is not removed", testHolds},
		{"an exported experiment is the same elsewhere", testTransfer},
		{"an import is whole or not at all", testImportRefuses},
		{"readers see whole blocks beside a writer", testReaders},
		{"a killed writer leaves whole blocks", testKill},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open) })
	}
}

// fresh opens a store at a place of its own.
func fresh(t *testing.T, open Opener) store.Store {
	t.Helper()
	return opened(t, open, t.TempDir())
}

func opened(t *testing.T, open Opener, place string) store.Store {
	t.Helper()
	s := open(t, place)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func begin(t *testing.T, s store.Store, e experiment.Experiment, blocks ...experiment.Block) {
	t.Helper()
	must(t, s.Begin(t.Context(), e))
	for _, b := range blocks {
		must(t, s.Append(t.Context(), e.ID, b))
	}
}

func loaded(t *testing.T, s store.Store, id string) store.Record {
	t.Helper()
	r, err := s.Load(t.Context(), id)
	must(t, err)
	return r
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, Options()); d != "" {
		t.Errorf("%s (- want, + got):\n%s", what, d)
	}
}

func testRoundTrip(t *testing.T, open Opener) {
	s := fresh(t, open)
	e := Experiment(t, "one", at(0))
	empty := experiment.Block{ID: "empty", Index: 2, Attempt: 1, Started: at(2)}
	blocks := []experiment.Block{Block(0, 1, 300), Block(1, 1, 3), empty}
	begin(t, s, e, blocks...)
	want := store.Record{Experiment: e, State: experiment.Running, Blocks: blocks}
	equal(t, "a running experiment", loaded(t, s, "one"), want)

	for _, state := range []experiment.State{experiment.Failed, experiment.Interrupted, experiment.Done} {
		must(t, s.End(t.Context(), "one", state, at(9)))
		want.State, want.Ended = state, at(9)
		equal(t, "an ended experiment", loaded(t, s, "one"), want)
	}

	other := Experiment(t, "other", at(1))
	begin(t, s, other)
	equal(t, "an experiment without blocks", loaded(t, s, "other"), store.Record{Experiment: other, State: experiment.Running})
	equal(t, "an experiment beside another", loaded(t, s, "one"), want)
}

func testTimes(t *testing.T, open Opener) {
	s := fresh(t, open)
	there := time.FixedZone("there", -(3*3600 + 1800))
	e := Experiment(t, "zones", at(0).In(there))
	b := Block(0, 1, 1)
	b.Started = b.Started.In(there)
	begin(t, s, e, b)
	must(t, s.End(t.Context(), e.ID, experiment.Done, at(1).In(there)))

	r := loaded(t, s, e.ID)
	entries, err := s.List(t.Context())
	must(t, err)
	metas, err := s.Blocks(t.Context(), e.ID)
	must(t, err)
	for _, c := range []struct {
		what      string
		got, want time.Time
	}{
		{"start of the experiment", r.Experiment.Started, e.Started},
		{"end of the experiment", r.Ended, at(1)},
		{"start of the block", r.Blocks[0].Started, b.Started},
		{"start in the list", entries[0].Started, e.Started},
		{"start in the blocks", metas[0].Started, b.Started},
	} {
		if !c.got.Equal(c.want) || c.got.Location() != time.UTC {
			t.Errorf("%s: got %v, want %v in UTC", c.what, c.got, c.want)
		}
	}
}

func testOrder(t *testing.T, open Opener) {
	s := fresh(t, open)
	void := func(index, attempt int) experiment.Block {
		b := Block(index, attempt, 2)
		b.Void = "the proxy died"
		return b
	}
	begin(t, s, Experiment(t, "b", at(1)))
	begin(t, s, Experiment(t, "a", at(2)), void(10, 2), Block(1, 1, 2), void(10, 1), Block(10, 3, 2), Block(2, 1, 2), void(0, 1))
	begin(t, s, Experiment(t, "z", at(0)))
	begin(t, s, Experiment(t, "c", at(1).Add(1)))
	must(t, s.End(t.Context(), "z", experiment.Interrupted, at(3)))

	entries, err := s.List(t.Context())
	must(t, err)
	digest := Experiment(t, "", at(0)).Plan.Digest
	equal(t, "experiments, newest first", entries, []store.Entry{
		{ID: "a", Study: "kept", Started: at(2), State: experiment.Running, Blocks: 3, Voids: 3, Digest: digest},
		{ID: "c", Study: "kept", Started: at(1).Add(1), State: experiment.Running, Digest: digest},
		{ID: "b", Study: "kept", Started: at(1), State: experiment.Running, Digest: digest},
		{ID: "z", Study: "kept", Started: at(0), State: experiment.Interrupted, Digest: digest},
	})

	want := []experiment.Block{void(0, 1), Block(1, 1, 2), Block(2, 1, 2), void(10, 1), void(10, 2), Block(10, 3, 2)}
	equal(t, "blocks by index and attempt", loaded(t, s, "a").Blocks, want)
	metas, err := s.Blocks(t.Context(), "a")
	must(t, err)
	var wantMetas []store.BlockEntry
	for _, b := range want {
		row, err := store.EncodeBlock(b)
		must(t, err)
		wantMetas = append(wantMetas, store.BlockEntry{Block: b.Index, Attempt: b.Attempt, ID: b.ID, Started: b.Started, SHA256: row.SamplesSHA256, Void: b.Void})
	}
	equal(t, "block entries", metas, wantMetas)
}

func testRefusals(t *testing.T, open Opener) {
	s := fresh(t, open)
	ctx := t.Context()
	e := Experiment(t, "one", at(0))
	void := Block(1, 1, 2)
	void.Void = "a reason"
	begin(t, s, e, Block(0, 1, 2), void)
	otherPlan := e
	otherPlan.Plan.Digest = "another"
	unreadable := Experiment(t, "unreadable", at(0))
	unreadable.Plan.Study.Load.Rate = 0 // is written, but not read
	changed := Block(0, 1, 3)
	changed.Void = "changed"
	for _, c := range []struct {
		name string
		do   func() error
		want error // nil: any error
	}{
		{"the same block again", func() error { return s.Append(ctx, "one", Block(0, 1, 2)) }, store.ErrExists},
		{"another block in its place", func() error { return s.Append(ctx, "one", changed) }, store.ErrExists},
		{"a second attempt that counts", func() error { return s.Append(ctx, "one", Block(0, 2, 2)) }, store.ErrExists},
		{"a void again", func() error { return s.Append(ctx, "one", void) }, store.ErrExists},
		{"a block of no experiment", func() error { return s.Append(ctx, "none", Block(0, 1, 2)) }, store.ErrUnknown},
		{"the end of no experiment", func() error { return s.End(ctx, "none", experiment.Done, at(1)) }, store.ErrUnknown},
		{"loading no experiment", func() error { _, err := s.Load(ctx, "none"); return err }, store.ErrUnknown},
		{"blocks of no experiment", func() error { _, err := s.Blocks(ctx, "none"); return err }, store.ErrUnknown},
		{"loading by a part of an id", func() error { _, err := s.Load(ctx, "on"); return err }, store.ErrUnknown},
		{"ending as running", func() error { return s.End(ctx, "one", experiment.Running, at(1)) }, nil},
		{"ending as what is no state", func() error { return s.End(ctx, "one", "over", at(1)) }, nil},
		{"a known id with another plan", func() error { return s.Begin(ctx, otherPlan) }, store.ErrExists},
		{"what could not be read back", func() error { return s.Begin(ctx, unreadable) }, nil},
		{"no id", func() error { return s.Begin(ctx, Experiment(t, "", at(0))) }, nil},
		{"an id that means another", func() error { return s.Begin(ctx, Experiment(t, store.Last, at(0))) }, nil},
	} {
		err := c.do()
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, err, c.want)
		}
	}
	equal(t, "after refusals", loaded(t, s, "one"),
		store.Record{Experiment: e, State: experiment.Running, Blocks: []experiment.Block{Block(0, 1, 2), void}})
	must(t, s.Append(ctx, "one", Block(1, 2, 2))) // a void is repeated
	must(t, s.Append(ctx, "one", Block(2, 1, 2)))
	equal(t, "blocks after refusals", len(loaded(t, s, "one").Blocks), 4)
}

func testResume(t *testing.T, open Opener) {
	s := fresh(t, open)
	e := Experiment(t, "one", at(0))
	begin(t, s, e, Block(0, 1, 2))
	must(t, s.End(t.Context(), e.ID, experiment.Interrupted, at(1)))
	again := e
	again.Started = at(5)
	again.Program.SHA256 = "another binary"
	begin(t, s, again, Block(1, 1, 2))
	equal(t, "a resumed experiment", loaded(t, s, e.ID),
		store.Record{Experiment: e, State: experiment.Running, Blocks: []experiment.Block{Block(0, 1, 2), Block(1, 1, 2)}})
}

func testCancelled(t *testing.T, open Opener) {
	s := fresh(t, open)
	e := Experiment(t, "one", at(0))
	begin(t, s, e, Block(0, 1, 2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, do := range map[string]func() error{
		"Begin":  func() error { return s.Begin(ctx, Experiment(t, "two", at(1))) },
		"Append": func() error { return s.Append(ctx, "one", Block(1, 1, 2)) },
		"End":    func() error { return s.End(ctx, "one", experiment.Done, at(1)) },
		"List":   func() error { _, err := s.List(ctx); return err },
		"Load":   func() error { _, err := s.Load(ctx, "one"); return err },
		"Blocks": func() error { _, err := s.Blocks(ctx, "one"); return err },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: got error %v", what, err)
		}
	}
	want := store.Record{Experiment: e, State: experiment.Running, Blocks: []experiment.Block{Block(0, 1, 2)}}
	equal(t, "after cancelled writes", loaded(t, s, "one"), want)
	if _, err := s.Load(t.Context(), "two"); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("a cancelled Begin left something: %v", err)
	}

	// What is written after an interrupt comes with a context of its own.
	fresh, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	must(t, s.Append(fresh, "one", Block(1, 1, 2)))
	must(t, s.End(fresh, "one", experiment.Interrupted, at(1)))
	want.State, want.Ended, want.Blocks = experiment.Interrupted, at(1), append(want.Blocks, Block(1, 1, 2))
	equal(t, "after writes with a fresh context", loaded(t, s, "one"), want)
}

func testResolve(t *testing.T, open Opener) {
	s := fresh(t, open)
	if _, err := s.Resolve(t.Context(), store.Last); !errors.Is(err, store.ErrNothing) {
		t.Errorf("resolve in an empty store: got error %v", err)
	}
	for i, id := range []string{"20300102-aaaa", "20300102-aabb", "20300102", "2029-zz"} {
		begin(t, s, Experiment(t, id, at(-i)))
	}
	for _, c := range []struct {
		name, want string
		err        error
	}{
		{name: "last", want: "20300102-aaaa"},
		{name: "20300102-aabb", want: "20300102-aabb"},
		{name: "20300102-aab", want: "20300102-aabb"},
		{name: "20300102", want: "20300102"}, // a whole id before a beginning
		{name: "2029", want: "2029-zz"},
		{name: "20300102-aa", err: store.ErrAmbiguous},
		{name: "20", err: store.ErrAmbiguous},
		{name: "aabb", err: store.ErrUnknown},
		{name: "las", err: store.ErrUnknown},
		{name: "20300102_aaaa", err: store.ErrUnknown},
		{name: "%", err: store.ErrUnknown},
		{name: "", err: store.ErrUnknown},
	} {
		got, err := s.Resolve(t.Context(), c.name)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("resolve %q: got %q and error %v, want %q and %v", c.name, got, err, c.want, c.err)
		}
	}
}

func testReopen(t *testing.T, open Opener) {
	place := t.TempDir()
	s := open(t, place)
	begin(t, s, Experiment(t, "one", at(0)), Block(0, 1, 500), Block(1, 1, 500))
	before := loaded(t, s, "one")
	entries, err := s.Blocks(t.Context(), "one")
	must(t, err)
	must(t, s.Close())
	for i := range 3 {
		s := opened(t, open, place)
		after, err := s.Blocks(t.Context(), "one")
		must(t, err)
		equal(t, fmt.Sprintf("block entries after reopening %d", i+1), after[:2], entries)
		r := loaded(t, s, "one")
		r.Blocks = r.Blocks[:2]
		equal(t, fmt.Sprintf("the experiment after reopening %d", i+1), r, before)
		must(t, s.Append(t.Context(), "one", Block(2+i, 1, 500)))
	}
}
