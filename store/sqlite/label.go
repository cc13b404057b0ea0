package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/taremesh/tare/store"
)

// labelsSince is the version of the schema that has baselines, notes and tags.
const labelsSince = 2

// SetBaseline gives a kept experiment a name.
func (s *Store) SetBaseline(ctx context.Context, b store.Baseline) error {
	what := "set baseline " + b.Name
	if err := b.Check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := s.write(ctx, func(tx *sql.Conn) error {
		if err := mustExist(ctx, tx, b.Experiment); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO baselines (name, experiment, since, why) VALUES (?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET experiment = excluded.experiment, since = excluded.since, why = excluded.why`,
			b.Name, b.Experiment, formatTime(b.Since), b.Why)
		return err
	})
	return s.fail(ctx, what, err)
}

// RemoveBaseline takes a name away.
func (s *Store) RemoveBaseline(ctx context.Context, name string) error {
	err := s.write(ctx, func(tx *sql.Conn) error {
		done, err := tx.ExecContext(ctx, `DELETE FROM baselines WHERE name = ?`, name)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); n > 0 || err != nil {
			return err
		}
		return store.ErrNoBaseline
	})
	return s.fail(ctx, fmt.Sprintf("remove baseline %q", name), err)
}

// Baselines lists the names in their order.
func (s *Store) Baselines(ctx context.Context) ([]store.Baseline, error) {
	if s.version < labelsSince {
		return nil, ctx.Err()
	}
	bs, err := query(ctx, s.db, scanBaseline, `SELECT name, experiment, since, why FROM baselines ORDER BY name`)
	return bs, s.fail(ctx, "list baselines", err)
}

func scanBaseline(rows *sql.Rows) (b store.Baseline, err error) {
	var since string
	if err := rows.Scan(&b.Name, &b.Experiment, &since, &b.Why); err != nil {
		return b, err
	}
	b.Since, err = time.Parse(timeFormat, since)
	return b, err
}

// Annotate replaces the note of an experiment.
func (s *Store) Annotate(ctx context.Context, id, note string) error {
	what := "annotate experiment " + id
	if err := store.CheckNote(note); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err := s.write(ctx, func(tx *sql.Conn) error {
		if err := mustExist(ctx, tx, id); err != nil {
			return err
		}
		return putNote(ctx, tx, id, note)
	})
	return s.fail(ctx, what, err)
}

func putNote(ctx context.Context, tx *sql.Conn, id, note string) error {
	if note == "" {
		_, err := tx.ExecContext(ctx, `DELETE FROM notes WHERE experiment = ?`, id)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO notes (experiment, note) VALUES (?, ?)
		ON CONFLICT (experiment) DO UPDATE SET note = excluded.note`, id, note)
	return err
}

// Tag adds tags to an experiment and takes others away.
func (s *Store) Tag(ctx context.Context, id string, add, remove []string) error {
	what := "tag experiment " + id
	err := s.write(ctx, func(tx *sql.Conn) error {
		if err := mustExist(ctx, tx, id); err != nil {
			return err
		}
		for _, t := range remove {
			if _, err := tx.ExecContext(ctx, `DELETE FROM tags WHERE experiment = ? AND tag = ?`, id, t); err != nil {
				return err
			}
		}
		return putTags(ctx, tx, id, add)
	})
	return s.fail(ctx, what, err)
}

// putTags adds tags; all of an experiment's are then held against what is allowed.
func putTags(ctx context.Context, tx *sql.Conn, id string, add []string) error {
	for _, t := range add {
		if _, err := tx.ExecContext(ctx, `INSERT INTO tags (experiment, tag) VALUES (?, ?) ON CONFLICT DO NOTHING`, id, t); err != nil {
			return err
		}
	}
	all, err := tagsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	return store.CheckTags(all)
}

func tagsOf(ctx context.Context, q rowsQueryer, id string) ([]string, error) {
	return query(ctx, q, scanText, `SELECT tag FROM tags WHERE experiment = ? ORDER BY tag`, id)
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

// label is one thing said of an experiment.
type label struct{ experiment, text string }

func scanLabel(rows *sql.Rows) (l label, err error) {
	err = rows.Scan(&l.experiment, &l.text)
	return l, err
}

// addLabels fills in what is said of the experiments of a list.
func addLabels(ctx context.Context, q rowsQueryer, entries []store.Entry) error {
	at := make(map[string]*store.Entry, len(entries))
	for i := range entries {
		at[entries[i].ID] = &entries[i]
	}
	for _, l := range []struct {
		text string
		put  func(*store.Entry, string)
	}{
		{`SELECT experiment, note FROM notes`, func(e *store.Entry, note string) { e.Note = note }},
		{`SELECT experiment, tag FROM tags ORDER BY tag`, func(e *store.Entry, tag string) { e.Tags = append(e.Tags, tag) }},
		{`SELECT experiment, name FROM baselines ORDER BY name`, func(e *store.Entry, name string) { e.Baselines = append(e.Baselines, name) }},
	} {
		labels, err := query(ctx, q, scanLabel, l.text)
		if err != nil {
			return err
		}
		for _, one := range labels {
			if e := at[one.experiment]; e != nil { // nil: a baseline that is gone
				l.put(e, one.text)
			}
		}
	}
	return nil
}
