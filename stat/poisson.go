package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// poissonBins hold the gaps' places: a distance is exact to half of 1/bins,
	// and any number of gaps takes the same memory.
	poissonBins = 1 << 14
	// dispersionWindow is the expected arrivals of a window in which they are
	// counted.
	dispersionWindow = 20
	// Deviations below these matter to nobody, however surely they are seen.
	poissonDistance, poissonDispersion, poissonLag = 0.02, 0.1, 0.05
	// poissonChance is how often chance alone may look as bad.
	poissonChance = 0.001
)

// PoissonTest holds arrivals against a Poisson process whose rate is known,
// however many they are. Times are given in expected arrivals: of a rate that
// changes, its integral up to then. In that time a Poisson process of any rate
// has rate 1 (Çinlar, "Introduction to Stochastic Processes", 1975), and nothing
// has to be estimated from what is tested.
//
// Three things are asked: do the gaps have the exponential distribution
// (Kolmogorov and Smirnov), do counts in equal windows vary as much as their
// mean (R. A. Fisher's index of dispersion; P. A. W. Lewis, "Some results on
// tests for Poisson processes", Biometrika 52, 1965), and is a gap independent
// of the one before it. The zero value is ready.
type PoissonTest struct {
	bins            [poissonBins]int64
	gaps            int64
	last, before    float64 // the last arrival; the gap before it
	lag             float64 // sum of the products of neighbouring gaps' deviations
	window, inside  int64   // the window that is counted; arrivals in it
	squares         float64 // of the counts' deviations in windows that are over
	begun, neighbor bool
}

// Add gives the next arrival's time, not before the last one's.
func (t *PoissonTest) Add(at float64) {
	if window := int64(at / dispersionWindow); t.window < window {
		d := float64(t.inside) - dispersionWindow
		empty := float64(window - t.window - 1)
		t.squares += d*d + empty*dispersionWindow*dispersionWindow
		t.window, t.inside = window, 0
	}
	t.inside++
	if t.begun {
		t.gap(max(0, at-t.last))
	}
	t.begun, t.last = true, max(t.last, at)
}

func (t *PoissonTest) gap(g float64) {
	t.bins[min(int(-math.Expm1(-g)*poissonBins), poissonBins-1)]++
	t.gaps++
	if t.neighbor {
		t.lag += (g - 1) * (t.before - 1)
	}
	t.before, t.neighbor = g, true
}

// Poisson says how far arrivals are from a Poisson process.
type Poisson struct {
	Gaps int64 `json:"gaps"`
	// Distance is the greatest between the shares of gaps up to a length, as
	// they are and as they should be; P is how often it is as great by chance.
	Distance float64 `json:"distance"`
	P        float64 `json:"p"`
	// Dispersion is the variance of the counts in windows of equal expectation
	// over their mean: 1 of a Poisson process, less of one that is more regular.
	// 0: there were too few windows. DispersionP is two-sided.
	Dispersion  float64 `json:"dispersion"`
	DispersionP float64 `json:"dispersion_p"`
	// Lag is the correlation of a gap with the one before it.
	Lag float64 `json:"lag"`
	// Faults are the deviations that matter and that chance does not explain.
	Faults []string `json:"faults,omitempty"`
}

// leastGaps is how few gaps say nothing, and leastWindows how few windows.
const leastGaps, leastWindows = 20, 5

// Result judges what was added. With fewer than 20 gaps it is ErrTooFew.
func (t *PoissonTest) Result() (Poisson, error) {
	if t.gaps < leastGaps {
		return Poisson{}, fmt.Errorf("%d gaps between arrivals, at least %d are needed: %w", t.gaps, leastGaps, ErrTooFew)
	}
	n := float64(t.gaps)
	p := Poisson{Gaps: t.gaps, Distance: t.distance(), Lag: t.lag / (n - 1)}
	// M. A. Stephens, "Use of the Kolmogorov–Smirnov, Cramér–von Mises and
	// related statistics without extensive tables", J. R. Stat. Soc. B 32 (1970).
	p.P = kolmogorov((math.Sqrt(n) + 0.12 + 0.11/math.Sqrt(n)) * p.Distance)
	if p.Distance > poissonDistance && p.P < poissonChance {
		p.fault("gaps are not exponential (distance %.3f)", p.Distance)
	}
	if t.window >= leastWindows {
		p.Dispersion = t.squares / dispersionWindow / float64(t.window)
		below := distuv.ChiSquared{K: float64(t.window)}.CDF(t.squares / dispersionWindow)
		p.DispersionP = 2 * min(below, 1-below)
		if math.Abs(p.Dispersion-1) > poissonDispersion && p.DispersionP < poissonChance {
			p.fault("counts vary %.2f times as they should", p.Dispersion)
		}
	}
	chance := distuv.UnitNormal.Quantile(1-poissonChance/2) / math.Sqrt(n-1)
	if math.Abs(p.Lag) > max(poissonLag, chance) {
		p.fault("a gap goes with the one before it (correlation %.2f)", p.Lag)
	}
	return p, nil
}

func (p *Poisson) fault(format string, args ...any) {
	p.Faults = append(p.Faults, fmt.Sprintf(format, args...))
}

// distance is Kolmogorov's, at the bins' edges.
func (t *PoissonTest) distance() float64 {
	d, sum := 0.0, int64(0)
	for i, n := range t.bins {
		sum += n
		d = max(d, math.Abs(float64(sum)/float64(t.gaps)-float64(i+1)/poissonBins))
	}
	return d
}

// kolmogorov is how often √n times the distance is as great by chance, with many
// values: 2·Σ(−1)ʲ⁻¹·exp(−2j²x²).
func kolmogorov(x float64) float64 {
	if x < 0.2 {
		return 1 // to twelve digits
	}
	sum, sign := 0.0, 1.0
	for j := 1.0; j <= 100; j++ {
		term := math.Exp(-2 * j * j * x * x)
		sum += sign * term
		if sign = -sign; term < 1e-16 {
			break
		}
	}
	return min(1, max(0, 2*sum))
}
