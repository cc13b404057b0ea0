package cli

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// The pauses that the issue names, by hand: a fifth of the requests comes in a
// pause, half of those in its second half.
func TestPausesArithmetic(t *testing.T) {
	p, err := parsePauses("200ms/1s")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q  float64
		at time.Duration
	}{{0.5, 0}, {0.8, 0}, {0.9, 100 * time.Millisecond}, {0.99, 190 * time.Millisecond}, {0.999, 199 * time.Millisecond}} {
		if got := p.quantile(c.q); got != c.at {
			t.Errorf("p%v: %v, want %v", 100*c.q, got, c.at)
		}
		if got := p.beyond(c.at); c.at > 0 && math.Abs(got-(1-c.q)) > 1e-9 {
			t.Errorf("beyond %v: %v, want %v", c.at, got, 1-c.q)
		}
	}
	for _, bad := range []string{"", "200ms", "200ms/", "1s/1s", "2s/1s", "0s/1s", "1us/1s", "1s/2m", "x/y"} {
		if _, err := parsePauses(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The interval holds what a server without any time of its own would show to a
// Poisson schedule, as the schedule computes it: in all but one of a thousand.
func TestPausesInterval(t *testing.T) {
	p := pauses{For: 200 * time.Millisecond, Every: time.Second}
	slack := time.Duration(truthService * float64(p.For))
	const trials = 200
	outside := map[float64]int{}
	for seed := range uint64(trials) {
		random := rand.New(rand.NewPCG(seed, 1))
		phase := time.Duration(random.Int64N(int64(p.Every)))
		var waits []float64
		for at := 0.0; ; {
			if at += random.ExpFloat64() / 500; at > 4 {
				break
			}
			in := (phase + time.Duration(at*float64(time.Second))) % p.Every
			waits = append(waits, float64(max(0, p.For-in)))
		}
		slices.Sort(waits)
		for _, q := range []float64{0.5, 0.9, 0.99} {
			low, high := p.interval(q, len(waits), -slack)
			if got := time.Duration(stat.Quantile(waits, q)); got < low-1 || got > high+1 {
				outside[q]++
			}
		}
	}
	for q, n := range outside {
		if n > 5 { // 0.3 are expected; p99 of 2,000 is coarse
			t.Errorf("p%v lay outside its interval in %d of %d", 100*q, n, trials)
		}
	}
	if low, high := p.interval(0.9, 2000, 0); low < 50*time.Millisecond || high > 150*time.Millisecond {
		t.Errorf("the interval of p90 of 2,000 requests is %v to %v: it rules nothing out", low, high)
	}
}

// A row is right, wrong or silent by its quantiles alone, and failed runs are
// no part of it.
func TestCompareRowHold(t *testing.T) {
	p := pauses{For: 200 * time.Millisecond, Every: time.Second}
	ms := func(x int) time.Duration { return time.Duration(x) * time.Millisecond }
	account := func(n int, q ...load.Quantile) load.Account { return load.Account{Requests: &n, Quantiles: q} }
	for _, c := range []struct {
		name   string
		runs   []load.Account
		agrees string
	}{
		{"the arithmetic itself", []load.Account{account(10000, load.Quantile{Q: 0.5}, load.Quantile{Q: 0.9, At: ms(100)}, load.Quantile{Q: 0.99, At: ms(190)})}, "right"},
		{"a closed loop", []load.Account{account(10000, load.Quantile{Q: 0.5}, load.Quantile{Q: 0.9, At: ms(1)}, load.Quantile{Q: 0.99, At: ms(190)})}, "wrong"},
		// What wrk makes of it by its arithmetic: invented samples at every mean
		// gap, so p90 is 200 − 0.1 ÷ 0.8333 ms.
		{"wrk", []load.Account{account(100000, load.Quantile{Q: 0.5}, load.Quantile{Q: 0.9, At: ms(80)}, load.Quantile{Q: 0.99, At: ms(188)})}, "wrong"},
		{"no quantiles", []load.Account{account(10000)}, "silent"},
		{"no counts", []load.Account{{}}, "silent"},
	} {
		var row compareRow
		for _, a := range c.runs {
			row.add(compareRun{On: onTarget}, a, nil)
		}
		row.add(compareRun{On: onTarget}, load.Account{}, errTest)
		row.Target = row.over(onTarget)
		row.hold(p)
		got := "silent"
		if row.Agrees != nil {
			got = map[bool]string{true: "right", false: "wrong"}[*row.Agrees]
		}
		if got != c.agrees {
			t.Errorf("%s: %s, want %s: %+v", c.name, got, c.agrees, row.Off)
		}
	}
}

var errTest = errTestType("it failed")

type errTestType string

func (e errTestType) Error() string { return string(e) }
