package spool_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/spool"
	"github.com/taremesh/tare/stat"
)

func Example() {
	s := spool.New(spool.Config{})
	defer s.Close()
	for i := range 5 { // a generator hands them to load.Sink{Samples: s.Add}
		at := time.Duration(i) * time.Second
		if err := s.Add([]load.Sample{{Intended: at, Written: at, FirstByte: at, LastByte: at + time.Duration(i)*time.Millisecond, Status: 200}}); err != nil {
			fmt.Println(err)
			return
		}
	}
	times, err := s.Times(spool.Ask{Measure: spool.Response, Levels: []float64{.5, 1}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(times[0].Count, times[0].Levels, times[0].Exact)
	fmt.Println(s.Kept())
	// Output:
	// 5 [2e+06 4e+06] true
	// all 5 samples in memory; quantiles are exact
}

// mixture are samples of every class, with times from nanoseconds to hours.
func mixture(n int, seed uint64) []load.Sample {
	r := rand.New(rand.NewPCG(seed, 1))
	all := make([]load.Sample, n)
	at := time.Duration(0)
	for i := range all {
		at += time.Duration(r.IntN(100_000))
		late := time.Duration(math.Exp(12 * r.Float64()))
		took := time.Duration(math.Exp(8 + 4*r.NormFloat64()))
		s := load.Sample{Intended: at, Written: at + late, FirstByte: at + late + took/2, LastByte: at + late + took, Status: 200, Request: uint16(r.IntN(3))}
		switch r.IntN(40) {
		case 0:
			s = load.Sample{Intended: at, Written: -1, FirstByte: -1, LastByte: -1, Failed: at + took, Class: load.Refused}
		case 1:
			s.FirstByte, s.LastByte, s.Failed, s.Status, s.Class = -1, -1, at+5*time.Second+late, 0, load.Timeout
		case 5:
			s.FirstByte, s.LastByte, s.Class = -1, -1, load.Reset // of a record that does not say when
		case 2:
			s.Class, s.Status = load.Limited, 429
		case 3:
			s.Written = at - 50 // a foreign clock
		case 4:
			s.LastByte = s.Written + 3*time.Hour
		}
		all[i] = s
	}
	return all
}

// sorted are the times that sorting everything would take.
func sorted(all []load.Sample, of func(load.Sample) (time.Duration, bool)) []float64 {
	var out []float64
	for _, s := range all {
		if d, ok := of(s); ok {
			out = append(out, float64(d))
		}
	}
	slices.Sort(out)
	return out
}

func fill(tb testing.TB, c spool.Config, all []load.Sample) *spool.Spool {
	tb.Helper()
	s := spool.New(c)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	r := rand.New(rand.NewPCG(3, 4))
	for len(all) > 0 { // in pieces of any size
		n := min(1+r.IntN(40_000), len(all))
		if err := s.Add(all[:n]); err != nil {
			tb.Fatal(err)
		}
		all = all[n:]
	}
	return s
}

var asked = []float64{0, .001, .1, .25, .5, .9, .99, .999, .99999, 1}

// Quantiles in bounded memory are those of sorting, to the nanosecond, wherever
// the samples are.
func TestTimesEqualSorting(t *testing.T) {
	for name, c := range map[string]struct {
		n      int
		config spool.Config
		where  string
	}{
		"one":        {1, spool.Config{}, spool.Memory},
		"few":        {100, spool.Config{Kinds: 3}, spool.Memory},
		"in memory":  {50_000, spool.Config{Kinds: 3}, spool.Memory},
		"on disk":    {150_000, spool.Config{Memory: 40_000, Kinds: 3}, spool.Disk},
		"all on it":  {50_000, spool.Config{Memory: 1, Kinds: 3}, spool.Disk},
		"touched":    {50_000, spool.Config{Memory: 40_000, Expect: 50_000}, spool.Disk},
		"even chunk": {3 << 14, spool.Config{Memory: 1 << 14}, spool.Disk},
	} {
		t.Run(name, func(t *testing.T) {
			all := mixture(c.n, uint64(c.n))
			s := fill(t, c.config, all)
			if got := s.Kept(); got.Where != c.where || !got.Exact || got.Memory+got.Disk != c.n || got.Sketched != 0 {
				t.Errorf("kept %+v", got)
			}
			type question struct {
				spool.Ask
				of func(load.Sample) (time.Duration, bool)
			}
			questions := []question{
				{spool.Ask{}, func(s load.Sample) (time.Duration, bool) { return s.Response(), s.Whole() }},
				{spool.Ask{Measure: spool.Service}, func(s load.Sample) (time.Duration, bool) { return s.Service(), s.Whole() }},
				{spool.Ask{Measure: spool.Lateness}, func(s load.Sample) (time.Duration, bool) { return s.Lateness(), s.Written >= 0 }},
				{spool.Ask{Of: spool.OfClass(load.Limited)}, func(s load.Sample) (time.Duration, bool) { return s.Response(), s.Class == load.Limited }},
				{spool.Ask{Of: spool.OfClass(load.Timeout)}, func(load.Sample) (time.Duration, bool) { return 0, false }},
				{spool.Ask{Measure: spool.Failure}, load.Sample.Failure},
				{spool.Ask{Of: spool.OfClass(load.Timeout), Measure: spool.Failure}, func(s load.Sample) (time.Duration, bool) { return s.Failed - s.Intended, s.Class == load.Timeout }},
				{spool.Ask{Of: spool.OfClass(load.Reset), Measure: spool.Failure}, func(load.Sample) (time.Duration, bool) { return 0, false }},
			}
			if c.config.Kinds > 1 {
				questions = append(questions, question{spool.Ask{Of: spool.OfKind(2)}, func(s load.Sample) (time.Duration, bool) { return s.Response(), s.Whole() && s.Request == 2 }})
			}
			var asks []spool.Ask
			for _, q := range questions {
				q.Levels = asked
				asks = append(asks, q.Ask)
			}
			got, err := s.Times(asks...)
			if err != nil {
				t.Fatal(err)
			}
			for i, q := range questions {
				want := sorted(all, q.of)
				if got[i].Count != len(want) {
					t.Errorf("question %d: %d times, want %d", i, got[i].Count, len(want))
				}
				if len(want) == 0 {
					continue
				}
				if float64(got[i].Least) != want[0] || float64(got[i].Most) != want[len(want)-1] || !got[i].Exact {
					t.Errorf("question %d: %+v, want %v to %v", i, got[i], want[0], want[len(want)-1])
				}
				for j, level := range asked {
					if w := stat.Quantile(want, level); got[i].Levels[j] != w {
						t.Errorf("question %d: p%v is %v, sorting gives %v", i, 100*level, got[i].Levels[j], w)
					}
				}
			}
			var replayed []load.Sample
			if err := s.Each(func(part []load.Sample) error { replayed = append(replayed, part...); return nil }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(all, replayed); diff != "" {
				t.Errorf("replayed otherwise: %.300s", diff)
			}
		})
	}
}

// Beyond the file only histograms go on: quantiles within 0.1 %, and the report
// says so.
func TestSketchBeyondTheDisk(t *testing.T) {
	all := mixture(200_000, 5)
	for name, c := range map[string]spool.Config{
		"no disk":   {Memory: 40_000, Disk: -1},
		"full disk": {Memory: 40_000, Disk: 1 << 20},
	} {
		s := fill(t, c, all)
		k := s.Kept()
		if k.Where != spool.Sketch || k.Exact || k.Memory+k.Disk+k.Sketched != len(all) || k.Sketched == 0 || (k.Disk > 0) != (c.Disk > 0) || k.Bytes > max(c.Disk, 0) {
			t.Errorf("%s: kept %+v", name, k)
		}
		if text := k.String(); !strings.Contains(text, "only in histograms") || !strings.Contains(k.Rule, "histograms of 3 significant digits") {
			t.Errorf("%s: %s; %s", name, text, k.Rule)
		}
		times, err := s.Times(spool.Ask{Levels: []float64{.1, .5, .9}})
		if err != nil || times[0].Exact {
			t.Fatalf("%s: %+v, %v", name, times, err)
		}
		want := sorted(all, func(s load.Sample) (time.Duration, bool) { return s.Response(), s.Whole() })
		for i, q := range []float64{.1, .5, .9} { // beyond them are some of more than an hour
			if w := stat.Quantile(want, q); math.Abs(times[0].Levels[i]/w-1) > .001 {
				t.Errorf("%s: p%v is %v, sorting gives %v", name, 100*q, times[0].Levels[i], w)
			}
		}
		if times[0].Count != len(want) || float64(times[0].Most) != want[len(want)-1] {
			t.Errorf("%s: %+v: count and greatest are exact", name, times[0])
		}
		n := 0
		if err := s.Each(func(part []load.Sample) error { n += len(part); return nil }); err != nil || n != k.Memory+k.Disk {
			t.Errorf("%s: %d samples are replayed, error %v", name, n, err)
		}
	}
}

func TestDiskThatFails(t *testing.T) {
	all := mixture(100_000, 6)
	s := spool.New(spool.Config{Memory: 20_000, Dir: t.TempDir() + "/none"})
	defer s.Close()
	err := s.Add(all)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "TMPDIR") {
		t.Fatalf("error %v", err)
	}
	if again := s.Add(all); again == nil || again.Error() != err.Error() {
		t.Errorf("the next samples: error %v", again)
	}
	var kept []load.Sample
	if err := s.Each(func(part []load.Sample) error { kept = append(kept, part...); return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[:s.Len()], kept); diff != "" || s.Len() < 20_000 {
		t.Errorf("%d samples were kept: %.300s", s.Len(), diff)
	}
	if times, err := s.Times(spool.Ask{Levels: []float64{.5}}); err != nil || times[0].Count == 0 {
		t.Errorf("after it: %+v, %v", times, err)
	}
}

// The file has no name: nothing is left whatever happens.
func TestFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	s := fill(t, spool.Config{Memory: 1, Dir: dir}, mixture(40_000, 7))
	if s.Kept().Disk == 0 {
		t.Fatal("nothing is on disk: this test shows nothing")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := s.Close(); err != nil || s.Len() != 0 {
		t.Errorf("after Close: %d samples, %v", s.Len(), err)
	}
}

func TestAsksThatCannotBe(t *testing.T) {
	s := fill(t, spool.Config{}, mixture(10, 8))
	for _, a := range []spool.Ask{{Levels: []float64{1.1}}, {Levels: []float64{math.NaN()}}, {Of: spool.OfKind(0)}} {
		if _, err := s.Times(a); err == nil {
			t.Errorf("%+v: no error", a)
		}
	}
	if got, err := s.About(spool.Ask{Levels: []float64{.5}}); err != nil || len(got.Levels) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	broken := errors.New("broken")
	if err := s.Each(func([]load.Sample) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the function", err)
	}
}

// Adding allocates nothing once memory is used up.
func TestMemoryIsBounded(t *testing.T) {
	all := mixture(4<<14, 9)
	s := fill(t, spool.Config{Memory: 1 << 14}, all)
	if n := testing.AllocsPerRun(5, func() {
		if err := s.Add(all); err != nil {
			t.Error(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations for %d samples", n, len(all))
	}
}

func BenchmarkSpool(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]load.Sample, 1<<20)
	at := time.Duration(0)
	for i := range all { // as a server of ours answers
		at += time.Duration(5000 * r.ExpFloat64())
		s := load.Sample{Intended: at, Written: at + time.Duration(2000*r.ExpFloat64()), Status: 200}
		s.FirstByte = s.Written + 60_000 + time.Duration(20_000*r.ExpFloat64())
		s.LastByte = s.FirstByte
		all[i] = s
	}
	perSample := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(len(all)), "ns/sample")
	}
	for name, c := range map[string]spool.Config{"memory": {Expect: 1 << 20}, "disk": {Memory: 1}} {
		b.Run("add/"+name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := spool.New(c)
				b.StartTimer()
				for at := 0; at < len(all); at += 1 << 14 {
					if err := s.Add(all[at : at+1<<14]); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				s.Close()
				b.StartTimer()
			}
			perSample(b)
		})
		b.Run("times/"+name, func(b *testing.B) {
			s := spool.New(c)
			defer s.Close()
			if err := s.Add(all); err != nil {
				b.Fatal(err)
			}
			levels := []float64{.5, .9, .99, .999}
			for b.Loop() {
				if _, err := s.Times(spool.Ask{Levels: levels}, spool.Ask{Measure: spool.Service, Levels: levels}, spool.Ask{Measure: spool.Lateness, Levels: levels}); err != nil {
					b.Fatal(err)
				}
			}
			perSample(b)
		})
	}
}
