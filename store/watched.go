package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/taremesh/tare/experiment"
)

// Watched is a store in whose lists and records only that is Running which a
// process holds the data directory for: what was killed is Killed. Where the
// lock cannot be looked at, nothing is changed.
func Watched(s Store, dir string) Store { return watched{s, dir} }

type watched struct {
	Store
	dir string
}

func (w watched) List(ctx context.Context) ([]Entry, error) {
	before := w.watch()
	entries, err := w.Store.List(ctx)
	after := w.watch()
	for i, e := range entries {
		entries[i].State = stateOf(e.ID, e.State, before, after)
	}
	return entries, err
}

func (w watched) Load(ctx context.Context, id string) (Record, error) {
	before := w.watch()
	r, err := w.Store.Load(ctx, id)
	r.State = stateOf(id, r.State, before, w.watch())
	return r, err
}

// stateOf is what is kept, unless nobody held the directory for a Running
// experiment before it was read, nor after: a run may begin or end between.
func stateOf(id string, kept experiment.State, before, after watch) experiment.State {
	if kept != experiment.Running || before.holds(id) || after.holds(id) {
		return kept
	}
	return experiment.Killed
}

// watch is who held a directory at a moment.
type watch struct {
	held       bool
	experiment string // empty: not told
}

func (w watch) holds(id string) bool {
	return w.held && (w.experiment == id || w.experiment == "")
}

// watch looks at the lock. Where it cannot, somebody may hold it. Readers share
// it, so none of them takes another for a holder, and a run that begins just
// then tries again.
func (w watched) watch() watch {
	f, err := os.Open(filepath.Join(w.dir, lockFile))
	if err != nil {
		return watch{held: !errors.Is(err, fs.ErrNotExist)}
	}
	defer f.Close() // and with it the lock
	held, err := flock(f, syscall.LOCK_SH)
	if err != nil || !held {
		return watch{held: err != nil}
	}
	return watch{true, readHolder(f).Experiment}
}
