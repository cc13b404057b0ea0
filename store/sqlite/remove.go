package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/taremesh/tare/store"
)

// Remove takes an experiment away: see store.Store. The note and the tags go
// with it by the schema.
func (s *Store) Remove(ctx context.Context, id string, h store.Holds) error {
	err := s.write(ctx, func(tx *sql.Conn) error {
		if err := mustExist(ctx, tx, id); err != nil {
			return err
		}
		if h == store.HeedHolds {
			if err := mustBeFree(ctx, tx, id); err != nil {
				return err
			}
		}
		for _, text := range []string{
			`DELETE FROM samples WHERE experiment = ?`,
			`DELETE FROM blocks WHERE experiment = ?`,
			`DELETE FROM experiments WHERE id = ?`,
		} {
			if _, err := tx.ExecContext(ctx, text, id); err != nil {
				return err
			}
		}
		return nil
	})
	return s.fail(ctx, "remove experiment "+id, err)
}

// mustBeFree refuses what something holds.
func mustBeFree(ctx context.Context, tx *sql.Conn, id string) error {
	e := store.Entry{ID: id}
	var err error
	if e.Baselines, err = query(ctx, tx, scanText, `SELECT name FROM baselines WHERE experiment = ? ORDER BY name`, id); err != nil {
		return err
	}
	if e.Tags, err = tagsOf(ctx, tx, id); err != nil {
		return err
	}
	if holds := e.Holds(); holds != "" {
		all := strings.Join(e.Baselines, ", ")
		if all != "" {
			holds = "baseline " + all
		}
		return fmt.Errorf("%w by %s", store.ErrHeld, holds)
	}
	return nil
}

// Compact gives the space of what was removed back to the disk. It needs as
// much free space as what stays.
func (s *Store) Compact(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "VACUUM")
	return s.fail(ctx, "compact the database", err)
}
