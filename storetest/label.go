package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/store"
)

func entry(t *testing.T, s store.Store, id string) store.Entry {
	t.Helper()
	entries, err := s.List(t.Context())
	must(t, err)
	for _, e := range entries {
		if e.ID == id {
			return e
		}
	}
	t.Fatalf("experiment %s is not in the list", id)
	return store.Entry{}
}

func baselines(t *testing.T, s store.Store) []store.Baseline {
	t.Helper()
	bs, err := s.Baselines(t.Context())
	must(t, err)
	return bs
}

func testLabels(t *testing.T, open Opener) {
	place := t.TempDir()
	s := open(t, place)
	ctx := t.Context()
	begin(t, s, Experiment(t, "one", at(0)), Block(0, 1, 20))
	begin(t, s, Experiment(t, "two", at(1)))
	before := loaded(t, s, "one")

	must(t, s.Annotate(ctx, "one", "first"))
	must(t, s.Annotate(ctx, "one", "after the upgrade: ½ µs less\nsecond line"))
	must(t, s.Annotate(ctx, "two", "gone again"))
	must(t, s.Annotate(ctx, "two", ""))
	must(t, s.Tag(ctx, "one", []string{"nightly", "keep", "a/b_c.1"}, nil))
	must(t, s.Tag(ctx, "one", []string{"keep", "envoy-1.40"}, []string{"nightly", "never-there"}))
	main := store.Baseline{Name: "main", Experiment: "two", Since: at(2), Why: "a release"}
	must(t, s.SetBaseline(ctx, store.Baseline{Name: "main", Experiment: "one", Since: at(1)}))
	must(t, s.SetBaseline(ctx, main))
	other := store.Baseline{Name: "before", Experiment: "one", Since: at(3)}
	must(t, s.SetBaseline(ctx, other))
	also := store.Baseline{Name: "also", Experiment: "one", Since: at(4)}
	must(t, s.SetBaseline(ctx, also))
	must(t, s.Close())

	s = opened(t, open, place)
	one, two := entry(t, s, "one"), entry(t, s, "two")
	equal(t, "note", one.Note, "after the upgrade: ½ µs less\nsecond line")
	equal(t, "tags, in order", one.Tags, []string{"a/b_c.1", "envoy-1.40", "keep"})
	equal(t, "names of one", one.Baselines, []string{"also", "before"})
	equal(t, "labels of two", []any{two.Note, two.Tags, two.Baselines}, []any{"", []string(nil), []string{"main"}})
	equal(t, "baselines, in order", baselines(t, s), []store.Baseline{also, other, main})
	equal(t, "the experiment under its labels", loaded(t, s, "one"), before)

	must(t, s.RemoveBaseline(ctx, "also"))
	equal(t, "baselines after one was removed", baselines(t, s), []store.Baseline{other, main})
	refuseLabels(t, s)
	equal(t, "baselines after refusals", baselines(t, s), []store.Baseline{other, main})
	equal(t, "tags after refusals", entry(t, s, "one").Tags, []string{"a/b_c.1", "envoy-1.40", "keep"})
	equal(t, "the note after refusals", entry(t, s, "one").Note, one.Note)
}

func refuseLabels(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprint("tag-", i))
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	set := func(name, id, why string) error {
		return s.SetBaseline(ctx, store.Baseline{Name: name, Experiment: id, Since: at(0), Why: why})
	}
	for _, c := range []struct {
		name string
		err  error
		want error // nil: any error
	}{
		{"a baseline of no experiment", set("main", "none", ""), store.ErrUnknown},
		{"a baseline without a name", set("", "one", ""), nil},
		{"a name with a blank", set("my main", "one", ""), nil},
		{"a name that is a flag", set("-f", "one", ""), nil},
		{"a reason that writes to the terminal", set("x", "one", "\x1b[2J"), nil},
		{"removing what is no name", s.RemoveBaseline(ctx, "none"), store.ErrNoBaseline},
		{"a note on no experiment", s.Annotate(ctx, "none", "x"), store.ErrUnknown},
		{"a note too long", s.Annotate(ctx, "one", strings.Repeat("x", 5000)), nil},
		{"a note that is no text", s.Annotate(ctx, "one", "\xff"), nil},
		{"a note with control characters", s.Annotate(ctx, "one", "a\x00b"), nil},
		{"a tag on no experiment", s.Tag(ctx, "none", []string{"x"}, nil), store.ErrUnknown},
		{"an empty tag", s.Tag(ctx, "one", []string{""}, nil), nil},
		{"a tag in capitals", s.Tag(ctx, "one", []string{"Keep"}, nil), nil},
		{"a good tag beside a bad one", s.Tag(ctx, "one", []string{"good", "b d"}, []string{"keep"}), nil},
		{"too many tags", s.Tag(ctx, "one", many, nil), nil},
		{"a baseline with a cancelled context", s.SetBaseline(done, store.Baseline{Name: "main", Experiment: "one"}), context.Canceled},
		{"a note with a cancelled context", s.Annotate(done, "one", "x"), context.Canceled},
		{"a tag with a cancelled context", s.Tag(done, "one", []string{"x"}, nil), context.Canceled},
	} {
		if c.err == nil || c.want != nil && !errors.Is(c.err, c.want) {
			t.Errorf("%s: got error %v, want %v", c.name, c.err, c.want)
		}
	}
}

func testBaselineGone(t *testing.T, open Opener) {
	s := fresh(t, open)
	ctx := t.Context()
	begin(t, s, Experiment(t, "one", at(0)))
	b := store.Baseline{Name: "main", Experiment: "one", Since: at(1)}
	must(t, s.SetBaseline(ctx, b))
	find := func(name string) (store.Baseline, error) {
		entries, err := s.List(ctx)
		must(t, err)
		return store.FindBaseline(baselines(t, s), entries, name)
	}
	got, err := find("main")
	must(t, err)
	equal(t, "the baseline", got, b)
	if _, err := find("mian"); !errors.Is(err, store.ErrNoBaseline) || !strings.Contains(err.Error(), "main") {
		t.Errorf("a name that is not there: %v", err)
	}

	must(t, s.Remove(ctx, "one", store.ForceHolds))
	if _, err := find("main"); !errors.Is(err, store.ErrGone) || !strings.Contains(err.Error(), "one") || !strings.Contains(err.Error(), "main") {
		t.Errorf("a baseline whose experiment is gone: %v", err)
	}
	equal(t, "the name stays", baselines(t, s), []store.Baseline{b})
	begin(t, s, Experiment(t, "two", at(2)))
	must(t, s.SetBaseline(ctx, store.Baseline{Name: "main", Experiment: "two", Since: at(2)}))
	if got, err := find("main"); err != nil || got.Experiment != "two" {
		t.Errorf("a name that was set again: %+v, %v", got, err)
	}
	must(t, s.Remove(ctx, "two", store.ForceHolds))
	must(t, s.RemoveBaseline(ctx, "main"))
	equal(t, "no names", len(baselines(t, s)), 0)
}

func testRemove(t *testing.T, open Opener) {
	s := fresh(t, open)
	ctx := t.Context()
	begin(t, s, Experiment(t, "one", at(0)), Block(0, 1, 300), Block(1, 1, 300))
	begin(t, s, Experiment(t, "two", at(1)), Block(0, 1, 300))
	must(t, s.Tag(ctx, "one", []string{"x"}, nil))
	must(t, s.Annotate(ctx, "one", "a note"))
	two := loaded(t, s, "two")
	if err := s.Remove(ctx, "none", store.ForceHolds); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("removing what is not there: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Remove(done, "one", store.HeedHolds); !errors.Is(err, context.Canceled) {
		t.Errorf("removing with a cancelled context: %v", err)
	}
	equal(t, "blocks after refusals", len(loaded(t, s, "one").Blocks), 2)

	must(t, s.Remove(ctx, "one", store.HeedHolds))
	if _, err := s.Load(ctx, "one"); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("loading what was removed: %v", err)
	}
	must(t, s.Compact(ctx))
	equal(t, "what stays", loaded(t, s, "two"), two)
	begin(t, s, Experiment(t, "one", at(5)), Block(0, 1, 7)) // its id is free, with nothing of the old
	again := entry(t, s, "one")
	equal(t, "labels of a new experiment under an old id", []any{again.Note, again.Tags, again.Blocks}, []any{"", []string(nil), 1})
}

func testHolds(t *testing.T, open Opener) {
	s := fresh(t, open)
	ctx := t.Context()
	for i, id := range []string{"named", "tagged", "both", "free"} {
		begin(t, s, Experiment(t, id, at(i)), Block(0, 1, 5))
	}
	must(t, s.SetBaseline(ctx, store.Baseline{Name: "main", Experiment: "named", Since: at(0)}))
	must(t, s.SetBaseline(ctx, store.Baseline{Name: "other", Experiment: "both", Since: at(0)}))
	must(t, s.Tag(ctx, "tagged", []string{store.TagKeep}, nil))
	must(t, s.Tag(ctx, "both", []string{store.TagKeep}, nil))
	must(t, s.Tag(ctx, "free", []string{"keeper"}, nil))
	for id, by := range map[string]string{"named": "baseline main", "tagged": "tag keep", "both": "baseline other"} {
		if err := s.Remove(ctx, id, store.HeedHolds); !errors.Is(err, store.ErrHeld) || !strings.Contains(err.Error(), by) {
			t.Errorf("removing %s: got error %v, want one that says %q", id, err, by)
		}
		equal(t, "blocks of what is held", len(loaded(t, s, id).Blocks), 1)
	}
	must(t, s.Remove(ctx, "free", store.HeedHolds))
	must(t, s.Remove(ctx, "tagged", store.ForceHolds))
	must(t, s.RemoveBaseline(ctx, "main"))
	must(t, s.Remove(ctx, "named", store.HeedHolds))
}
