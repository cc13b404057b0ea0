package experiment

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// A request waits for others that come at about its time, whatever treatment it
// drew: crowding is what differs most between requests, and it is the schedule's,
// drawn before any treatment. By chance one treatment draws the more crowded
// requests of a block. Its quantiles are therefore calibrated: its requests are
// weighted so that they are as crowded, before and after, as all of the phase.
// That leaves what treatments do where it is, and takes off what the draw did.
// In a window, where one treatment has all requests, every weight is 1.

// responsesIn are the response times of treatment i, in µs and sorted, with
// their weights. An unanswered request has none, but crowds others.
func responsesIn(samples []load.Sample, i int) (xs, weights []float64) {
	samples = slices.SortedStableFunc(slices.Values(samples), func(a, b load.Sample) int { return cmp.Compare(a.Intended, b.Intended) })
	before, after := crowding(samples)
	var own []answer
	columns := [][]float64{nil, nil}
	for k, s := range samples {
		if int(s.Target) == i && s.LastByte >= 0 {
			own = append(own, answer{micros(s.Response()), len(own)})
			columns[0], columns[1] = append(columns[0], before[k]), append(columns[1], after[k])
		}
	}
	drawn := stat.Calibrate(columns, []float64{mean(before), mean(after)})
	slices.SortFunc(own, func(a, b answer) int { return cmp.Compare(a.response, b.response) })
	for _, a := range own {
		xs, weights = append(xs, a.response), append(weights, drawn[a.drawn])
	}
	return xs, weights
}

// answer is a response time in µs, and the place of its request among the
// treatment's.
type answer struct {
	response float64
	drawn    int
}

// crowding counts, for each of the samples in the order of their schedule, the
// requests before and after it, each the less the further away: by a factor e
// for the median response time of all.
func crowding(samples []load.Sample) (before, after []float64) {
	reach := medianResponse(samples)
	before, after = make([]float64, len(samples)), make([]float64, len(samples))
	fade := func(k int) float64 {
		return math.Exp(-float64(samples[k+1].Intended-samples[k].Intended) / float64(reach))
	}
	for k := 1; k < len(samples); k++ {
		before[k] = (before[k-1] + 1) * fade(k-1)
	}
	for k := len(samples) - 2; k >= 0; k-- {
		after[k] = (after[k+1] + 1) * fade(k)
	}
	return before, after
}

// medianResponse is that of all requests that were answered, whatever their
// treatment; a nanosecond without one.
func medianResponse(samples []load.Sample) time.Duration {
	var all []time.Duration
	for _, s := range samples {
		if s.LastByte >= 0 {
			all = append(all, s.Response())
		}
	}
	if len(all) == 0 {
		return 1
	}
	slices.Sort(all)
	return max(all[len(all)/2], 1)
}
