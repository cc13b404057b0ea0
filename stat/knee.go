package stat

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// ErrNoKnee says that the probes do not bracket a knee: all passed, all failed,
// or more failed at low rates than at high ones.
var ErrNoKnee = errors.New("no knee between the probes")

// WarnUnbracketed: in some blocks the lowest rate failed or the highest passed.
const WarnUnbracketed WarningCode = "unbracketed"

// Probe is one short run at a rate, held against the objective.
type Probe struct {
	Rate float64 // requests/s
	Pass bool
}

// Knee is the greatest rate that meets an objective: that at which a probe
// passes as often as it fails.
type Knee struct {
	Rate Interval // requests/s
	// Blocks is the knee of each block, in requests/s: those of two treatments
	// are A and B of a Pair.
	Blocks []float64
	// Logistic is the same knee by a logistic curve through the probes of all
	// blocks, and Width the factor from the rate at which one probe in four fails
	// to that at which three do: for the picture, and to place further probes.
	Logistic, Width float64
	Probes, Passed  int
	Warnings        []Warning
}

// FindKnee gives the knee from the probes of all blocks, blocks[b] being those
// of block b, in which every process was started afresh.
//
// The knee of a block is Spearman's and Kärber's estimate on the logarithm of
// the rate (Kärber, "Beitrag zur kollektiven Behandlung pharmakologischer
// Reihenversuche", 1931): the mean of the rates at which the share of failures
// rises, by how much it rises there; one step below the lowest rate everything is
// taken to pass, one above the highest to fail. Where the chance of failing rises
// more slowly on one side that mean lies to that side of the rate at which it is
// one half. The interval is Student's over the
// blocks. In simulation (testdata/coverage.md) it holds its level, and fails on no
// block, where a penalised logistic fit with a jackknife over the blocks covers
// too little, and one fitted to each block runs off.
//
// The rates should be other ones in each block (ProbeRates): where they are the
// same the knee is not known better than to the gap between two of them, and the
// interval is never narrower than the gap that the estimate lies in.
//
// Errors are ErrTooFew below two blocks, ErrShape for a rate that is not above 0
// and for a block with fewer than two, ErrLevel, ErrNoKnee, and ErrNotFinite
// where the interval has no end.
func FindKnee(blocks [][]Probe, level float64) (Knee, error) {
	if err := checkLevel(level); err != nil {
		return Knee{}, err
	}
	if err := checkProbes(blocks); err != nil {
		return Knee{}, fmt.Errorf("find knee: %w", err)
	}
	var k Knee
	ends := 0
	at := make([]float64, len(blocks))
	for b, probes := range blocks {
		rates, shares, _ := failShares(probes)
		at[b] = spearmanKaerber(logs(rates), shares)
		k.Blocks = append(k.Blocks, math.Exp(at[b]))
		if shares[0] > 0 || shares[len(shares)-1] < 1 {
			ends++
		}
	}
	m, err := momentsOf(at)
	if err != nil {
		return Knee{}, fmt.Errorf("find knee: %w", err)
	}
	all := slices.Concat(blocks...)
	k.Probes = len(all)
	for _, p := range all {
		if p.Pass {
			k.Passed++
		}
	}
	if k.Logistic, k.Width, err = logisticKnee(all); err != nil {
		return Knee{}, fmt.Errorf("find knee: %w", err)
	}
	k.Rate = kneeInterval(m.interval(tQuantile(1-(1-level)/2, m.n-1)), all)
	if err := checkFinite(append([]float64{k.Rate.High}, k.Blocks...)); err != nil {
		return Knee{}, fmt.Errorf("find knee: the interval is beyond all rates: %w", ErrNotFinite)
	}
	if ends > 0 {
		k.Warnings = append(k.Warnings, Warning{WarnUnbracketed, fmt.Sprintf("in %d of %d blocks the lowest rate failed or the highest passed: probe further out", ends, len(blocks))})
	}
	return k, nil
}

// ProbeRates are n rates from low to high, each greater than the one before by
// the same factor. Part, from 0 to 1 and drawn anew for each block, moves all of
// them up by that part of a step, the first step lying below low. Nil unless
// 0 < low < high and n is at least 2.
func ProbeRates(low, high float64, n int, part float64) []float64 {
	if !(low > 0 && low < high) || math.IsInf(high, 1) || n < 2 || !(part >= 0 && part <= 1) {
		return nil
	}
	rates := make([]float64, n)
	step := math.Log(high/low) / float64(n-1)
	for i := range rates {
		rates[i] = low * math.Exp(step*(float64(i)+part-0.5))
	}
	return rates
}

func checkProbes(blocks [][]Probe) error {
	if len(blocks) < 2 {
		return fmt.Errorf("%d blocks of at least 2: %w", len(blocks), ErrTooFew)
	}
	for b, probes := range blocks {
		if err := checkRates(probes); err != nil {
			return fmt.Errorf("block %d: %w", b+1, err)
		}
		if rates, _, _ := failShares(probes); len(rates) < 2 {
			return fmt.Errorf("block %d has %d rates of at least 2: %w", b+1, len(rates), ErrShape)
		}
	}
	return nil
}

func checkRates(probes []Probe) error {
	for _, p := range probes {
		if !(p.Rate > 0) || math.IsInf(p.Rate, 1) {
			return fmt.Errorf("rate %g: %w", p.Rate, ErrShape)
		}
	}
	return nil
}

// failShares gives for each rate, ascending, the share of its probes that
// failed, and how many there were.
func failShares(probes []Probe) (rates, shares, counts []float64) {
	for _, p := range probes {
		rates = append(rates, p.Rate)
	}
	slices.Sort(rates)
	rates = slices.Compact(rates)
	shares, counts = make([]float64, len(rates)), make([]float64, len(rates))
	for _, p := range probes {
		i, _ := slices.BinarySearch(rates, p.Rate)
		counts[i]++
		if !p.Pass {
			shares[i]++
		}
	}
	for i := range shares {
		shares[i] /= counts[i]
	}
	return rates, shares, counts
}

// spearmanKaerber is the mean of the distribution whose share at x is known.
func spearmanKaerber(x, shares []float64) float64 {
	last := len(x) - 1
	step := (x[last] - x[0]) / float64(last)
	at := shares[0]*(x[0]-step/2) + (1-shares[last])*(x[last]+step/2)
	for i := 1; i <= last; i++ {
		at += (shares[i] - shares[i-1]) * (x[i] + x[i-1]) / 2
	}
	return at
}

// kneeInterval turns the interval into rates, no narrower than what was probed
// around the estimate.
func kneeInterval(i Interval, all []Probe) Interval {
	k := Interval{Estimate: math.Exp(i.Estimate), Low: math.Exp(i.Low), High: math.Exp(i.High)}
	rates, _, _ := failShares(all)
	// An estimate at a rate lies in the gaps to both sides of it.
	below, _ := slices.BinarySearch(rates, k.Estimate*(1-sameWithin))
	above, _ := slices.BinarySearch(rates, k.Estimate*(1+sameWithin))
	if below > 0 && above < len(rates) {
		k.Low, k.High = min(k.Low, rates[below-1]), max(k.High, rates[above])
	}
	return k
}

// logisticKnee is the rate at which one probe in two fails by a logistic curve
// through all probes, and the factor from the rate at which one in four does to
// that at which three do.
func logisticKnee(probes []Probe) (rate, width float64, err error) {
	rates, shares, counts := failShares(probes)
	if len(rates) < 2 || spread(shares) == 0 {
		return 0, 0, fmt.Errorf("%d probes at %d rates ended alike: probe at other rates: %w", len(probes), len(rates), ErrNoKnee)
	}
	x, centre, scale := standard(logs(rates))
	l := fitLogistic(x, shares, counts)
	if !(l.b > 0) {
		return 0, 0, fmt.Errorf("probes fail no more often at greater rates: %w", ErrNoKnee)
	}
	rate = math.Exp(centre - scale*l.a/l.b)
	width = math.Exp(scale * 2 * math.Log(3) / l.b)
	if rate == 0 || math.IsInf(rate, 0) || math.IsInf(width, 0) {
		return 0, 0, fmt.Errorf("probes fail hardly more often at greater rates: %w", ErrNoKnee)
	}
	return rate, width, nil
}
