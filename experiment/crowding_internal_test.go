package experiment

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// arrived is a request that came at a time and took one, both in µs.
func arrived(at, took float64, target int) load.Sample {
	begin := time.Duration(at * 1e3)
	end := begin + time.Duration(took*1e3)
	return load.Sample{Intended: begin, Written: begin, FirstByte: end, LastByte: end, Target: uint16(target), Status: 200}
}

// TestCrowdingCounts: with a median response of 100 µs, a request as far away as
// that counts 1/e.
func TestCrowdingCounts(t *testing.T) {
	before, after := crowding([]load.Sample{arrived(0, 100, 0), arrived(100, 100, 1), arrived(300, 100, 0)})
	e := math.Exp(-1)
	for k, want := range [][2]float64{{0, e + e*e*e}, {e, e * e}, {e*e*e + e*e, 0}} {
		if math.Abs(before[k]-want[0]) > 1e-12 || math.Abs(after[k]-want[1]) > 1e-12 {
			t.Errorf("request %d: %v before, %v after, want %v", k, before[k], after[k], want)
		}
	}
	if before, after := crowding(nil); len(before)+len(after) != 0 {
		t.Errorf("of no requests: %v, %v", before, after)
	}
	lost := load.Sample{Written: -1, FirstByte: -1, LastByte: -1}
	if before, _ := crowding([]load.Sample{lost, lost}); math.IsNaN(before[1]) {
		t.Error("of requests that nobody answered: NaN")
	}
}

// TestWindowIsNotWeighted: a treatment that has all requests is as crowded as all.
func TestWindowIsNotWeighted(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var samples []load.Sample
	at := 0.0
	for range 500 {
		at += 400 * r.ExpFloat64()
		samples = append(samples, arrived(at, 100+50*r.Float64(), 3))
	}
	xs, weights := responsesIn(samples, 3)
	for _, w := range weights {
		if math.Abs(w-1) > 1e-9 {
			t.Fatalf("a weight is %v, want 1", w)
		}
	}
	if got, want := stat.WeightedQuantile(xs, weights, .5), stat.Quantile(responses(samples, 3), .5); math.Abs(got-want) > 1e-6 {
		t.Errorf("p50 %v, want %v", got, want)
	}
}

// TestCrowdingIsTakenOff: two arms of one server, which answers one request
// after the other and takes 20 µs more for the second arm's. Calibrated, their
// difference is the same, and varies less.
func TestCrowdingIsTakenOff(t *testing.T) {
	const runs, arms, requests, planted = 300, 6, 450, 20.
	r := rand.New(rand.NewPCG(3, 4))
	var plain, calibrated []float64
	for range runs {
		var samples []load.Sample
		at, free := 0.0, 0.0
		for range arms * requests {
			at += 700 * r.ExpFloat64()
			k := r.IntN(arms)
			took := 250 + 20*r.NormFloat64()
			if k == 1 {
				took += planted
			}
			free = max(free, at) + took
			samples = append(samples, arrived(at, free-at, k))
		}
		plain = append(plain, stat.Quantile(responses(samples, 1), .5)-stat.Quantile(responses(samples, 0), .5))
		xs, ws := responsesIn(samples, 1)
		ys, vs := responsesIn(samples, 0)
		calibrated = append(calibrated, stat.WeightedQuantile(xs, ws, .5)-stat.WeightedQuantile(ys, vs, .5))
	}
	sd := func(xs []float64) float64 {
		m, s := mean(xs), 0.0
		for _, x := range xs {
			s += (x - m) * (x - m)
		}
		return math.Sqrt(s / float64(len(xs)-1))
	}
	if off := mean(calibrated) - mean(plain); math.Abs(off) > 4*sd(plain)/math.Sqrt(runs) {
		t.Errorf("calibrated, the difference is %.2f, plain %.2f", mean(calibrated), mean(plain))
	}
	if ratio := sd(calibrated) / sd(plain); ratio > .9 {
		t.Errorf("calibrated, the difference varies by %.2f of the plain one (%.2f, %.2f µs)", ratio, sd(calibrated), sd(plain))
	} else {
		t.Logf("plain %.2f ± %.2f µs, calibrated %.2f ± %.2f", mean(plain), sd(plain), mean(calibrated), sd(calibrated))
	}
}
