package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/taremesh/tare/store"
)

// migrations bring the schema forward, one file a version, in the order of
// their names. A file that has been released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a SQLite file as tare's: "tare" in ASCII.
const applicationID = 0x74617265

var errForeign = fmt.Errorf("%w: it is a database of another program", store.ErrDamaged)

// schema is what a database says of itself.
type schema struct {
	version     int // migrations done; 0: a new file
	application int
	tables      int
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func readSchema(ctx context.Context, q queryer) (schema, error) {
	var s schema
	err := q.QueryRowContext(ctx, `SELECT
		(SELECT user_version FROM pragma_user_version),
		(SELECT application_id FROM pragma_application_id),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&s.version, &s.application, &s.tables)
	return s, err
}

// check tells whether a program that knows so many versions may use the schema.
func (s schema) check(known int) error {
	switch {
	case s.application != applicationID && s.tables > 0:
		return errForeign
	case s.version > known:
		return fmt.Errorf("%w: its schema has version %d, this tare knows up to %d; use the newer tare", store.ErrNewer, s.version, known)
	}
	return nil
}

// scripts reads the migrations in order.
func scripts(dir fs.FS) ([]string, error) {
	names, err := fs.Glob(dir, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]string, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		all[i] = string(text)
	}
	return all, nil
}

func (s *Store) migrate(ctx context.Context) error {
	all, err := scripts(migrations)
	if err != nil {
		return err
	}
	return s.migrateTo(ctx, all)
}

// migrateTo does what is missing of the scripts, all of it or nothing. It
// writes (nothing) even when nothing is missing: SQLite opens a file that it
// may only read without a word, and lets a transaction begin on it.
func (s *Store) migrateTo(ctx context.Context, scripts []string) error {
	err := s.write(ctx, func(tx *sql.Conn) error {
		have, err := readSchema(ctx, tx)
		if err != nil {
			return err
		}
		if err := have.check(len(scripts)); err != nil {
			return err
		}
		if have.version == len(scripts) {
			_, err := tx.ExecContext(ctx, `UPDATE experiments SET state = state WHERE false`)
			return err
		}
		for i, script := range scripts[have.version:] {
			if _, err := tx.ExecContext(ctx, script); err != nil {
				return fmt.Errorf("bring the schema to version %d: %w", have.version+i+1, err)
			}
		}
		// Pragmas take no parameters; both values are ours.
		_, err = tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(scripts)))
		return err
	})
	if err == nil {
		s.version = len(scripts)
	}
	return err
}

// oldestRead is the oldest version of the schema that a reader understands as
// it is: since then, versions have only added tables.
const oldestRead = 1

// checkSchema is migrate for a reader, who changes nothing.
func (s *Store) checkSchema(ctx context.Context) error {
	all, err := scripts(migrations)
	if err != nil {
		return err
	}
	have, err := readSchema(ctx, s.db)
	if err != nil {
		return err
	}
	if err := have.check(len(all)); err != nil {
		return err
	}
	if have.version < oldestRead {
		return fmt.Errorf("its schema has version %d, this tare reads %d to %d; bring it forward by a run in the same data directory", have.version, oldestRead, len(all))
	}
	s.version = have.version
	return nil
}
