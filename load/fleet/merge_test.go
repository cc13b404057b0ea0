package fleet

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// dealt are samples dealt to streams at random, in pieces of random sizes.
func dealt(r *rand.Rand, all []load.Sample, n int) []stream {
	parts := make([][]load.Sample, n)
	for _, s := range all {
		k := r.IntN(n)
		parts[k] = append(parts[k], s)
	}
	streams := make([]stream, n)
	for k, rest := range parts {
		pieces := make(chan []load.Sample)
		streams[k].parts = pieces
		sizes := rand.New(rand.NewPCG(uint64(k), 1))
		go func() {
			defer close(pieces)
			for len(rest) > 0 {
				size := min(len(rest), sizes.IntN(9)) // also empty ones
				pieces <- rest[:size]
				rest = rest[size:]
			}
		}()
	}
	return streams
}

func TestMergeKeepsTheOrderAndEverySample(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= 5; n++ {
		all := make([]load.Sample, 40_000)
		at := time.Duration(0)
		for i := range all {
			at += time.Duration(r.IntN(3)) // some have one time
			all[i] = load.Sample{Intended: at, User: uint32(i)}
		}
		var got []load.Sample
		err := merge(dealt(r, all, n), func(part []load.Sample) error {
			got = append(got, part...)
			return nil
		})
		if err != nil || len(got) != len(all) {
			t.Fatalf("%d streams: %d of %d samples, error %v", n, len(got), len(all), err)
		}
		if !slices.IsSortedFunc(got, func(a, b load.Sample) int { return cmp.Compare(a.Intended, b.Intended) }) {
			t.Errorf("%d streams: the merged samples are out of order", n)
		}
		slices.SortFunc(got, func(a, b load.Sample) int { return cmp.Compare(a.User, b.User) })
		if !slices.Equal(got, all) {
			t.Errorf("%d streams: the samples are not those that went in", n)
		}
	}
}

// A sink that fails is not asked again, and no stream is left standing.
func TestMergeEmptiesTheStreamsAfterAnError(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	all := make([]load.Sample, 3*mergedPart)
	streams := dealt(r, all, 3)
	calls, failure := 0, errors.New("full")
	err := merge(streams, func([]load.Sample) error { calls++; return failure })
	if !errors.Is(err, failure) || calls != 1 {
		t.Errorf("%d calls, error %v", calls, err)
	}
	for k := range streams {
		if _, open := <-streams[k].parts; open {
			t.Errorf("stream %d still has samples", k)
		}
	}
}
