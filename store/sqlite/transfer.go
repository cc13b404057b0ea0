package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

// Export hands an experiment as it is kept to write, in one state of the
// database.
func (s *Store) Export(ctx context.Context, id string, write func(store.Head, iter.Seq2[store.Row, error]) error) error {
	err := s.read(ctx, func(tx *sql.Conn) error {
		h, err := s.readHead(ctx, tx, id)
		if err != nil {
			return err
		}
		entries, err := blockEntries(ctx, tx, id)
		if err != nil {
			return err
		}
		return write(h, func(yield func(store.Row, error) bool) {
			for _, b := range entries { // one at a time, so that one block's samples are in memory
				r, err := readRow(ctx, tx, id, b)
				if !yield(r, err) || err != nil {
					return
				}
			}
		})
	})
	return s.fail(ctx, "export experiment "+id, err)
}

func (s *Store) readHead(ctx context.Context, tx *sql.Conn, id string) (store.Head, error) {
	r, err := readExperiment(ctx, tx, id)
	if err != nil {
		return store.Head{}, err
	}
	h := store.Head{ID: id, State: r.State, Ended: r.Ended}
	if err := tx.QueryRowContext(ctx, `SELECT record FROM experiments WHERE id = ?`, id).Scan(&h.Record); err != nil {
		return h, err
	}
	if s.version < labelsSince {
		return h, nil
	}
	err = tx.QueryRowContext(ctx, `SELECT note FROM notes WHERE experiment = ?`, id).Scan(&h.Note)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return h, err
	}
	h.Tags, err = tagsOf(ctx, tx, id)
	return h, err
}

func readRow(ctx context.Context, tx *sql.Conn, id string, b store.BlockEntry) (store.Row, error) {
	rows, err := query(ctx, tx, scanRow, selectRows+` WHERE experiment = ? AND block = ? AND attempt = ?`, id, b.Block, b.Attempt)
	if err != nil {
		return store.Row{}, err
	}
	if _, err := rows[0].Decode(); err != nil { // what is damaged does not travel
		return store.Row{}, err
	}
	return rows[0], nil
}

// Import keeps an exported experiment in one transaction: see store.Store.
func (s *Store) Import(ctx context.Context, h store.Head, rows iter.Seq2[store.Row, error]) (added bool, err error) {
	what := fmt.Sprintf("import experiment %.80s", h.ID)
	e, err := h.Decode()
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	var given error // of what is imported, and not of the database
	watched := func(yield func(store.Row, error) bool) {
		for r, err := range rows {
			if given = err; !yield(r, err) || err != nil {
				return
			}
		}
	}
	err = s.write(ctx, func(tx *sql.Conn) error {
		kept, err := s.readHead(ctx, tx, h.ID)
		switch {
		case err == nil:
			return same(ctx, tx, kept, h, watched)
		case !errors.Is(err, store.ErrUnknown):
			return err
		}
		added = true
		return insert(ctx, tx, h, e, watched)
	})
	switch {
	case given != nil:
		return false, fmt.Errorf("%s: %w", what, given)
	case err != nil:
		return false, s.fail(ctx, what, err)
	}
	return added, nil
}

func insert(ctx context.Context, tx *sql.Conn, h store.Head, e experiment.Experiment, rows iter.Seq2[store.Row, error]) error {
	var ended sql.NullString
	if !h.Ended.IsZero() {
		ended = sql.NullString{String: formatTime(h.Ended), Valid: true}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO experiments (id, study, digest, started, state, ended, record) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		h.ID, e.Plan.Study.Name, e.Plan.Digest, formatTime(e.Started), h.State, ended, string(h.Record))
	if err != nil {
		return err
	}
	for r, err := range rows {
		if err != nil {
			return err
		}
		if err := appendRow(ctx, tx, h.ID, r); err != nil {
			return fmt.Errorf("block %d, attempt %d: %w", r.Block, r.Attempt, err)
		}
	}
	if err := putNote(ctx, tx, h.ID, h.Note); err != nil {
		return err
	}
	return putTags(ctx, tx, h.ID, h.Tags)
}

// same refuses an experiment that is not the kept one. Note and tags are not
// part of it: here they stay as they are.
func same(ctx context.Context, tx *sql.Conn, kept, h store.Head, rows iter.Seq2[store.Row, error]) error {
	if string(kept.Record) != string(h.Record) || kept.State != h.State || !kept.Ended.Equal(h.Ended) {
		return fmt.Errorf("one of that id, with another record or state, is there: %w", store.ErrExists)
	}
	digests, err := query(ctx, tx, scanDigests, `SELECT block, attempt, record_sha256, samples_sha256 FROM blocks WHERE experiment = ? ORDER BY block, attempt`, h.ID)
	if err != nil {
		return err
	}
	n := 0
	for r, err := range rows {
		if err != nil {
			return err
		}
		if n == len(digests) || digests[n] != (rowDigests{r.Block, r.Attempt, r.RecordSHA256, r.SamplesSHA256}) {
			return fmt.Errorf("one of that id, with another block %d, attempt %d, is there: %w", r.Block, r.Attempt, store.ErrExists)
		}
		n++
	}
	if n < len(digests) {
		return fmt.Errorf("one of that id, with %d blocks and not %d, is there: %w", len(digests), n, store.ErrExists)
	}
	return nil
}

type rowDigests struct {
	block, attempt  int
	record, samples string
}

func scanDigests(rows *sql.Rows) (d rowDigests, err error) {
	err = rows.Scan(&d.block, &d.attempt, &d.record, &d.samples)
	return d, err
}
