package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

func exported(t *testing.T, s store.Store, id string) []byte {
	t.Helper()
	var out bytes.Buffer
	must(t, s.Export(t.Context(), id, func(h store.Head, rows iter.Seq2[store.Row, error]) error {
		return store.WriteExport(&out, h, rows)
	}))
	return out.Bytes()
}

func imported(ctx context.Context, s store.Store, r io.Reader) (bool, error) {
	h, rows, err := store.ReadExport(r)
	if err != nil {
		return false, err
	}
	return s.Import(ctx, h, rows)
}

func testTransfer(t *testing.T, open Opener) {
	from, to := fresh(t, open), fresh(t, open)
	ctx := t.Context()
	void := Block(1, 1, 40)
	void.Void = "the proxy died"
	begin(t, from, Experiment(t, "one", at(0)), Block(0, 1, 300), void, Block(1, 2, 3))
	must(t, from.End(ctx, "one", experiment.Done, at(9)))
	must(t, from.Annotate(ctx, "one", "a note"))
	must(t, from.Tag(ctx, "one", []string{"keep", "nightly"}, nil))
	must(t, from.SetBaseline(ctx, store.Baseline{Name: "main", Experiment: "one", Since: at(1)}))
	begin(t, from, Experiment(t, "running", at(1)))

	text := exported(t, from, "one")
	if again := exported(t, from, "one"); !bytes.Equal(text, again) {
		t.Error("the same experiment is exported in two ways")
	}
	added, err := imported(ctx, to, bytes.NewReader(text))
	must(t, err)
	equal(t, "added", added, true)
	equal(t, "the experiment elsewhere", loaded(t, to, "one"), loaded(t, from, "one"))
	there := entry(t, to, "one")
	equal(t, "its labels elsewhere", []any{there.Note, there.Tags, there.Baselines}, []any{"a note", []string{"keep", "nightly"}, []string(nil)})
	if back := exported(t, to, "one"); !bytes.Equal(text, back) {
		t.Error("what was imported is exported otherwise than it was")
	}

	must(t, to.Annotate(ctx, "one", "said here"))
	added, err = imported(ctx, to, bytes.NewReader(text))
	must(t, err)
	equal(t, "added once more", added, false)
	equal(t, "the note that was said here", entry(t, to, "one").Note, "said here")

	must(t, noError(imported(ctx, to, bytes.NewReader(exported(t, from, "running")))))
	equal(t, "an experiment without blocks elsewhere", loaded(t, to, "running"), loaded(t, from, "running"))
	if err := to.Export(ctx, "none", func(store.Head, iter.Seq2[store.Row, error]) error { return nil }); !errors.Is(err, store.ErrUnknown) {
		t.Errorf("exporting what is not there: %v", err)
	}
	full := errors.New("no space")
	if err := to.Export(ctx, "one", func(store.Head, iter.Seq2[store.Row, error]) error { return full }); !errors.Is(err, full) {
		t.Errorf("a failed write is lost: %v", err)
	}
}

func noError(_ bool, err error) error { return err }

func testImportRefuses(t *testing.T, open Opener) {
	from, to := fresh(t, open), fresh(t, open)
	ctx := t.Context()
	begin(t, from, Experiment(t, "one", at(0)), Block(0, 1, 300), Block(1, 1, 300))
	text := exported(t, from, "one")

	for _, n := range []int{0, 10, len(text) / 3, len(text) / 2, len(text) - 9, len(text) - 1} {
		if err := noError(imported(ctx, to, bytes.NewReader(text[:n]))); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("the first %d bytes of %d: %v", n, len(text), err)
		}
		if _, err := to.Load(ctx, "one"); !errors.Is(err, store.ErrUnknown) {
			t.Fatalf("the first %d bytes of %d left something: %v", n, len(text), err)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := noError(imported(done, to, bytes.NewReader(text))); !errors.Is(err, context.Canceled) {
		t.Errorf("an import with a cancelled context: %v", err)
	}

	must(t, noError(imported(ctx, to, bytes.NewReader(text))))
	kept := loaded(t, to, "one")
	differing := func(name string, change func(s store.Store)) {
		s := fresh(t, open)
		begin(t, s, Experiment(t, "one", at(0)), Block(0, 1, 300))
		change(s)
		if err := noError(imported(ctx, to, bytes.NewReader(exported(t, s, "one")))); !errors.Is(err, store.ErrExists) {
			t.Errorf("the same id, %s: %v", name, err)
		}
		equal(t, fmt.Sprintf("what was kept, after %s", name), loaded(t, to, "one"), kept)
	}
	differing("fewer blocks", func(store.Store) {})
	differing("another block", func(s store.Store) { must(t, s.Append(ctx, "one", Block(1, 1, 301))) })
	differing("more blocks", func(s store.Store) {
		must(t, s.Append(ctx, "one", Block(1, 1, 300)))
		must(t, s.Append(ctx, "one", Block(2, 1, 300)))
	})
	differing("another state", func(s store.Store) {
		must(t, s.Append(ctx, "one", Block(1, 1, 300)))
		must(t, s.End(ctx, "one", experiment.Done, at(3)))
	})
	other := fresh(t, open)
	begin(t, other, Experiment(t, "one", at(7)), Block(0, 1, 300), Block(1, 1, 300))
	if err := noError(imported(ctx, to, bytes.NewReader(exported(t, other, "one")))); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same id, another record: %v", err)
	}
}
