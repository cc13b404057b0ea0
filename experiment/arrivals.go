package experiment

import (
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// burstPeriod is from the beginning of a burst to that of the next.
const burstPeriod = 100 * time.Millisecond

// space spaces the requests of a load that has its rate as the study says. In
// bursts the mean rate stays what it was.
func space(l *load.Load, arrivals string) {
	switch arrivals {
	case study.Uniform:
		l.Arrivals = load.Uniform
	case study.Bursts:
		on := burstPeriod / study.BurstPeak
		p := load.Bursts(l.Rate*study.BurstPeak, on, burstPeriod-on)
		l.Arrivals, l.Rate, l.Profile = load.Poisson, 0, &p
	default:
		l.Arrivals = load.Poisson
	}
}
