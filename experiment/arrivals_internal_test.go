package experiment

import (
	"math"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// Whatever the arrivals, the mean rate is the study's, of a duration and of a
// number of requests, and bursts are bursts.
func TestSpace(t *testing.T) {
	for arrivals, most := range map[string]int{study.Poisson: 750, study.Uniform: 502, study.Bursts: 750} {
		for _, l := range []load.Load{
			{Rate: 5000, Duration: 2 * time.Second, Seed: 3, Weights: []float64{1, 3}},
			{Rate: 5000, Each: 5000, Seed: 3},
		} {
			space(&l, arrivals)
			s, err := load.NewSchedule(l, 2, load.Population{})
			if err != nil {
				t.Fatal(err)
			}
			n, last, busiest := 0, time.Duration(0), map[time.Duration]int{}
			for a, ok := s.Next(); ok; a, ok = s.Next() {
				n++
				last = a.At
				busiest[a.At/(100*time.Millisecond)]++
				if arrivals == study.Bursts && a.At%(100*time.Millisecond) > 25*time.Millisecond {
					t.Fatalf("%s: an arrival at %v", arrivals, a.At)
				}
			}
			if rate := float64(n) / last.Seconds(); math.Abs(rate-5000) > 300 {
				t.Errorf("%s: %.0f requests/s, want 5,000", arrivals, rate)
			}
			for at, count := range busiest {
				if count > most {
					t.Errorf("%s: %d arrivals in the %d-th tenth of a second", arrivals, count, at)
				}
			}
			if got := l.MeanRate(); math.Abs(got-5000) > 1e-6 {
				t.Errorf("%s: a mean rate of %v", arrivals, got)
			}
		}
	}
}
