package experiment

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/taremesh/tare/study"
)

// The lengths of a pilot's phases.
const (
	pilotWarmup = 200 // requests to each treatment
	pilotTime   = time.Second
)

// BusyLimit is the share of all cores that a study may use: above it queues
// are part of every latency (method.md §9).
const BusyLimit = 0.50

// busyAim is the share that a default rate is lowered to. Calibrated with
// examples/imagehub.yaml on two quiet cores, 12 blocks of 3 s, by the half-width
// of rate limit − token check at p50: 450/s for each treatment (55 % busy) 11 to
// 18 µs, 250/s (37 %) 6.2, 150/s (24 %) 7.4 to 8.3: queues widen the response
// times faster than requests narrow their median.
const busyAim = 0.30

// Pilot brings the plan's first block up once, offers its latency phase for a
// second, and returns the share of all cores that a second of its load needs:
// more than 1 where the host cannot serve it, since what was offered in the
// second is then served in the next. Nothing of it is kept. It takes about
// study.PilotTime.
func (r *Runner) Pilot(ctx context.Context, a *Apparatus) (busy float64, err error) {
	first := a.Plan.Blocks[0]
	b := study.Block{Seed: first.Seed, Start: first.Start}
	for _, p := range first.Phases {
		switch p.Kind {
		case study.Warmup:
			p.Each = pilotWarmup
			b.Phases = append(b.Phases, p)
		case study.Latency:
			p.Duration = pilotTime
			b.Phases = append(b.Phases, p)
		}
	}
	block, err := r.carryOut(ctx, a, b, -1, nil, func(study.Kind) {})
	if err == nil && block.Void != "" {
		err = fmt.Errorf("pilot: %s", block.Void)
	}
	if err != nil {
		return 0, err
	}
	for _, k := range block.latencies() { // of windows the busiest
		var sum time.Duration
		for _, p := range block.Phases[k].Parts {
			sum += p.CPU
		}
		busy = max(busy, sum.Seconds()/pilotTime.Seconds()/float64(runtime.NumCPU()))
	}
	return busy, nil
}

// rateStep is the step in which a rate is lowered, in requests/s for each
// treatment.
const rateStep = 50

// RateFor is the greatest rate, in steps of 50/s, that keeps the host at or
// below busyAim when the given rate keeps it busy so much; the use is taken to
// grow with the rate.
func RateFor(rate study.Rate, busy float64) study.Rate {
	if busy <= busyAim {
		return rate
	}
	fits := float64(rate) * busyAim / busy
	return study.Rate(max(rateStep, math.Floor(fits/rateStep)*rateStep))
}
