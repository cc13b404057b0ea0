package balance

import "time"

// Policy is a way to choose among the healthy hosts of a priority.
type Policy uint8

// The policies.
const (
	RoundRobin Policy = iota
	LeastRequest
	RingHash
	Maglev
	Random
)

// Config says how the hosts of a group are chosen. Its zero value is round robin
// without panic, which DefaultConfig has as Envoy has it.
type Config struct {
	Policy Policy
	// Choices is how many hosts LeastRequest looks at.
	Choices int
	// Bias is how much requests under way count against a host's weight, where
	// weights differ.
	Bias float64
	Ring Ring
	// TableSize of Maglev: a prime.
	TableSize int
	// Panic is below what percentage of healthy hosts their health is
	// disregarded; 0: never.
	Panic int
	// Overprovision is how much more, in percent, than its share of healthy hosts
	// a priority can bear.
	Overprovision int
	// Localities: their weights count.
	Localities bool
	Outlier    *Outlier // nil: answers are not looked at
	Check      *Check   // nil: nobody is asked
}

// Ring is the size of a hash ring, and what hash its points have.
type Ring struct {
	Min, Max int
	Murmur   bool // instead of xxHash
}

// DefaultConfig is Envoy's.
func DefaultConfig() Config {
	return Config{
		Choices: 2, Bias: 1,
		Ring:      Ring{Min: 1024, Max: 8 << 20},
		TableSize: 65537,
		Panic:     50, Overprovision: 140,
	}
}

// Member is a host of a configuration.
type Member struct {
	Addr     string // host:port
	Weight   int    // 0 means 1
	Priority int
	// Locality is the place of its locality in the configuration, and Share that
	// one's weight.
	Locality, Share int
	Down            bool // it is said to be unhealthy
	// Owner is what the caller keeps of the host, hence any.
	Owner any
}

func (m Member) weight() int { return max(m.Weight, 1) }

// Outlier is how hosts are judged by what they answer. Percentages to enforce
// are the probability that what was found is acted on.
type Outlier struct {
	Consecutive5xx, Enforce5xx         int
	ConsecutiveGateway, EnforceGateway int // 502, 503, 504
	// Split counts failures below HTTP apart; otherwise they are 503 and 504.
	Split                          bool
	ConsecutiveLocal, EnforceLocal int

	Interval   time.Duration // between two looks at who may come back
	Base, Most time.Duration // an ejection lasts Base times their number, at most Most
	// MostPercent of the hosts may be ejected; AlwaysOne: one in any case.
	MostPercent int
	AlwaysOne   bool

	// Success rates are compared where so many hosts had so many requests in an
	// interval; those below the mean less Factor/1000 deviations are ejected.
	EnforceSuccess, SuccessHosts, SuccessVolume, SuccessFactor int
	// KeepChecked: a check that succeeds does not end an ejection.
	KeepChecked bool
}

// DefaultOutlier is Envoy's.
func DefaultOutlier() Outlier {
	return Outlier{
		Consecutive5xx: 5, Enforce5xx: 100,
		ConsecutiveGateway: 5, EnforceGateway: 0,
		ConsecutiveLocal: 5, EnforceLocal: 100,
		Interval: 10 * time.Second, Base: 30 * time.Second, Most: 300 * time.Second,
		MostPercent:    10,
		EnforceSuccess: 100, SuccessHosts: 5, SuccessVolume: 100, SuccessFactor: 1900,
	}
}
