package store_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

// Every number of a record and of a block, replaced by ones that no run gives,
// is refused, or can be analysed without a panic.
func TestHostileNumbers(t *testing.T) {
	e := storetest.Experiment(t, "hostile", time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC))
	h := headOf(t, e)
	first, second := encode(t, storetest.Block(0, 1, 630)), encode(t, storetest.Block(1, 1, 630))
	number := regexp.MustCompile(`[:\[,]-?[0-9][0-9.e+]*`)
	analysed := func(h store.Head, rows ...store.Row) {
		var out bytes.Buffer
		if err := store.WriteExport(&out, h, rowsOf(rows...)); err != nil {
			t.Fatal(err)
		}
		got, kept, err := readAll(out.Bytes())
		if err != nil {
			return
		}
		e, err := got.Decode()
		if err != nil {
			t.Fatal(err)
		}
		var blocks []experiment.Block
		for _, r := range kept {
			b, err := r.Decode()
			if err != nil {
				t.Fatal(err)
			}
			blocks = append(blocks, b)
		}
		_, _ = experiment.Analyse(&e.Plan, blocks)
	}
	with := func(text []byte, at []int, value string) []byte {
		return slices.Concat(text[:at[0]+1], []byte(value), text[at[1]:])
	}
	tried := 0
	for _, value := range []string{"-1", "7", "9223372036854775807"} {
		for k, at := range number.FindAllIndex(h.Record, -1) {
			if k > 60 && k%97 != 0 { // the rest are seeds and orders of the plan's blocks
				continue
			}
			changed := h
			changed.Record = with(h.Record, at, value)
			analysed(changed, first, second)
			tried++
		}
		for _, at := range number.FindAllIndex(first.Record, -1) {
			r := first
			r.Record = with(first.Record, at, value)
			r.RecordSHA256 = fmt.Sprintf("%x", sha256.Sum256(r.Record))
			analysed(h, r, second)
			tried++
		}
	}
	if t.Logf("%d numbers", tried); tried < 300 {
		t.Errorf("only %d numbers were tried", tried)
	}
}

// FuzzReadExport: whatever is read to its end can be analysed, and nothing
// panics. The fuzzer gives the entries, which are packed and sealed as they
// should be, since no fuzzer finds a SHA-256.
func FuzzReadExport(f *testing.F) {
	_, _, good := exported(f)
	files := unpacked(f, good)
	f.Add([]byte(files[2].content), []byte(files[4].content), []byte(files[5].content))
	f.Add([]byte(`{}`), []byte(`{"block":{}}`), []byte(nil))
	f.Fuzz(func(t *testing.T, record, block, samples []byte) {
		var id struct{ ID string }
		_ = json.Unmarshal(record, &id)
		var at struct {
			Block struct {
				Index, Attempt int
				Void           string
			}
		}
		_ = json.Unmarshal(block, &at)
		h := store.Head{ID: id.ID, State: experiment.Done, Record: record}
		digest := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
		var out bytes.Buffer
		err := store.WriteExport(&out, h, rowsOf(store.Row{Block: at.Block.Index, Attempt: at.Block.Attempt, Void: at.Block.Void,
			Record: block, RecordSHA256: digest(block), Samples: samples, SamplesSHA256: digest(samples)}))
		if err != nil {
			return
		}
		got, rows, err := readAll(out.Bytes())
		if err != nil {
			if !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		e, err := got.Decode()
		if err != nil {
			t.Fatal(err)
		}
		var blocks []experiment.Block
		for _, r := range rows {
			b, err := r.Decode()
			if err != nil {
				t.Fatal(err)
			}
			blocks = append(blocks, b)
		}
		_, _ = experiment.Analyse(&e.Plan, blocks)
	})
}

// FuzzReadExportBytes: the archive itself, as bytes under the compression.
func FuzzReadExportBytes(f *testing.F) {
	_, _, good := exported(f)
	z, err := gzip.NewReader(bytes.NewReader(good))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add(plain[:1024])
	f.Fuzz(func(t *testing.T, plain []byte) {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		if _, err := z.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		_, _, err := readAll(out.Bytes())
		if err != nil && !errors.Is(err, store.ErrDamaged) && !errors.Is(err, store.ErrVersion) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}
