package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, place string) store.Store {
		s, err := Open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

var started = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)

const blockSamples = 3000

// filled makes a data directory with an experiment "one" of so many blocks.
func filled(t testing.TB, dir string, blocks int) {
	t.Helper()
	s := openAt(t, dir)
	must(t, s.Begin(t.Context(), storetest.Experiment(t, "one", started)))
	for i := range blocks {
		must(t, s.Append(t.Context(), "one", storetest.Block(i, 1, blockSamples)))
	}
	must(t, s.Close())
}

func openAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// intact holds experiment "one" against the blocks that filled appends.
func intact(t *testing.T, s *Store, blocks int) {
	t.Helper()
	r, err := s.Load(t.Context(), "one")
	must(t, err)
	want := make([]experiment.Block, blocks)
	for i := range want {
		want[i] = storetest.Block(i, 1, blockSamples)
	}
	if d := cmp.Diff(want, r.Blocks, storetest.Options()); d != "" {
		t.Errorf("kept blocks (- want, + got):\n%.2000s", d)
	}
	var check string
	must(t, s.db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&check))
	if check != "ok" {
		t.Errorf("integrity_check: %s", check)
	}
}

// refused holds an error against what it must be and say.
func refused(t *testing.T, what string, err, want error, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s was not refused", what)
		return
	}
	t.Logf("%s: %v", what, err)
	if want != nil && !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
	for _, say := range says {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("%s: got error %v, want one that says %q", what, err, say)
		}
	}
}

func TestPragmas(t *testing.T) {
	s := openAt(t, t.TempDir())
	for pragma, want := range map[string]string{
		"journal_mode": "delete", "synchronous": "3", "foreign_keys": "1", "busy_timeout": "5000", "user_version": "2", "application_id": "1952543333",
	} {
		var got string
		must(t, s.db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		if got != want {
			t.Errorf("%s is %s, want %s", pragma, got, want)
		}
	}
}

func TestOpenAnyPath(t *testing.T) {
	for _, name := range []string{"a b;c/50%41?mode=memory#x&ü", ":memory:"} {
		dir := filepath.Join(t.TempDir(), name)
		filled(t, dir, 1)
		if _, err := os.Stat(filepath.Join(dir, File)); err != nil {
			t.Error(err)
		}
		r, err := Read(t.Context(), dir)
		must(t, err)
		intact(t, r, 1)
		must(t, r.Close())
	}
	t.Chdir(t.TempDir())
	filled(t, "relative", 1)
	intact(t, openAt(t, "relative"), 1)
}

func TestOpenAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), dir)
			if err == nil {
				err = errors.Join(s.Begin(t.Context(), storetest.Experiment(t, fmt.Sprint(i), started)), s.Close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	entries, err := openAt(t, dir).List(t.Context())
	must(t, err)
	if len(entries) != 8 {
		t.Errorf("%d experiments are kept, want 8", len(entries))
	}
}

// Between runs, the results are one file.
func TestOneFile(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 2)
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) != 1 || files[0].Name() != File {
		t.Errorf("the data directory holds %v, want %s alone", files, File)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	_, err := Read(t.Context(), dir)
	refused(t, "reading an empty directory", err, store.ErrNothing, dir, "tare run")
	_, err = Read(t.Context(), filepath.Join(dir, "none"))
	refused(t, "reading no directory", err, store.ErrNothing)
	must(t, os.WriteFile(filepath.Join(dir, File), nil, 0o666))
	_, err = Read(t.Context(), dir)
	refused(t, "reading a file without a byte", err, store.ErrNothing)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("a reader made something: %v, %v", files, err)
	}

	filled(t, dir, 2)
	s, err := Read(t.Context(), dir)
	must(t, err)
	defer s.Close()
	intact(t, s, 2)
	refused(t, "writing as a reader", s.Append(t.Context(), "one", storetest.Block(2, 1, 1)), store.ErrReadOnly)
	intact(t, s, 2)
}

// Lists must come from the records alone.
func TestListWithoutSamples(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 3)
	s := openAt(t, dir)
	_, err := s.db.ExecContext(t.Context(), "DROP TABLE samples")
	must(t, err)
	entries, err := s.List(t.Context())
	must(t, err)
	if len(entries) != 1 || entries[0].Blocks != 3 {
		t.Errorf("got %+v, want one experiment of 3 blocks", entries)
	}
	blocks, err := s.Blocks(t.Context(), "one")
	must(t, err)
	if len(blocks) != 3 {
		t.Errorf("got %+v, want 3 blocks", blocks)
	}
}

// Not even other code with the same database changes a block.
func TestBlocksStay(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 2)
	s := openAt(t, dir)
	for _, change := range []string{
		"UPDATE blocks SET void = 'x'",
		"UPDATE samples SET data = x'00'",
		"DELETE FROM blocks",
		"DELETE FROM experiments",
		"INSERT INTO blocks SELECT experiment, block, 7, id, started, void, record_sha256, samples_sha256, record FROM blocks",
		"INSERT INTO samples VALUES ('none', 0, 1, x'00')",
	} {
		if _, err := s.db.ExecContext(t.Context(), change); err == nil {
			t.Errorf("%s: was not refused", change)
		}
	}
	intact(t, s, 2)
}

func TestBusy(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 1)
	s, other := openAt(t, dir), openAt(t, dir)
	s.db.SetMaxOpenConns(1)
	_, err := s.db.ExecContext(t.Context(), "PRAGMA busy_timeout = 1")
	must(t, err)

	c, err := other.db.Conn(t.Context())
	must(t, err)
	defer c.Close()
	_, err = c.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	must(t, err)
	_, err = s.List(t.Context())
	refused(t, "reading while another writes", err, store.ErrBusy, s.path)
	refused(t, "writing while another writes", s.Append(t.Context(), "one", storetest.Block(1, 1, 1)), store.ErrBusy, s.path)

	_, err = s.db.ExecContext(t.Context(), "PRAGMA busy_timeout = 10000")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = s.Append(ctx, "one", storetest.Block(1, 1, 1))
	refused(t, "waiting for another until a deadline", err, context.DeadlineExceeded)
	if errors.Is(err, store.ErrBusy) {
		t.Errorf("the deadline did not end the wait: %v", err)
	}
	_, err = c.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
	must(t, s.Append(t.Context(), "one", storetest.Block(1, 1, blockSamples)))
	intact(t, s, 2)
}

// leaveHot makes data directories as a run leaves them that is killed in the
// midst of its third block: pages of it are in the database, and the journal
// that takes them out again is beside it.
func leaveHot(t *testing.T, dirs ...string) {
	t.Helper()
	dir := t.TempDir()
	filled(t, dir, 2)
	s := openAt(t, dir)
	c, err := s.db.Conn(t.Context())
	must(t, err)
	defer c.Close()
	row, err := store.EncodeBlock(storetest.Block(2, 1, blockSamples))
	must(t, err)
	for _, text := range []string{"PRAGMA cache_size = 2", "BEGIN IMMEDIATE", "UPDATE experiments SET state = 'failed'"} {
		_, err = c.ExecContext(t.Context(), text)
		must(t, err)
	}
	must(t, appendRow(t.Context(), c, "one", row))
	for _, d := range dirs {
		if copied := copyFile(t, dir, d, File); !bytes.Contains(copied, row.Samples[len(row.Samples)/2:][:32]) {
			t.Fatal("the block's pages have not reached the database: nothing is tested")
		}
		copyFile(t, dir, d, File+"-journal")
	}
	_, err = c.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
}

// Whoever opens first after a kill takes the half block out, a reader too.
func TestHotJournal(t *testing.T) {
	for name, open := range map[string]func(context.Context, string) (*Store, error){"Open": Open, "Read": Read} {
		killed := t.TempDir()
		leaveHot(t, killed)
		k, err := open(t.Context(), killed)
		must(t, err)
		intact(t, k, 2)
		r, err := k.Load(t.Context(), "one")
		must(t, err)
		if r.State != experiment.Running {
			t.Errorf("%s: the state is %s", name, r.State)
		}
		must(t, k.Close())
		if files, err := os.ReadDir(killed); err != nil || len(files) != 1 {
			t.Errorf("%s: %v is left (%v), want the database alone", name, files, err)
		}
	}
}

func copyFile(t *testing.T, from, to, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from, name))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(to, name), content, 0o666))
	return content
}

func TestDamaged(t *testing.T) {
	good := t.TempDir()
	filled(t, good, 3)
	image, err := os.ReadFile(filepath.Join(good, File))
	must(t, err)
	open := map[string]func(context.Context, string) (*Store, error){"Open": Open, "Read": Read}
	for name, damage := range map[string]func([]byte) []byte{
		"text":            func([]byte) []byte { return []byte(strings.Repeat("no database\n", 1000)) },
		"the first 1000":  func(b []byte) []byte { return b[:1000] },
		"a header gone":   func(b []byte) []byte { clear(b[:100]); return b },
		"cut in the half": func(b []byte) []byte { return b[:len(b)/2] },
		"a hole": func(b []byte) []byte {
			copy(b[4096:], bytes.Repeat([]byte{0xa5}, len(b)-8192))
			return b
		},
	} {
		for way, openDir := range open {
			dir := t.TempDir()
			broken := damage(bytes.Clone(image))
			must(t, os.WriteFile(filepath.Join(dir, File), broken, 0o666))
			s, err := openDir(t.Context(), dir)
			if err == nil {
				_, err = s.Load(t.Context(), "one")
				must(t, s.Close())
			}
			refused(t, way+": "+name, err, store.ErrDamaged, filepath.Join(dir, File), "copy")
			after, err := os.ReadFile(filepath.Join(dir, File))
			must(t, err)
			if !bytes.Equal(after, broken) {
				t.Errorf("%s: %s: the file was changed", way, name)
			}
		}
	}
}

// One bit of the file of one block: the rest of the database still works.
func TestDamagedBlock(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 3)
	path := filepath.Join(dir, File)
	image, err := os.ReadFile(path)
	must(t, err)
	row, err := store.EncodeBlock(storetest.Block(1, 1, blockSamples))
	must(t, err)
	place := bytes.Index(image, row.Samples[len(row.Samples)/2:len(row.Samples)/2+32])
	if place < 0 {
		t.Fatal("the samples are not in the file")
	}
	image[place] ^= 0x10
	must(t, os.WriteFile(path, image, 0o666))

	s := openAt(t, dir)
	must(t, s.Begin(t.Context(), storetest.Experiment(t, "two", started.Add(time.Hour))))
	must(t, s.Append(t.Context(), "two", storetest.Block(0, 1, 5)))
	_, err = s.Load(t.Context(), "one")
	refused(t, "loading a damaged block", err, store.ErrDamaged, path, "block 1, attempt 1", "experiment one", row.SamplesSHA256)
	_, err = s.Load(t.Context(), "two")
	must(t, err)
	entries, err := s.List(t.Context())
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("got %+v, want two experiments", entries)
	}
}

func TestPathIsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("x"), 0o666))
	_, err := Open(t.Context(), file)
	refused(t, "a file as data directory", err, store.ErrReadOnly, file, "--data")
	_, err = Read(t.Context(), file)
	refused(t, "reading a file as data directory", err, store.ErrReadOnly, file, "--data")

	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, File), 0o777))
	_, err = Open(t.Context(), dir)
	refused(t, "a directory as database", err, store.ErrReadOnly, filepath.Join(dir, File), "--data")
	_, err = Read(t.Context(), dir)
	refused(t, "reading a directory as database", err, store.ErrReadOnly, filepath.Join(dir, File))
}

func TestUnknown(t *testing.T) {
	s := openAt(t, t.TempDir())
	_, err := s.Load(t.Context(), "none")
	refused(t, "loading what is not there", err, store.ErrUnknown, "none", s.path, "tare list")
	_, err = s.Resolve(t.Context(), "last")
	refused(t, "the last of none", err, store.ErrNothing, s.path)
}
