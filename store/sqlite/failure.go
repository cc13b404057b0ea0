package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/taremesh/tare/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// meanings maps primary result codes of SQLite.
var meanings = map[int]error{
	sqlite3.SQLITE_FULL:     store.ErrFull,
	sqlite3.SQLITE_READONLY: store.ErrReadOnly,
	sqlite3.SQLITE_PERM:     store.ErrReadOnly,
	sqlite3.SQLITE_IOERR:    store.ErrDisk,
	sqlite3.SQLITE_CORRUPT:  store.ErrDamaged,
	sqlite3.SQLITE_NOTADB:   store.ErrDamaged,
	sqlite3.SQLITE_BUSY:     store.ErrBusy,
	sqlite3.SQLITE_LOCKED:   store.ErrBusy,
}

// remedies say what to do.
var remedies = []struct {
	err    error
	remedy string
}{
	{store.ErrNoBaseline, "see those that are there with: tare baseline list"},
	{store.ErrHeld, "take the name or the tag away first, or force it"},
	{store.ErrUnknown, "see those that are there with: tare list"},
	{store.ErrReadOnly, "choose a directory that you may write to with --data or TARE_DATA"},
	{store.ErrFull, "make space there and continue with: tare run --resume ID; what was kept before is intact"},
	{store.ErrDisk, "look at the disk's health, space and quota; what was kept before is intact"},
	{store.ErrDamaged, "put a copy in its place, or move it away to begin a new one"},
	{store.ErrBusy, "find what reads or copies it, and try again"},
}

// fail says what was tried, on which path, and what to do; nil stays nil.
func (s *Store) fail(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	err = s.explain(err)
	for _, r := range remedies {
		if errors.Is(err, r.err) {
			return fmt.Errorf("%s in %s: %w; %s", what, s.path, err, r.remedy)
		}
	}
	return fmt.Errorf("%s in %s: %w", what, s.path, err)
}

// explain puts an error of SQLite under what it means to a store.
func (s *Store) explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code() == sqlite3.SQLITE_READONLY_ROLLBACK {
		return fmt.Errorf("%w: a run was killed in the midst of a block, which must be taken out first: open it once as one who may write, or copy it with its -journal (%w)", store.ErrReadOnly, err)
	}
	code := e.Code() & 0xff // the primary one
	if code == sqlite3.SQLITE_CANTOPEN {
		return s.cannotOpen(err)
	}
	if meaning := meanings[code]; meaning != nil {
		return fmt.Errorf("%w: %w", meaning, err)
	}
	return err
}

// cannotOpen asks the directory why a file in it could not be opened or made,
// which SQLite does not tell. (Not the database: closing another descriptor of
// it would give up SQLite's own locks.)
func (s *Store) cannotOpen(err error) error {
	f, probe := os.CreateTemp(filepath.Dir(s.path), ".tare-*")
	if probe != nil {
		var number syscall.Errno
		errors.As(probe, &number)
		return fmt.Errorf("%w: %w", store.DiskError(number), err)
	}
	return errors.Join(fmt.Errorf("%w: %w", store.ErrReadOnly, err), f.Close(), os.Remove(f.Name()))
}
