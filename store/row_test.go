package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

// The record and the checksum of the samples must not drift: databases of
// earlier versions hold them.
func TestRowGolden(t *testing.T) {
	row := encode(t, storetest.Block(3, 2, 4))
	got := append(bytes.ReplaceAll(row.Record, []byte(`,"`), []byte(",\n\"")), "\n"+row.SamplesSHA256+"\n"...)
	golden.Check(t, "row.golden", got)
}

func TestRowRoundTrip(t *testing.T) {
	void := storetest.Block(1, 3, 10)
	void.Void = "the proxy died"
	for _, b := range []experiment.Block{storetest.Block(0, 1, 100), void, {}, {Samples: [][]load.Sample{{}, {{User: 1}}, {}}}} {
		row := encode(t, b)
		if row.Block != b.Index || row.Attempt != b.Attempt || row.ID != b.ID || row.Void != b.Void || !row.Started.Equal(b.Started) {
			t.Errorf("the row is of another block: %+v", row)
		}
		got, err := row.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b, got, storetest.Options()); d != "" {
			t.Errorf("a block (- want, + got):\n%s", d)
		}
	}
}

func TestRowDamaged(t *testing.T) {
	good := encode(t, storetest.Block(3, 2, 50))
	other := encode(t, storetest.Block(4, 1, 50))
	for name, damage := range map[string]func(*store.Row){
		"a bit of the samples":   func(r *store.Row) { r.Samples[len(r.Samples)/2] ^= 1 },
		"a bit of the record":    func(r *store.Row) { r.Record[len(r.Record)/2] ^= 1 },
		"the last sample cut":    func(r *store.Row) { r.Samples = r.Samples[:len(r.Samples)-1] },
		"no samples":             func(r *store.Row) { r.Samples = nil },
		"no record":              func(r *store.Row) { r.Record = nil },
		"the samples of another": func(r *store.Row) { r.Samples = other.Samples },
		"the record of another":  func(r *store.Row) { r.Record, r.RecordSHA256 = other.Record, other.RecordSHA256 },
		"another block's number": func(r *store.Row) { r.Block = 9 },
		"another attempt":        func(r *store.Row) { r.Attempt = 9 },
		"more samples than the record says": func(r *store.Row) {
			*r = resum(t, *r, r.Record, append(bytes.Clone(r.Samples), 0))
		},
		"fewer samples than the record says": func(r *store.Row) {
			*r = resum(t, *r, r.Record, r.Samples[:len(r.Samples)-1])
		},
		"a phase cut at the wrong place": func(r *store.Row) {
			*r = resum(t, *r, bytes.Replace(r.Record, []byte(`"samples_bytes":[20,`), []byte(`"samples_bytes":[21,`), 1), r.Samples)
		},
		"a negative length": func(r *store.Row) {
			*r = resum(t, *r, bytes.Replace(r.Record, []byte(`"samples_bytes":[20,`), []byte(`"samples_bytes":[-20,`), 1), r.Samples)
		},
	} {
		row := good
		row.Samples, row.Record = bytes.Clone(good.Samples), bytes.Clone(good.Record)
		damage(&row)
		if _, err := row.Decode(); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "block ") {
			t.Errorf("%s: got error %v, want %v that names the block", name, err, store.ErrDamaged)
		}
	}
	if _, err := good.Decode(); err != nil {
		t.Errorf("undamaged: %v", err)
	}
}

// resum gives a row the checksums of what it is changed to: only the contents
// can tell then.
func resum(t *testing.T, r store.Row, record, samples []byte) store.Row {
	t.Helper()
	if bytes.Equal(record, r.Record) && bytes.Equal(samples, r.Samples) {
		t.Fatal("nothing was changed")
	}
	r.Record, r.RecordSHA256 = record, store.Sum(record)
	r.Samples, r.SamplesSHA256 = samples, store.Sum(samples)
	return r
}

func encode(t testing.TB, b experiment.Block) store.Row {
	t.Helper()
	row, err := store.EncodeBlock(b)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func FuzzRowDecode(f *testing.F) {
	row, err := store.EncodeBlock(storetest.Block(0, 1, 5))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row.Record, row.Samples)
	f.Add([]byte(`{"samples_bytes":[-1,9]}`), []byte("x"))
	f.Fuzz(func(t *testing.T, record, samples []byte) {
		r := store.Row{Attempt: 1, Record: record, RecordSHA256: store.Sum(record), Samples: samples, SamplesSHA256: store.Sum(samples)}
		b, err := r.Decode()
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("got error %v", err)
			}
			return
		}
		again, err := store.EncodeBlock(b)
		if err != nil {
			return // a time that JSON reads and does not write
		}
		c, err := again.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b, c, storetest.Options()); d != "" {
			t.Errorf("a second round trip changes the block:\n%s", d)
		}
	})
}

func BenchmarkEncodeBlock(b *testing.B) {
	block := storetest.Block(0, 1, 25_000)
	for b.Loop() {
		if _, err := store.EncodeBlock(block); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRow(b *testing.B) {
	row, err := store.EncodeBlock(storetest.Block(0, 1, 25_000))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := row.Decode(); err != nil {
			b.Fatal(err)
		}
	}
}
