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
	entries, err := w.Store.List(ctx)
	for i, e := range entries {
		entries[i].State = w.seen(e.ID, e.State)
	}
	return entries, err
}

func (w watched) Load(ctx context.Context, id string) (Record, error) {
	r, err := w.Store.Load(ctx, id)
	r.State = w.seen(id, r.State)
	return r, err
}

func (w watched) seen(id string, kept experiment.State) experiment.State {
	if kept != experiment.Running || heldFor(w.dir, id) {
		return kept
	}
	return experiment.Killed
}

// heldFor reports whether a process may hold a directory for an experiment: it
// does, or has not said yet what for, or that cannot be known. Readers share
// the lock, so none of them takes another for a holder, and a run that begins
// just then tries again.
func heldFor(dir, id string) bool {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close() // and with it the lock
	held, err := flock(f, syscall.LOCK_SH)
	if err != nil || !held {
		return err != nil
	}
	h := readHolder(f)
	return h.Experiment == id || h.Experiment == ""
}
