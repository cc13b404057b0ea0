package load_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taremesh/tare/load"
)

func ExampleParseProfile() {
	p, err := load.ParseProfile("1000/s for 10s, 1000/s..5000/s for 30s, 0/s for 1s; repeat")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Length(), p.Peak(), p.RateAt(25*time.Second), p.Expected(10*time.Second))
	// Output: 41s 5000 3000 10000
}

// profiles are of every kind, each about 10,000 arrivals long.
var profiles = map[string]struct {
	text     string
	duration time.Duration // 0: the profile's
}{
	"constant":      {"1000/s for 10s", 0},
	"steps":         {"200/s for 2s, 1500/s for 4s, 50/s for 1s, 2000/s for 2s", 0},
	"ramp up":       {"0/s..2000/s for 10s", 0},
	"ramp down":     {"2000/s..0/s for 10s", 0},
	"nearly flat":   {"1000/s..1000.0001/s for 10s", 0},
	"bursts":        {"5000/s for 20ms, 0/s for 80ms; repeat", 10 * time.Second},
	"saw":           {"0/s..2000/s for 300ms, 2000/s..0/s for 200ms, 0/s for 100ms; repeat", 10 * time.Second},
	"cut":           {"500/s for 8s, 2000/s..9000/s for 20s", 10 * time.Second},
	"fast rounds":   {"2/s for 1ms, 1998/s..2000/s for 1ms; repeat", 10 * time.Second},
	"mostly silent": {"0/s for 990ms, 100000/s for 10ms; repeat", 10 * time.Second},
}

func profileOf(tb testing.TB, text string) *load.Profile {
	tb.Helper()
	p, err := load.ParseProfile(text)
	if err != nil {
		tb.Fatal(err)
	}
	return &p
}

// The n-th arrival of a profile is where its expectation reaches the n-th
// arrival of rate 1 of the same seed.
func TestProfileIsATimeChange(t *testing.T) {
	for name, c := range profiles {
		for _, process := range []load.Arrivals{load.Poisson, load.Uniform} {
			l := load.Load{Profile: profileOf(t, c.text), Duration: c.duration, Arrivals: process, Seed: 4}
			all := arrivals(t, l, 1, load.Population{})
			unit := arrivals(t, load.Load{Rate: 1, Each: len(all) + 1, Arrivals: process, Seed: 4}, 1, load.Population{})
			for i, a := range all {
				want := unit[i].At.Seconds()
				// A nanosecond at the greatest rate there is, and rounding.
				if got := l.Expected(a.At); math.Abs(got-want) > 1e-3+1e-9*want {
					t.Fatalf("%s, %s: arrival %d at %v, where %.6f are expected; of rate 1 it comes at %.6f", name, process, i, a.At, got, want)
				}
			}
			if next := unit[len(all)].At.Seconds(); next < l.Expected(l.Length())-1e-3 {
				t.Errorf("%s, %s: it ends after %d arrivals, the next was due where %.6f of %.6f are expected", name, process, len(all), next, l.Expected(l.Length()))
			}
			if len(all) < 5000 {
				t.Errorf("%s: only %d arrivals", name, len(all))
			}
		}
	}
}

// A second way to the same process, by thinning (Lewis & Shedler 1979), counts
// as many arrivals in each tenth of the time.
func TestProfileAgainstThinning(t *testing.T) {
	const bins, runs = 20, 3
	for name, c := range profiles {
		p := profileOf(t, c.text)
		var ours, thinned [bins]float64
		random := rand.New(rand.NewPCG(8, 8))
		for seed := range uint64(runs) {
			l := load.Load{Profile: p, Duration: c.duration, Seed: seed}
			long := l.Length().Seconds()
			for _, a := range arrivals(t, l, 1, load.Population{}) {
				ours[int(a.At.Seconds()/long*bins)]++
			}
			for at := random.ExpFloat64() / p.Peak(); at < long; at += random.ExpFloat64() / p.Peak() {
				if random.Float64()*p.Peak() < p.RateAt(time.Duration(at*1e9)) {
					thinned[int(at/long*bins)]++
				}
			}
		}
		chi := 0.0
		for i := range bins {
			if sum := ours[i] + thinned[i]; sum > 0 {
				chi += (ours[i] - thinned[i]) * (ours[i] - thinned[i]) / sum
			}
		}
		if chi > 45.3 { // passed once in 1,000 with 20 degrees of freedom
			t.Errorf("%s: χ² = %.1f: %v by time change, %v by thinning", name, chi, ours, thinned)
		}
	}
}

// Expected is the integral of RateAt.
func TestExpectedIsTheIntegral(t *testing.T) {
	for name, c := range profiles {
		p := profileOf(t, c.text)
		long := p.Length()
		if p.Repeat {
			long *= 3
		}
		const steps = 20000
		sum, step := 0.0, float64(long)/steps
		for i := range steps {
			sum += p.RateAt(time.Duration((float64(i)+0.5)*step)) * step / 1e9
			// The step in which the rate jumps is off by a step's arrivals.
			at := time.Duration(float64(i+1) * step)
			if off := math.Abs(sum - p.Expected(at)); off > float64(4+i/50)*p.Peak()*step/1e9+1e-6 {
				t.Fatalf("%s: %.3f expected before %v, the sum is %.3f", name, p.Expected(at), at, sum)
			}
		}
	}
}

func TestProfileOfOneStageIsARate(t *testing.T) {
	rate := load.Load{Rate: 1234.5, Duration: time.Second, Seed: 21}
	profile := load.Load{Profile: profileOf(t, "1234.5/s for 1s"), Seed: 21}
	repeated := load.Load{Profile: profileOf(t, "1234.5/s for 1s; repeat"), Each: 500, Seed: 21}
	want := arrivals(t, rate, 3, weights(1, 2))
	if got := arrivals(t, profile, 3, weights(1, 2)); !slices.Equal(got, want) {
		t.Error("a stage of 1s at 1234.5/s is not 1234.5/s for 1s")
	}
	for i, a := range arrivals(t, repeated, 1, load.Population{}) {
		if a.At != want[i].At {
			t.Fatalf("arrival %d at %v, of the rate at %v", i, a.At, want[i].At)
		}
	}
}

func TestBurstsAreSilentBetween(t *testing.T) {
	p := load.Bursts(2000, 30*time.Millisecond, 70*time.Millisecond)
	for _, process := range []load.Arrivals{load.Poisson, load.Uniform} {
		l := load.Load{Profile: &p, Arrivals: process, Duration: 5 * time.Second, Seed: 2}
		all := arrivals(t, l, 1, load.Population{})
		for _, a := range all {
			if a.At%(100*time.Millisecond) > 30*time.Millisecond {
				t.Fatalf("%s: an arrival at %v, between the bursts", process, a.At)
			}
		}
		if n := len(all); n < 2700 || n > 3300 {
			t.Errorf("%s: %d arrivals, want about 3,000", process, n)
		}
	}
}

// Equal gaps give exactly as many arrivals as the rate says, and do not always
// begin at the same moment.
func TestUniformIsExact(t *testing.T) {
	firsts := map[time.Duration]bool{}
	for seed := range uint64(50) {
		all := arrivals(t, load.Load{Rate: 1000, Arrivals: load.Uniform, Duration: 2 * time.Second, Seed: seed}, 1, load.Population{})
		if len(all) != 2000 {
			t.Errorf("seed %d: %d arrivals, want 2,000", seed, len(all))
		}
		for i := 1; i < len(all); i++ {
			if gap := all[i].At - all[i-1].At; gap < time.Millisecond-1 || gap > time.Millisecond+1 {
				t.Fatalf("seed %d: a gap of %v", seed, gap)
			}
		}
		firsts[all[0].At] = true
	}
	if len(firsts) < 50 {
		t.Errorf("%d of 50 seeds begin at a moment of their own", len(firsts))
	}
}

// A round that offers next to nothing is passed over, not walked through.
func TestSparseProfileEnds(t *testing.T) {
	p := &load.Profile{Stages: []load.Stage{{From: 0.001, To: 0.001, Duration: time.Microsecond}, {Duration: 100 * time.Microsecond}}, Repeat: true}
	all := arrivals(t, load.Load{Profile: p, Each: 3, Seed: 1}, 1, load.Population{})
	unit := arrivals(t, load.Load{Rate: 1, Each: 3, Seed: 1}, 1, load.Population{})
	for i, a := range all {
		if got := p.Expected(a.At); math.Abs(got-unit[i].At.Seconds()) > 1e-3 {
			t.Errorf("arrival %d comes where %v are expected, want %v", i, got, unit[i].At.Seconds())
		}
	}
}

func TestMeanRate(t *testing.T) {
	trace := traceOf(t, "tare-trace/1\ntime\n0\n0.5\n1\n2\n")
	tests := []struct {
		l    load.Load
		want float64
	}{
		{load.Load{Rate: 7, Duration: time.Second}, 7},
		{load.Load{Profile: profileOf(t, "100/s for 1s, 0/s..100/s for 2s")}, 200.0 / 3},
		{load.Load{Profile: profileOf(t, "100/s for 1s, 0/s for 1s; repeat"), Each: 5}, 50},
		{load.Load{Profile: profileOf(t, "100/s for 1s, 0/s for 1s; repeat"), Duration: 3 * time.Second}, 200.0 / 3},
		{load.Load{Trace: trace}, 2},
	}
	for _, c := range tests {
		if got := c.l.MeanRate(); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("mean rate %v of %+v, want %v", got, c.l, c.want)
		}
	}
}

// The figures are part of what a seed means.
func TestProfileSeedIsStable(t *testing.T) {
	tests := []struct {
		l    load.Load
		want string
	}{
		{load.Load{Rate: 1000, Arrivals: load.Uniform, Each: 2, Seed: 42}, "790185/1/1 1790185/0/2 2790185/0/0 3790185/1/2 "},
		{load.Load{Profile: profileOf(t, "0/s..2000/s for 1s"), Duration: 90 * time.Millisecond, Seed: 42}, "24041112/0/1 56817332/1/2 59741862/0/0 62647331/1/2 73803921/0/2 81367405/0/1 "},
		{load.Load{Profile: profileOf(t, "2000/s for 1ms, 0/s for 9ms; repeat"), Duration: 40 * time.Millisecond, Seed: 42}, "288987/0/1 10614104/1/2 10784545/0/0 10962344/1/2 20723509/0/2 30310327/0/1 "},
	}
	for _, c := range tests {
		got := ""
		for _, a := range arrivals(t, c.l, 2, weights(1, 2, 3)) {
			got += fmt.Sprintf("%d/%d/%d ", a.At.Nanoseconds(), a.Target, a.User)
		}
		if got != c.want {
			t.Errorf("arrivals of %+v:\n got %s\nwant %s", c.l, got, c.want)
		}
	}
}

func TestProfileRefuses(t *testing.T) {
	stage := load.Stage{From: 1, To: 1, Duration: time.Second}
	for name, p := range map[string]load.Profile{
		"no stages":       {},
		"too many":        {Stages: slices.Repeat([]load.Stage{stage}, load.MaxStages+1)},
		"no duration":     {Stages: []load.Stage{{From: 1, To: 1}}},
		"long stage":      {Stages: []load.Stage{{From: 1, To: 1, Duration: load.MaxLength + 1}}},
		"long together":   {Stages: []load.Stage{{1, 1, load.MaxLength}, stage}},
		"negative":        {Stages: []load.Stage{{From: -1, To: 1, Duration: time.Second}}},
		"NaN":             {Stages: []load.Stage{{From: 1, To: math.NaN(), Duration: time.Second}}},
		"infinite":        {Stages: []load.Stage{{From: math.Inf(1), To: 1, Duration: time.Second}}},
		"too fast":        {Stages: []load.Stage{{From: 1, To: load.MaxRate + 1, Duration: time.Second}}},
		"nothing":         {Stages: []load.Stage{{Duration: time.Second}}, Repeat: true},
		"next to nothing": {Stages: []load.Stage{{From: 1e-9, To: 1e-9, Duration: time.Hour}}},
	} {
		if p.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	once, again := profileOf(t, "10/s for 1s"), profileOf(t, "10/s for 1s; repeat")
	for name, l := range map[string]load.Load{
		"a rate beside":      {Profile: once, Rate: 1},
		"longer than it":     {Profile: once, Duration: 2 * time.Second},
		"a count, once":      {Profile: once, Each: 5},
		"no end":             {Profile: again},
		"closed":             {Profile: again, Closed: true, Duration: time.Second},
		"unknown process":    {Profile: once, Arrivals: "pareto"},
		"bad":                {Profile: &load.Profile{}},
		"bad, repeated":      {Profile: &load.Profile{Repeat: true}, Duration: time.Second},
		"too long":           {Rate: 1, Duration: load.MaxLength + 1},
		"thinking, open":     {Rate: 1, Duration: 1, Think: &load.Distribution{Shape: load.Fixed, Mean: 1}},
		"thinking, too long": {Closed: true, Duration: 1, Think: &load.Distribution{Shape: load.Fixed, Mean: 4e12}},
	} {
		if l.Check(1, load.Population{}) == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := load.NewSchedule(l, 1, load.Population{}); err == nil {
			t.Errorf("%s: scheduled", name)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for text, want := range map[string]load.Profile{
		"1000/s for 10s":                     {Stages: []load.Stage{{1000, 1000, 10 * time.Second}}},
		"1000 for 10s":                       {Stages: []load.Stage{{1000, 1000, 10 * time.Second}}},
		" 1/s..2.5/s  for 1m30s ; repeat ":   {Stages: []load.Stage{{1, 2.5, 90 * time.Second}}, Repeat: true},
		"1e3/s for 500ms,0/s for 1h":         {Stages: []load.Stage{{1000, 1000, time.Second / 2}, {0, 0, time.Hour}}},
		"1 .. 2 for 1s, 2..1 for 1s; repeat": {Stages: []load.Stage{{1, 2, time.Second}, {2, 1, time.Second}}, Repeat: true},
	} {
		got, err := load.ParseProfile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if again, err := load.ParseProfile(got.String()); err != nil || cmp.Diff(got, again) != "" {
			t.Errorf("%s is written %q, which is %+v, %v", text, got, again, err)
		}
	}
	for text, want := range map[string]string{
		"":                             "rate for a time",
		"1000/s":                       "rate for a time",
		"1000/s for":                   "rate for a time",
		"1000/s for 10":                `"10" is not a time`,
		"ten for 10s":                  `"ten" is not a rate`,
		"NaN for 1s":                   "is not a rate",
		"1/s for 1s; again":            `"again", not repeat`,
		"1/s for 1s, ":                 "stage 2",
		"1/s..x/s for 1s":              `"x/s" is not a rate`,
		"1/m for 1s":                   `"1/m" is not a rate`,
		"0/s for 1s":                   "offers nothing",
		"1/s for -1s":                  "stage 1 of the profile takes -1s",
		"2000000/s for 1s":             "rates are 0 to 1e+06",
		"1/s for 1s; repeat; repeat":   "not repeat",
		"10s:1000":                     "rate for a time",
		"1000/s for 10s 2000/s for 5s": "is not a",
	} {
		if _, err := load.ParseProfile(text); err == nil || !containsText(err, want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	for _, c := range profiles {
		f.Add(c.text)
	}
	f.Add("1e-3..1e6 for 1ns, 0 for 1000h; repeat")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := load.ParseProfile(text)
		if err != nil {
			return
		}
		again, err := load.ParseProfile(p.String())
		if err != nil || cmp.Diff(p, again) != "" {
			t.Fatalf("%q is written %q, which is %+v, %v", text, p, again, err)
		}
		l := load.Load{Profile: &p, Seed: 1}
		if p.Repeat {
			l.Each = 300
		}
		s, err := load.NewSchedule(l, 1, load.Population{})
		if err != nil {
			return
		}
		previous := time.Duration(0)
		for range 300 {
			a, ok := s.Next()
			if !ok {
				return
			}
			if a.At < previous || !p.Repeat && a.At >= p.Length() {
				t.Fatalf("%q: an arrival at %v after %v", text, a.At, previous)
			}
			previous = a.At
		}
	})
}

func BenchmarkScheduleNextProfile(b *testing.B) {
	for _, name := range []string{"bursts", "saw"} {
		b.Run(name, func(b *testing.B) {
			s, err := load.NewSchedule(load.Load{Profile: profileOf(b, profiles[name].text), Each: math.MaxInt32}, 1, load.Population{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				s.Next()
			}
		})
	}
}
