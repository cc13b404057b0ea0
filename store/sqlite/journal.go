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

// timeFormat is RFC 3339 in one width.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

func formatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// Begin keeps an experiment, or resumes it: see store.Store.
func (s *Store) Begin(ctx context.Context, e experiment.Experiment) error {
	err := s.write(ctx, func(tx *sql.Conn) error { return begin(ctx, tx, e) })
	return s.fail(ctx, "begin experiment "+e.ID, err)
}

func begin(ctx context.Context, tx *sql.Conn, e experiment.Experiment) error {
	if e.ID == "" || e.ID == store.Last {
		return fmt.Errorf("%q is no id", e.ID)
	}
	var digest string
	err := tx.QueryRowContext(ctx, `SELECT digest FROM experiments WHERE id = ?`, e.ID).Scan(&digest)
	switch {
	case err == nil && digest != e.Plan.Digest:
		return fmt.Errorf("an experiment of that id with another plan (digest %s, not %s) is there: %w", digest, e.Plan.Digest, store.ErrExists)
	case err == nil:
		_, err := tx.ExecContext(ctx, `UPDATE experiments SET state = ?, ended = NULL WHERE id = ?`, experiment.Running, e.ID)
		return err
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	e.Started = e.Started.UTC()
	record, err := json.Marshal(e)
	if err != nil {
		return err
	}
	// Before there is anything to lose: it can be read again.
	if err := json.Unmarshal(record, new(experiment.Experiment)); err != nil {
		return fmt.Errorf("its record could not be read back: %w", err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO experiments (id, study, digest, started, state, record) VALUES (?, ?, ?, ?, ?, ?)`,
		e.ID, e.Plan.Study.Name, e.Plan.Digest, formatTime(e.Started), experiment.Running, string(record))
	return err
}

// Append keeps a finished block in one transaction.
func (s *Store) Append(ctx context.Context, id string, b experiment.Block) error {
	what := fmt.Sprintf("append block %d, attempt %d, to experiment %s", b.Index, b.Attempt, id)
	row, err := store.EncodeBlock(b)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = s.write(ctx, func(tx *sql.Conn) error { return appendRow(ctx, tx, id, row) })
	return s.fail(ctx, what, err)
}

func appendRow(ctx context.Context, tx *sql.Conn, id string, r store.Row) error {
	if err := mustExist(ctx, tx, id); err != nil {
		return err
	}
	var attempt int
	err := tx.QueryRowContext(ctx, `SELECT attempt FROM blocks WHERE experiment = ? AND block = ? AND (attempt = ? OR ? = '' AND void = '')`,
		id, r.Block, r.Attempt, r.Void).Scan(&attempt)
	if err == nil {
		return fmt.Errorf("attempt %d of this block: %w", attempt, store.ErrExists)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO blocks (experiment, block, attempt, id, started, void, record_sha256, samples_sha256, record)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, r.Block, r.Attempt, r.ID, formatTime(r.Started), r.Void, r.RecordSHA256, r.SamplesSHA256, string(r.Record))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO samples (experiment, block, attempt, data) VALUES (?, ?, ?, ?)`,
		id, r.Block, r.Attempt, notNil(r.Samples))
	return err
}

// notNil: the driver writes a nil slice as NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// End writes how an experiment ended.
func (s *Store) End(ctx context.Context, id string, state experiment.State, at time.Time) error {
	what := "end experiment " + id
	switch state {
	case experiment.Done, experiment.Interrupted, experiment.Failed:
	default:
		return fmt.Errorf("%s: %q is no state that an experiment ends in", what, state)
	}
	err := s.write(ctx, func(tx *sql.Conn) error {
		if err := mustExist(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE experiments SET state = ?, ended = ? WHERE id = ?`, state, formatTime(at), id)
		return err
	})
	return s.fail(ctx, what, err)
}

func mustExist(ctx context.Context, q queryer, id string) error {
	var one int
	err := q.QueryRowContext(ctx, `SELECT 1 FROM experiments WHERE id = ?`, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrUnknown
	}
	return err
}
