package study

// How the requests of a phase are spaced in time. All treatments of a phase
// share one schedule, so it is a field of the load, and no factor.
const (
	Poisson = "poisson" // independent of each other
	Uniform = "uniform" // at equal distances
	Bursts  = "bursts"  // Poisson at BurstPeak times the rate, then none, again and again
)

// arrivals are all there are.
func arrivals() []string { return []string{Poisson, Uniform, Bursts} }

// BurstPeak is how many times its mean the rate of a burst is; bursts take the
// BurstPeak-th part of the time.
const BurstPeak = 4
