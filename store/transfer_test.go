package store_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

// file is one entry of an archive as a test writes it.
type file struct {
	name, content string
	kind          byte  // 0: a regular file
	size          int64 // that it is said to have; 0: what it has
}

// archive packs files, sound or not.
func archive(t testing.TB, files []file) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, f := range files {
		kind, size := f.kind, f.size
		if kind == 0 {
			kind = tar.TypeReg
		}
		if size == 0 && kind == tar.TypeReg {
			size = int64(len(f.content))
		}
		h := &tar.Header{Name: f.name, Typeflag: kind, Size: size, Mode: 0o644}
		if kind == tar.TypeSymlink {
			h.Linkname = "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
		if f.size != 0 {
			break // the size is a lie: nothing can follow
		}
	}
	_ = w.Close() // fails then
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpacked(t testing.TB, text []byte) []file {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	var files []file
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{name: h.Name, content: string(content)})
	}
}

// resealed gives the last entry the checksum of those before it.
func resealed(files []file) []file {
	h := sha256.New()
	blocks := 0
	for _, f := range files[:len(files)-1] {
		fmt.Fprintf(h, "%s\n%d\n%s", f.name, len(f.content), f.content)
		if f.name == "block.json" {
			blocks++
		}
	}
	files = slices.Clone(files)
	files[len(files)-1].content = fmt.Sprintf(`{"blocks":%d,"sha256":"%x"}`+"\n", blocks, h.Sum(nil))
	return files
}

func rowsOf(rows ...store.Row) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func headOf(t testing.TB, e experiment.Experiment) store.Head {
	t.Helper()
	record, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return store.Head{ID: e.ID, State: experiment.Done, Ended: e.Started.Add(time.Hour), Record: record, Note: "a note", Tags: []string{"keep"}}
}

// exported is a sound export of two blocks.
func exported(t testing.TB) (store.Head, []store.Row, []byte) {
	t.Helper()
	h := headOf(t, storetest.Experiment(t, "20300102-a4", time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)))
	rows := []store.Row{encode(t, storetest.Block(0, 1, 3)), encode(t, storetest.Block(1, 1, 3))}
	var out bytes.Buffer
	if err := store.WriteExport(&out, h, rowsOf(rows...)); err != nil {
		t.Fatal(err)
	}
	return h, rows, out.Bytes()
}

// readAll reads an export to its end.
func readAll(text []byte) (store.Head, []store.Row, error) {
	h, rows, err := store.ReadExport(bytes.NewReader(text))
	if err != nil {
		return h, nil, err
	}
	var all []store.Row
	for r, err := range rows {
		if err != nil {
			return h, all, err
		}
		all = append(all, r)
	}
	return h, all, nil
}

func TestExportRoundTrip(t *testing.T) {
	h, rows, text := exported(t)
	gotHead, gotRows, err := readAll(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(h, gotHead); d != "" {
		t.Errorf("the head (- want, + got):\n%s", d)
	}
	if d := cmp.Diff(rows, gotRows); d != "" {
		t.Errorf("the blocks (- want, + got):\n%s", d)
	}
	var what strings.Builder
	for _, f := range unpacked(t, text) {
		content := f.content
		if !strings.HasSuffix(f.name, ".json") || strings.HasSuffix(f.name, "-record.json") {
			content = fmt.Sprintf("%x\n", sha256.Sum256([]byte(content)))
		}
		fmt.Fprintf(&what, "%s: %s", f.name, content)
	}
	// The record grows with what a study can say: its digest is no part of the format.
	record := fmt.Sprintf("%x", sha256.Sum256(h.Record))
	files := unpacked(t, text)
	var end struct{ SHA256 string }
	if err := json.Unmarshal([]byte(files[len(files)-1].content), &end); err != nil {
		t.Fatal(err)
	}
	got := strings.NewReplacer(record, "(of the record)", end.SHA256, "(of all before)").Replace(what.String())
	golden.Check(t, "export.golden", []byte(got))
}

func TestExportRefuses(t *testing.T) {
	_, _, good := exported(t)
	sound := unpacked(t, good)
	other := unpacked(t, func() []byte {
		var out bytes.Buffer
		h := headOf(t, storetest.Experiment(t, "other", time.Date(2031, 1, 2, 3, 4, 5, 6, time.UTC)))
		if err := store.WriteExport(&out, h, rowsOf(encode(t, storetest.Block(2, 1, 9)))); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}())
	at := func(name string) int { return slices.IndexFunc(sound, func(f file) bool { return f.name == name }) }
	with := func(name string, change func(*file)) []file {
		files := slices.Clone(sound)
		change(&files[at(name)])
		return files
	}
	text := func(old, new string) func(*file) {
		return func(f *file) {
			if !strings.Contains(f.content, old) {
				t.Fatalf("%s does not hold %s", f.name, old)
			}
			f.content = strings.Replace(f.content, old, new, 1)
		}
	}
	// recorded changes the experiment's record and gives it the right digest.
	recorded := func(change func(*file)) []file {
		files := with("experiment-record.json", change)
		old := fmt.Sprintf("%x", sha256.Sum256([]byte(sound[at("experiment-record.json")].content)))
		now := fmt.Sprintf("%x", sha256.Sum256([]byte(files[at("experiment-record.json")].content)))
		text(old, now)(&files[at("experiment.json")])
		return resealed(files)
	}
	blocked := func(change func(*file)) []file {
		files := with("block-record.json", change)
		sum := sha256.Sum256([]byte(files[at("block-record.json")].content))
		var entry map[string]any
		if err := json.Unmarshal([]byte(files[at("block.json")].content), &entry); err != nil {
			t.Fatal(err)
		}
		entry["record_sha256"] = hex.EncodeToString(sum[:])
		out, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		files[at("block.json")].content = string(out)
		return resealed(files)
	}
	swapped := slices.Clone(sound)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	damaged := store.ErrDamaged
	for _, c := range []struct {
		name  string
		files []file
		want  error
		says  string
	}{
		{"a newer format", with("format", text("/1", "/2")), store.ErrVersion, "tare-export/2"},
		{"a foreign format", with("format", text("tare-export/1", "PK")), store.ErrVersion, "PK"},
		{"a path that climbs", with("experiment.json", func(f *file) { f.name = "../../etc/cron.d/x" }), damaged, "../../etc"},
		{"an absolute path", with("experiment.json", func(f *file) { f.name = "/etc/passwd" }), damaged, "/etc/passwd"},
		{"a link", with("experiment.json", func(f *file) { f.kind, f.content = tar.TypeSymlink, "" }), damaged, "no regular file"},
		{"a device", with("block-samples", func(f *file) { f.kind, f.content = tar.TypeChar, "" }), damaged, "no regular file"},
		{"a folder", append([]file{{name: "x/", kind: tar.TypeDir}}, sound...), damaged, `"x/" where format`},
		{"a size of terabytes", with("block-samples", func(f *file) { f.size = 1 << 42 }), damaged, "more than"},
		{"a size that is not there", with("block-samples", func(f *file) { f.size = 1 << 28 }), damaged, "cut off"},
		{"a format of a mebibyte", with("format", func(f *file) { f.content = strings.Repeat("x", 1<<20) }), damaged, "more than"},
		{"entries in another order", swapped, damaged, "where experiment.json"},
		{"an entry twice", slices.Insert(slices.Clone(sound), 1, sound[0]), damaged, `"format" where experiment.json`},
		{"an entry more", append(slices.Clone(sound), file{name: "extra", content: "x"}), damaged, "follows the end"},
		{"no end", sound[:len(sound)-1], damaged, "cut off"},
		{"no block of two", slices.Delete(slices.Clone(sound), at("block.json"), at("block.json")+3), damaged, "1 blocks"},
		{"no samples", slices.Delete(slices.Clone(sound), at("block-samples"), at("block-samples")+1), damaged, "block-samples"},
		{"another note", with("experiment.json", text("a note", "a lie")), damaged, "SHA-256"},
		{"another block's samples", with("block-samples", func(f *file) { f.content = other[at("block-samples")].content }), damaged, "SHA-256"},
		{"a bit of the samples", with("block-samples", func(f *file) { b := []byte(f.content); b[len(b)/2] ^= 1; f.content = string(b) }), damaged, "SHA-256"},
		{"a bit of a block's record", with("block-record.json", text("block-0-1", "block-0-2")), damaged, "SHA-256"},
		{"another record", with("experiment-record.json", func(f *file) { f.content = other[at("experiment-record.json")].content }), damaged, "SHA-256"},
		{"a field that nobody knows", with("experiment.json", text(`"id"`, `"x":1,"id"`)), damaged, "unknown field"},
		{"something behind the JSON", with("experiment.json", func(f *file) { f.content += "{}" }), damaged, "follows"},
		{"no JSON", with("block.json", func(f *file) { f.content = "]" }), damaged, "block.json"},
		{"NaN", with("block.json", text(`"attempt":1`, `"attempt":NaN`)), damaged, "block.json"},
		{"a void reason that the record lacks", resealed(with("block.json", text(`"attempt":1`, `"attempt":1,"void":"x"`))), damaged, "void"},
		{"another id than the record's", resealed(with("experiment.json", text("20300102-a4", "20300102-a5"))), damaged, "20300102-a4"},
		{"an id that is a path", resealed(with("experiment.json", text("20300102-a4", "../a4"))), damaged, "no id"},
		{"the id last", resealed(with("experiment.json", text("20300102-a4", "last"))), damaged, "no id"},
		{"an unknown state", resealed(with("experiment.json", text(`"done"`, `"over"`))), damaged, "no state"},
		{"a tag that is none", resealed(with("experiment.json", text(`"keep"`, `"K E E P"`))), damaged, "tag"},
		{"a note that clears the screen", resealed(with("experiment.json", text(`a note`, "\\u001b[2J"))), damaged, "control"},
		{"a study without treatments", recorded(func(f *file) {
			var e map[string]any
			if err := json.Unmarshal([]byte(f.content), &e); err != nil {
				t.Fatal(err)
			}
			e["plan"].(map[string]any)["study"].(map[string]any)["treatments"] = []any{}
			out, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			f.content = string(out)
		}), damaged, "no treatments"},
		{"a treatment on itself", recorded(text(`"baseline":"plain"`, `"baseline":"copy"`)), damaged, "copy"},
		{"a study of another format", recorded(text(`"study/1"`, `"study/2"`)), damaged, "study/2"},
		{"a treatment that the plan lacks", recorded(text(`"start":[`, `"start":[9,`)), damaged, "treatment 9 of 3"},
		{"a level beyond 1", recorded(text(`"level":0.96`, `"level":96`)), damaged, "level"},
		{"a block beyond the plan", blocked(text(`"index":0`, `"index":9999`)), damaged, "block"},
		{"a phase of a treatment that is not there", blocked(text(`"targets":[0,1,2]`, `"targets":[0,1,77]`)), damaged, "treatment 77"},
		{"a phase that took no time", blocked(func(f *file) {
			i := strings.Index(f.content, `"wall":`)
			f.content = f.content[:i] + `"wall":0,"ignored":` + f.content[i+len(`"wall":`):]
		}), damaged, "took"},
	} {
		_, _, err := readAll(archive(t, c.files))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got error %v, want %v that says %q", c.name, err, c.want, c.says)
		}
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "text": []byte("no archive"), "a zip": []byte("PK\x03\x04"), "gzip of nothing": archive(t, nil),
		"something behind it": append(slices.Clone(good), "more"...),
	} {
		if _, _, err := readAll(raw); !errors.Is(err, damaged) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	for n := 0; n < len(good); n += 1 + len(good)/400 {
		if _, _, err := readAll(good[:n]); !errors.Is(err, damaged) {
			t.Fatalf("the first %d bytes of %d: got error %v", n, len(good), err)
		}
	}
}

// A gigabyte of zeros in a mebibyte is refused by what it is said to be, and
// not read.
func TestExportBomb(t *testing.T) {
	_, _, good := exported(t)
	files := unpacked(t, good)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, f := range files[:4] {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Size: int64(len(f.content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "block-record.json", Typeflag: tar.TypeReg, Size: 1 << 30, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 8 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readAll(out.Bytes()); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got error %v", err)
	}
}

func TestWriteExportFails(t *testing.T) {
	h, rows, _ := exported(t)
	gone := errors.New("gone")
	failing := func(yield func(store.Row, error) bool) { _ = yield(rows[0], nil) && yield(store.Row{}, gone) }
	if err := store.WriteExport(io.Discard, h, failing); !errors.Is(err, gone) {
		t.Errorf("a failing block: got error %v", err)
	}
	full := writerFunc(func([]byte) (int, error) { return 0, gone })
	if err := store.WriteExport(full, h, rowsOf(rows...)); !errors.Is(err, gone) {
		t.Errorf("a full disk: got error %v", err)
	}
	h.Record = make([]byte, 65<<20)
	if err := store.WriteExport(io.Discard, h, rowsOf()); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a record that could not be read again: got error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
