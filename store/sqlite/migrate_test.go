package sqlite

import (
	"fmt"
	"iter"
	"path/filepath"
	"testing"

	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

func setPragma(t *testing.T, dir, pragma string, value int) {
	t.Helper()
	s, err := connect(dir, "rwc")
	must(t, err)
	_, err = s.db.ExecContext(t.Context(), fmt.Sprintf("PRAGMA %s = %d", pragma, value))
	must(t, err)
	must(t, s.Close())
}

func TestNewerSchema(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 1)
	setPragma(t, dir, "user_version", 99)
	path := filepath.Join(dir, File)
	_, err := Open(t.Context(), dir)
	refused(t, "a newer schema", err, store.ErrNewer, path, "version 99", "up to 2")
	_, err = Read(t.Context(), dir)
	refused(t, "reading a newer schema", err, store.ErrNewer, path, "version 99")

	setPragma(t, dir, "user_version", 2)
	intact(t, openAt(t, dir), 1)
}

func TestForeignDatabase(t *testing.T) {
	dir := t.TempDir()
	s, err := connect(dir, "rwc")
	must(t, err)
	_, err = s.db.ExecContext(t.Context(), "CREATE TABLE theirs (x); PRAGMA user_version = 1")
	must(t, err)
	must(t, s.Close())
	_, err = Open(t.Context(), dir)
	refused(t, "a foreign database", err, store.ErrDamaged, s.path, "another program")
	_, err = Read(t.Context(), dir)
	refused(t, "reading a foreign database", err, store.ErrDamaged, s.path, "another program")
}

func TestMigrateForward(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 2)
	s := openAt(t, dir)
	known, err := scripts(migrations)
	must(t, err)
	version := func() int {
		t.Helper()
		have, err := readSchema(t.Context(), s.db)
		must(t, err)
		return have.version
	}

	broken := append(known, "CREATE TABLE more (x)", "CREATE TABLE more (y)")
	err = s.migrateTo(t.Context(), broken)
	refused(t, "a migration that fails", err, nil, "version 4")
	if got := version(); got != len(known) {
		t.Errorf("after a failed migration the schema has version %d, want %d", got, len(known))
	}
	must(t, s.Begin(t.Context(), storetest.Experiment(t, "two", started)))

	must(t, s.migrateTo(t.Context(), append(known, "CREATE TABLE more (x)", "INSERT INTO more VALUES (1)")))
	if got := version(); got != len(known)+2 {
		t.Errorf("the schema has version %d, want %d", got, len(known)+2)
	}
	intact(t, s, 2)
	must(t, s.migrateTo(t.Context(), append(known, "CREATE TABLE more (x)", "INSERT INTO more VALUES (1)")))
	var rows int
	must(t, s.db.QueryRowContext(t.Context(), "SELECT count(*) FROM more").Scan(&rows))
	if rows != 1 {
		t.Errorf("a migration was done %d times", rows)
	}
}

// A database of schema 1, as it was left by the first tare, is read as it is,
// and brought forward, whole, by whoever writes.
func TestSchemaOne(t *testing.T) {
	dir := t.TempDir()
	known, err := scripts(migrations)
	must(t, err)
	old, err := connect(dir, "rwc")
	must(t, err)
	must(t, old.migrateTo(t.Context(), known[:1]))
	must(t, old.Begin(t.Context(), storetest.Experiment(t, "one", started)))
	must(t, old.Append(t.Context(), "one", storetest.Block(0, 1, blockSamples)))
	must(t, old.Close())
	version := func(s *Store) int {
		t.Helper()
		have, err := readSchema(t.Context(), s.db)
		must(t, err)
		return have.version
	}

	r, err := Read(t.Context(), dir)
	must(t, err)
	intact(t, r, 1)
	entries, err := r.List(t.Context())
	must(t, err)
	if len(entries) != 1 || entries[0].Note != "" || entries[0].Tags != nil {
		t.Errorf("a reader of schema 1 lists %+v", entries)
	}
	if names, err := r.Baselines(t.Context()); len(names) != 0 || err != nil {
		t.Errorf("a reader of schema 1 has baselines %v, %v", names, err)
	}
	must(t, r.Export(t.Context(), "one", func(h store.Head, _ iter.Seq2[store.Row, error]) error {
		if h.ID != "one" || h.Note != "" {
			t.Errorf("a reader of schema 1 exports %+v", h)
		}
		return nil
	}))
	if v := version(r); v != 1 {
		t.Errorf("a reader brought schema 1 to %d", v)
	}
	must(t, r.Close())

	s := openAt(t, dir)
	if v := version(s); v != len(known) {
		t.Errorf("a writer left schema %d, want %d", v, len(known))
	}
	intact(t, s, 1)
	must(t, s.Tag(t.Context(), "one", []string{"old"}, nil))
	must(t, s.SetBaseline(t.Context(), store.Baseline{Name: "main", Experiment: "one", Since: started}))
	intact(t, s, 1)
}

// A reader does not bring an older schema forward, but says how it is done.
func TestReadOlderSchema(t *testing.T) {
	dir := t.TempDir()
	setPragma(t, dir, "application_id", applicationID) // writes the file's header
	_, err := Read(t.Context(), dir)
	refused(t, "reading an older schema", err, nil, filepath.Join(dir, File), "version 0", "a run")
	must(t, openAt(t, dir).Begin(t.Context(), storetest.Experiment(t, "one", started)))
	_, err = Read(t.Context(), dir)
	must(t, err)
}
