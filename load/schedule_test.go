package load_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"

	"github.com/google/go-cmp/cmp"
)

func ExampleSchedule() {
	l := load.Load{Rate: 1000, Each: 2, Seed: 7}
	s, err := load.NewSchedule(l, 2, load.Population{})
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := map[int]int{}
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		counts[a.Target]++
	}
	fmt.Println(counts)
	// Output: map[0:2 1:2]
}

func arrivals(tb testing.TB, l load.Load, targets int, p load.Population) []load.Arrival {
	tb.Helper()
	s, err := load.NewSchedule(l, targets, p)
	if err != nil {
		tb.Fatal(err)
	}
	var all []load.Arrival
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		all = append(all, a)
	}
	if _, ok := s.Next(); ok {
		tb.Fatal("an arrival after the last")
	}
	return all
}

func weights(w ...float64) load.Population {
	p := load.Population{}
	for _, x := range w {
		p.Users = append(p.Users, load.User{Weight: x})
	}
	return p
}

func TestGapsAreExponential(t *testing.T) {
	const rate, n = 2000.0, 20000
	all := arrivals(t, load.Load{Rate: rate, Each: n, Seed: 3}, 1, load.Population{})
	gaps := make([]float64, n)
	previous, lag := time.Duration(0), 0.0
	for i, a := range all {
		gaps[i] = (a.At - previous).Seconds() * rate
		if i > 0 {
			lag += (gaps[i] - 1) * (gaps[i-1] - 1) / n
		}
		previous = a.At
	}
	// Neighbours are independent: the correlation's standard error is 1/√n.
	if math.Abs(lag) > 4/math.Sqrt(n) {
		t.Errorf("neighbouring gaps correlate: %.4f", lag)
	}
	// Kolmogorov–Smirnov: D·√n passes 1.95 once in 1,000.
	slices.Sort(gaps)
	d := 0.0
	for i, g := range gaps {
		f := 1 - math.Exp(-g)
		d = max(d, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	if got := d * math.Sqrt(n); got > 1.95 {
		t.Errorf("Kolmogorov–Smirnov statistic %.2f: the gaps are not exponential", got)
	}
}

func TestCountsArePoisson(t *testing.T) {
	const runs, mean = 400, 500.0
	sum, squares := 0.0, 0.0
	for seed := range uint64(runs) {
		l := load.Load{Rate: 1000, Duration: 500 * time.Millisecond, Seed: seed}
		all := arrivals(t, l, 3, load.Population{})
		if last := all[len(all)-1].At; last >= l.Duration {
			t.Fatalf("an arrival at %v, after the end", last)
		}
		n := float64(len(all))
		sum += n
		squares += (n - mean) * (n - mean)
	}
	if got := sum / runs; math.Abs(got-mean) > 4*math.Sqrt(mean/runs) {
		t.Errorf("mean count %.1f, want %.0f", got, mean)
	}
	// The variance of a Poisson count is its mean; its estimate's relative
	// standard error is √(2/runs).
	if got := squares / runs / mean; math.Abs(got-1) > 4*math.Sqrt(2.0/runs) {
		t.Errorf("variance of the count is %.2f times its mean", got)
	}
}

func TestTargetsAreDrawnEqually(t *testing.T) {
	const n = 40000
	all := arrivals(t, load.Load{Rate: 1e5, Duration: n * 10 * time.Microsecond, Targets: []int{4, 1, 2}, Seed: 11}, 5, load.Population{})
	var counts [5]float64
	same := 0.0
	for i, a := range all {
		counts[a.Target]++
		if i > 0 && all[i-1].Target == a.Target {
			same++
		}
	}
	if counts[0]+counts[3] != 0 {
		t.Errorf("targets were drawn that are not chosen: %v", counts)
	}
	total := float64(len(all))
	sd := math.Sqrt(total / 3 * 2 / 3)
	for _, target := range []int{1, 2, 4} {
		if math.Abs(counts[target]-total/3) > 4*sd {
			t.Errorf("target %d was drawn %.0f times of %.0f", target, counts[target], total)
		}
	}
	if math.Abs(same-total/3) > 4*sd {
		t.Errorf("the target before was drawn again %.0f times of %.0f: draws depend on each other", same, total)
	}
}

// A schedule with weights is the schedule without them but for the targets.
func TestTargetsAreDrawnByWeight(t *testing.T) {
	plain := load.Load{Rate: 1e5, Duration: 400 * time.Millisecond, Targets: []int{4, 1, 2}, Seed: 11}
	weighted := plain
	weighted.Weights = []float64{1, 0, 3}
	base, all := arrivals(t, plain, 5, weights(1, 2)), arrivals(t, weighted, 5, weights(1, 2))
	if len(base) != len(all) {
		t.Fatalf("%d arrivals, %d without weights", len(all), len(base))
	}
	var counts [5]float64
	for i, a := range all {
		if a.At != base[i].At || a.User != base[i].User {
			t.Fatalf("arrival %d: %+v, without weights %+v", i, a, base[i])
		}
		counts[a.Target]++
	}
	n := float64(len(all))
	if z := (counts[4] - n/4) / math.Sqrt(n*3/16); math.Abs(z) > 4 || counts[4]+counts[2] != n {
		t.Errorf("%v of %v arrivals, want 1 to 3 of targets 4 and 2", counts, n)
	}
	equal := plain
	equal.Weights = []float64{2, 2, 2}
	counts = [5]float64{}
	for _, a := range arrivals(t, equal, 5, load.Population{}) {
		counts[a.Target]++
	}
	for _, k := range plain.Targets {
		if z := (counts[k] - n/3) / math.Sqrt(n*2/9); math.Abs(z) > 4 {
			t.Errorf("equal weights: %v of %v arrivals", counts, n)
		}
	}
}

func TestEachIsExactAndEveryOrderLikely(t *testing.T) {
	orders := map[string]int{}
	const runs = 6000
	for seed := range uint64(runs) {
		key := ""
		for _, a := range arrivals(t, load.Load{Rate: 100, Each: 2, Seed: seed}, 2, load.Population{}) {
			key += fmt.Sprint(a.Target)
		}
		orders[key]++
	}
	if len(orders) != 6 { // 4! / (2! 2!)
		t.Fatalf("orders %v, want 6 of them", orders)
	}
	for key, n := range orders {
		if math.Abs(float64(n)-runs/6.0) > 4*math.Sqrt(runs/6.0*5/6) {
			t.Errorf("order %s came %d times of %d", key, n, runs)
		}
	}
	counts := map[int]int{}
	for _, a := range arrivals(t, load.Load{Rate: 100, Each: 333, Targets: []int{5, 2, 6}, Duration: time.Nanosecond, Seed: 1}, 7, load.Population{}) {
		counts[a.Target]++
	}
	if len(counts) != 3 || counts[5] != 333 || counts[2] != 333 || counts[6] != 333 {
		t.Errorf("counts %v, want 333 each of 2, 5, 6", counts)
	}
}

func TestUsersAreDrawnByWeight(t *testing.T) {
	p := weights(1, 0, 2.5, 0.5, 0, 6)
	const n = 50000
	var counts [6]float64
	for _, a := range arrivals(t, load.Load{Rate: 1e5, Each: n, Seed: 5}, 1, p) {
		counts[a.User]++
	}
	for i, u := range p.Users {
		share := u.Weight / 10
		if math.Abs(counts[i]-share*n) > 4*math.Sqrt(n*share*(1-share)) {
			t.Errorf("user %d of weight %v sent %.0f of %d", i, u.Weight, counts[i], n)
		}
	}
}

func TestOverDrawsItsShare(t *testing.T) {
	p := weights(1, 1, 1, 1, 0)
	const n = 40000
	var counts [5]float64
	over := &load.Over{Users: []int{4, 2}, Share: 0.3}
	for _, a := range arrivals(t, load.Load{Rate: 1e5, Each: n, Over: over, Seed: 5}, 1, p) {
		counts[a.User]++
	}
	for i, share := range []float64{.175, .175, .325, .175, .15} {
		if math.Abs(counts[i]-share*n) > 4*math.Sqrt(n*share*(1-share)) {
			t.Errorf("user %d sent %.0f of %d, want a share of %v", i, counts[i], n, share)
		}
	}
	for _, a := range arrivals(t, load.Load{Rate: 1e5, Each: 100, Over: &load.Over{Users: []int{3}, Share: 1}}, 1, p) {
		if a.User != 3 {
			t.Fatalf("user %d sent with all of the share given to 3", a.User)
		}
	}
}

func TestStreamsAreApart(t *testing.T) {
	base := load.Load{Rate: 1e4, Duration: 200 * time.Millisecond, Seed: 9}
	plain := arrivals(t, base, 2, load.Population{})
	withUsers := arrivals(t, base, 2, weights(1, 2, 3))
	over := base
	over.Over = &load.Over{Users: []int{0}, Share: .5}
	withOver := arrivals(t, over, 2, weights(1, 2, 3))
	moreTargets := arrivals(t, base, 7, weights(1, 2, 3))
	if len(plain) < 1000 || len(withUsers) != len(plain) || len(withOver) != len(plain) || len(moreTargets) != len(plain) {
		t.Fatalf("counts %d %d %d %d differ", len(plain), len(withUsers), len(withOver), len(moreTargets))
	}
	for i := range plain {
		if withUsers[i].At != plain[i].At || withOver[i].At != plain[i].At || moreTargets[i].At != plain[i].At {
			t.Fatalf("arrival %d: the gaps depend on users or targets", i)
		}
		if withUsers[i].Target != plain[i].Target || withOver[i].Target != plain[i].Target {
			t.Fatalf("arrival %d: the targets depend on users", i)
		}
		if moreTargets[i].User != withUsers[i].User {
			t.Fatalf("arrival %d: the users depend on targets", i)
		}
	}
	again := arrivals(t, base, 2, weights(1, 2, 3))
	if !slices.Equal(again, withUsers) {
		t.Error("the same seed gave other arrivals")
	}
	base.Seed++
	other := arrivals(t, base, 2, weights(1, 2, 3))
	if slices.Equal(other[:100], withUsers[:100]) {
		t.Error("another seed gave the same arrivals")
	}
}

// The figures are part of what a seed means: a stored plan must give the same
// traffic after any change of this package or of Go.
func TestSeedIsStable(t *testing.T) {
	got := ""
	for _, a := range arrivals(t, load.Load{Rate: 1000, Each: 2, Seed: 42}, 3, weights(1, 2, 3)) {
		got += fmt.Sprintf("%d/%d/%d ", a.At.Nanoseconds(), a.Target, a.User)
	}
	const want = "577975/2/1 3228209/1/2 3569090/0/0 3924688/0/2 5447018/1/2 6620654/2/1 "
	if got != want {
		t.Errorf("arrivals of seed 42:\n got %s\nwant %s", got, want)
	}
}

func TestScheduleRefuses(t *testing.T) {
	good := load.Load{Rate: 10, Duration: time.Second}
	nan, inf := math.NaN(), math.Inf(1)
	cases := []struct {
		name    string
		change  func(*load.Load)
		targets int
		users   load.Population
	}{
		{"no rate", func(l *load.Load) { l.Rate = 0 }, 1, load.Population{}},
		{"negative rate", func(l *load.Load) { l.Rate = -1 }, 1, load.Population{}},
		{"rate NaN", func(l *load.Load) { l.Rate = nan }, 1, load.Population{}},
		{"rate infinite", func(l *load.Load) { l.Rate = inf }, 1, load.Population{}},
		{"absurd rate", func(l *load.Load) { l.Rate = 1e6 + 1 }, 1, load.Population{}},
		{"no duration", func(l *load.Load) { l.Duration = 0 }, 1, load.Population{}},
		{"negative duration", func(l *load.Load) { l.Duration = -1 }, 1, load.Population{}},
		{"negative count", func(l *load.Load) { l.Each = -1 }, 1, load.Population{}},
		{"unknown arrivals", func(l *load.Load) { l.Arrivals = "regular" }, 1, load.Population{}},
		{"negative timeout", func(l *load.Load) { l.Timeout = -1 }, 1, load.Population{}},
		{"no targets", func(*load.Load) {}, 0, load.Population{}},
		{"too many targets", func(*load.Load) {}, 1 << 16, load.Population{}},
		{"target out of range", func(l *load.Load) { l.Targets = []int{2} }, 2, load.Population{}},
		{"target negative", func(l *load.Load) { l.Targets = []int{-1} }, 2, load.Population{}},
		{"target twice", func(l *load.Load) { l.Targets = []int{1, 1} }, 2, load.Population{}},
		{"weights all 0", func(*load.Load) {}, 1, weights(0, 0)},
		{"weight negative", func(*load.Load) {}, 1, weights(1, -1)},
		{"weight NaN", func(*load.Load) {}, 1, weights(1, nan)},
		{"weight infinite", func(*load.Load) {}, 1, weights(1, inf)},
		{"weights overflow", func(*load.Load) {}, 1, weights(math.MaxFloat64, math.MaxFloat64)},
		{"over without users", func(l *load.Load) { l.Over = &load.Over{Share: .1} }, 1, weights(1)},
		{"over an unknown user", func(l *load.Load) { l.Over = &load.Over{Users: []int{1}, Share: .1} }, 1, weights(1)},
		{"over a negative user", func(l *load.Load) { l.Over = &load.Over{Users: []int{-1}, Share: .1} }, 1, weights(1)},
		{"over nobody's", func(l *load.Load) { l.Over = &load.Over{Users: []int{0}, Share: .1} }, 1, load.Population{}},
		{"over more than all", func(l *load.Load) { l.Over = &load.Over{Users: []int{0}, Share: 1.1} }, 1, weights(1)},
		{"closed", func(l *load.Load) { l.Closed, l.Rate = true, 0 }, 1, load.Population{}},
		{"too few weights", func(l *load.Load) { l.Weights = []float64{1} }, 2, load.Population{}},
		{"weights of nothing", func(l *load.Load) { l.Weights = []float64{0, 0} }, 2, load.Population{}},
		{"a negative weight", func(l *load.Load) { l.Weights = []float64{1, -1} }, 2, load.Population{}},
		{"a weight that is none", func(l *load.Load) { l.Weights = []float64{1, nan} }, 2, load.Population{}},
		{"weights beside counts", func(l *load.Load) { l.Weights, l.Each = []float64{1, 1}, 5 }, 2, load.Population{}},
		{"weights of a closed load", func(l *load.Load) { l.Weights, l.Closed, l.Rate = []float64{1, 1}, true, 0 }, 2, load.Population{}},
		{"over NaN", func(l *load.Load) { l.Over = &load.Over{Users: []int{0}, Share: nan} }, 1, weights(1)},
	}
	if _, err := load.NewSchedule(good, 1, load.Population{}); err != nil {
		t.Fatalf("the good load: %v", err)
	}
	for _, c := range cases {
		l := good
		c.change(&l)
		if _, err := load.NewSchedule(l, c.targets, c.users); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	f.Add(uint64(1), 100.0, int64(time.Second), 3, 4, 1.0, 0.0, 0.5)
	f.Add(uint64(1), 1e6, int64(time.Millisecond), 0, 1, 1e-300, 1e300, 0.0)
	f.Add(uint64(1), 5e5, int64(time.Millisecond), 7, 2, 0.0, 3.0, 1.0)
	f.Fuzz(func(t *testing.T, seed uint64, rate float64, duration int64, each, targets int, w1, w2, share float64) {
		l := load.Load{Rate: rate, Duration: time.Duration(duration), Each: each % 1000, Seed: seed}
		l.Over = &load.Over{Users: []int{0}, Share: share}
		p := weights(w1, w2, 0)
		s, err := load.NewSchedule(l, targets, p)
		if err != nil {
			return
		}
		previous, counts := time.Duration(0), make([]int, targets)
		for range 5000 {
			a, ok := s.Next()
			if !ok {
				for _, n := range counts {
					if l.Each > 0 && n != l.Each {
						t.Fatalf("counts %v, want %d each", counts, l.Each)
					}
				}
				return
			}
			if a.At < previous || a.Target < 0 || a.Target >= targets || a.User < 0 || a.User > 1 {
				t.Fatalf("arrival %+v after %v", a, previous)
			}
			if p.Users[a.User].Weight == 0 && (a.User != 0 || share == 0) {
				t.Fatalf("user %d of weight 0 sent", a.User)
			}
			previous = a.At
			counts[a.Target]++
		}
	})
}

func BenchmarkScheduleNext(b *testing.B) {
	p := load.Population{Users: make([]load.User, 2000)}
	for i := range p.Users {
		p.Users[i].Weight = float64(1 + i%3)
	}
	s, err := load.NewSchedule(load.Load{Rate: 1e3, Each: math.MaxInt32}, 7, p)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Next()
	}
}

func TestNextAllocatesNothing(t *testing.T) {
	s, err := load.NewSchedule(load.Load{Rate: 1e3, Each: 10000, Over: &load.Over{Users: []int{1}, Share: .1}}, 7, weights(1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Next() }); n != 0 {
		t.Errorf("%v allocations per arrival", n)
	}
}

// Shares of a schedule, dealt back in turn, are the schedule.
func TestSharesAreTheSchedule(t *testing.T) {
	p := weights(1, 2, 3)
	for name, l := range map[string]load.Load{
		"by time":  {Rate: 1e4, Duration: time.Second, Seed: 3, Over: &load.Over{Users: []int{1}, Share: .1}},
		"by count": {Rate: 1e4, Each: 2001, Seed: 4},
	} {
		whole := arrivals(t, l, 3, p)
		for n := 1; n <= 5; n++ {
			parts := make([][]load.Arrival, n)
			for k := range parts {
				l.Share = load.Share{K: k, N: n}
				parts[k] = arrivals(t, l, 3, p)
			}
			var got []load.Arrival
			for i := range whole {
				if k := i % n; i/n < len(parts[k]) {
					got = append(got, parts[k][i/n])
				}
			}
			if diff := cmp.Diff(whole, got); diff != "" {
				t.Errorf("%s, %d shares (-whole +union):\n%.400s", name, n, diff)
			}
		}
	}
	if err := (load.Load{Rate: 1, Each: 1, Share: load.Share{K: 2, N: 2}}).Check(1, p); err == nil {
		t.Error("no error for share 2 of 2")
	}
}
