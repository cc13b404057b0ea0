package sqlite

import (
	"context"
	"database/sql"
	"errors"
)

// write does its work in one transaction that has the write lock from its
// start. After an error nothing of it is kept.
func (s *Store) write(ctx context.Context, work func(*sql.Conn) error) error {
	return s.transact(ctx, "BEGIN IMMEDIATE", work)
}

// read does its work on one state of the database.
func (s *Store) read(ctx context.Context, work func(*sql.Conn) error) error {
	return s.transact(ctx, "BEGIN", work)
}

func (s *Store) transact(ctx context.Context, begin string, work func(*sql.Conn) error) (err error) {
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if _, err := c.ExecContext(ctx, begin); err != nil {
		return err
	}
	err = errors.Join(work(c), ctx.Err())
	if err == nil {
		// From here on the context is not asked any more: it could not be told
		// whether an interrupted commit was one.
		_, err = c.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	if err != nil {
		// SQLite has rolled back already where it had to (a full disk, an
		// interrupt): then this says that there is no transaction.
		_, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return err
}
