package sqlite

import (
	"fmt"
	"testing"
	"time"

	"github.com/taremesh/tare/storetest"
)

// A run of twelve blocks with 25,000 samples each.
const (
	benchBlocks  = 12
	benchSamples = 25_000
)

func BenchmarkAppend(b *testing.B) {
	s := openAt(b, b.TempDir())
	must(b, s.Begin(b.Context(), storetest.Experiment(b, "one", started)))
	block := storetest.Block(0, 1, benchSamples)
	for b.Loop() {
		must(b, s.Append(b.Context(), "one", block))
		block.Index++
	}
}

func BenchmarkLoad(b *testing.B) {
	s := openAt(b, b.TempDir())
	must(b, s.Begin(b.Context(), storetest.Experiment(b, "one", started)))
	for i := range benchBlocks {
		must(b, s.Append(b.Context(), "one", storetest.Block(i, 1, benchSamples)))
	}
	for b.Loop() {
		if _, err := s.Load(b.Context(), "one"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkList(b *testing.B) {
	s := openAt(b, b.TempDir())
	_, err := s.db.ExecContext(b.Context(), "PRAGMA synchronous = off")
	must(b, err)
	for i := range 200 {
		id := fmt.Sprint("experiment ", i)
		must(b, s.Begin(b.Context(), storetest.Experiment(b, id, started.Add(time.Duration(i)*time.Hour))))
		for j := range benchBlocks {
			must(b, s.Append(b.Context(), id, storetest.Block(j, 1, 1000)))
		}
	}
	for b.Loop() {
		if _, err := s.List(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
