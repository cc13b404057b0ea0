package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

// List returns every experiment, newest first.
func (s *Store) List(ctx context.Context) ([]store.Entry, error) {
	var entries []store.Entry
	err := s.read(ctx, func(tx *sql.Conn) (err error) {
		entries, err = query(ctx, tx, scanEntry, `
			SELECT e.id, e.study, e.started, e.state, e.digest,
				(SELECT count(*) FROM blocks b WHERE b.experiment = e.id AND b.void = ''),
				(SELECT count(*) FROM blocks b WHERE b.experiment = e.id AND b.void <> '')
			FROM experiments e ORDER BY e.started DESC, e.id DESC`)
		if err != nil || s.version < labelsSince {
			return err
		}
		return addLabels(ctx, tx, entries)
	})
	return entries, s.fail(ctx, "list experiments", err)
}

func scanEntry(rows *sql.Rows) (e store.Entry, err error) {
	var started string
	if err := rows.Scan(&e.ID, &e.Study, &started, &e.State, &e.Digest, &e.Blocks, &e.Voids); err != nil {
		return e, err
	}
	e.Started, err = time.Parse(timeFormat, started)
	return e, err
}

// Resolve finds the experiment that a user means.
func (s *Store) Resolve(ctx context.Context, name string) (string, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return "", err
	}
	id, err := store.Resolve(entries, name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.path, err)
	}
	return id, nil
}

// Blocks lists the kept blocks of an experiment.
func (s *Store) Blocks(ctx context.Context, id string) ([]store.BlockEntry, error) {
	var blocks []store.BlockEntry
	err := s.read(ctx, func(tx *sql.Conn) (err error) {
		if err := mustExist(ctx, tx, id); err != nil {
			return err
		}
		blocks, err = blockEntries(ctx, tx, id)
		return err
	})
	return blocks, s.fail(ctx, "list the blocks of experiment "+id, err)
}

func blockEntries(ctx context.Context, tx *sql.Conn, id string) ([]store.BlockEntry, error) {
	return query(ctx, tx, scanBlockEntry, `
		SELECT block, attempt, id, started, void, samples_sha256
		FROM blocks WHERE experiment = ? ORDER BY block, attempt`, id)
}

func scanBlockEntry(rows *sql.Rows) (b store.BlockEntry, err error) {
	var started string
	if err := rows.Scan(&b.Block, &b.Attempt, &b.ID, &started, &b.Void, &b.SHA256); err != nil {
		return b, err
	}
	b.Started, err = time.Parse(timeFormat, started)
	return b, err
}

// selectRows is what scanRow scans.
const selectRows = `
	SELECT block, attempt, b.id, b.started, b.void, b.record, b.record_sha256, s.data, b.samples_sha256
	FROM blocks b LEFT JOIN samples s USING (experiment, block, attempt)`

// Load returns all that is kept of an experiment.
func (s *Store) Load(ctx context.Context, id string) (store.Record, error) {
	var (
		r    store.Record
		rows []store.Row
	)
	err := s.read(ctx, func(tx *sql.Conn) (err error) {
		if r, err = readExperiment(ctx, tx, id); err != nil {
			return err
		}
		rows, err = query(ctx, tx, scanRow, selectRows+` WHERE experiment = ? ORDER BY block, attempt`, id)
		return err
	})
	// Rows are decoded after the transaction, so that a writer does not wait for it.
	for _, row := range rows {
		if err != nil {
			break
		}
		var b experiment.Block
		b, err = row.Decode()
		r.Blocks = append(r.Blocks, b)
	}
	if err != nil {
		return store.Record{}, s.fail(ctx, "load experiment "+id, err)
	}
	return r, nil
}

func readExperiment(ctx context.Context, q queryer, id string) (store.Record, error) {
	var (
		r      store.Record
		record []byte
		ended  sql.NullString
	)
	err := q.QueryRowContext(ctx, `SELECT record, state, ended FROM experiments WHERE id = ?`, id).Scan(&record, &r.State, &ended)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return r, store.ErrUnknown
	case err != nil:
		return r, err
	}
	if err := json.Unmarshal(record, &r.Experiment); err != nil {
		return r, fmt.Errorf("its record: %w: %w", store.ErrDamaged, err)
	}
	if ended.Valid {
		r.Ended, err = time.Parse(timeFormat, ended.String)
	}
	return r, err
}

func scanRow(rows *sql.Rows) (r store.Row, err error) {
	var started string
	err = rows.Scan(&r.Block, &r.Attempt, &r.ID, &started, &r.Void, &r.Record, &r.RecordSHA256, &r.Samples, &r.SamplesSHA256)
	if err != nil {
		return r, err
	}
	r.Started, err = time.Parse(timeFormat, started)
	return r, err
}

type rowsQueryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// query collects what scan makes of every row.
func query[T any](ctx context.Context, q rowsQueryer, scan func(*sql.Rows) (T, error), text string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
