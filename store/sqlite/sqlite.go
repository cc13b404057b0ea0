// Package sqlite keeps experiments in one SQLite file of a data directory.
//
// Open makes tare.db where it is missing and brings its schema forward; Read
// opens it for list, show and report, beside a run and from a medium that
// cannot be written. A block is one transaction, which is on the disk when
// Append returns. The rollback journal is used and not the write-ahead log:
// samples are then written once and not twice, a reader needs no space on a
// full disk, and between runs the results are one file. The package does not
// keep two runs apart: store.Acquire does.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/taremesh/tare/store"
	_ "modernc.org/sqlite" // the driver that sql.Open names
)

// File is the name of the database in a data directory.
const File = "tare.db"

// busyTimeout is how long to wait for another connection's transaction; less
// than what a run allows for its last write.
const busyTimeout = 5 * time.Second

// pragmas of every connection. EXTRA is FULL, and makes the end of a
// transaction itself outlast a loss of power.
var pragmas = []string{
	fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
	"synchronous(extra)",
	"foreign_keys(1)",
	"trusted_schema(0)",
}

// Store is a store.Store in one file.
type Store struct {
	db   *sql.DB
	path string
	// version is that of the schema; a reader may find an older one.
	version int
}

var _ store.Store = (*Store)(nil)

// Open opens the database of a data directory for a run. Directory and
// database are made when they are missing.
func Open(ctx context.Context, dir string) (*Store, error) { return open(ctx, dir) }

func open(ctx context.Context, dir string, more ...string) (*Store, error) {
	if err := store.MakeDir(dir); err != nil {
		return nil, err
	}
	s, err := connect(dir, "rwc", more...)
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		s.db.Close()
		return nil, s.fail(ctx, "open the database", err)
	}
	return s, nil
}

// Read opens the database of a data directory for reading only. Without one
// the error is store.ErrNothing.
func Read(ctx context.Context, dir string) (*Store, error) {
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	if os.IsNotExist(err) || err == nil && info.Size() == 0 {
		// A size of 0: a run was killed before it wrote anything.
		return nil, fmt.Errorf("open %s: %w; start one with: tare run FILE --data %s", path, store.ErrNothing, dir)
	}
	s, err := connect(dir, "rw", "query_only(1)")
	if err != nil {
		return nil, err
	}
	if err := s.checkSchema(ctx); err != nil {
		s.db.Close()
		return nil, s.fail(ctx, "open the database", err)
	}
	return s, nil
}

func connect(dir, mode string, more ...string) (*Store, error) {
	path, err := filepath.Abs(filepath.Join(dir, File))
	if err != nil {
		return nil, fmt.Errorf("open the database of %s: %w", dir, err)
	}
	query := url.Values{"mode": {mode}, "_pragma": append(append([]string{}, pragmas...), more...)}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Store{db: db, path: path}, nil
}

// Close closes the database.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}
