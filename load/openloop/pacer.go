package openloop

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// calibrationSleeps of calibrationSleep show how late a sleep wakes.
	calibrationSleeps = 200
	calibrationSleep  = 150 * time.Microsecond
	// marginQuantile of the sleeps wake within the margin; waiting for the
	// slowest would spin through most of the time.
	marginQuantile = 0.95
	maxMargin      = 200 * time.Microsecond
	relearnAfter   = 128 // sleeps
	// budgetWindow is how much unused budget of spinning is kept, as a time
	// over which it is gathered.
	budgetWindow = 100 * time.Millisecond
)

// pacer decides how long before an intended time a thread wakes, and keeps
// account of spinning.
type pacer struct {
	cap       float64 // spinning per time
	overshoot [256]time.Duration
	sorted    [256]time.Duration
	measured  int           // of overshoot, in all
	rate      float64       // of the load that runs, arrivals per second
	margin    time.Duration // for the load that runs
	budget    time.Duration // of spinning that is left
	filled    time.Duration // when the budget was last filled up
	spin      time.Duration // of the load that runs
}

// calibrate measures how late this thread's sleeps wake.
func (p *pacer) calibrate(poller *poller) error {
	for range calibrationSleeps {
		began := time.Now()
		if _, errno := poller.sleep(calibrationSleep); errno != 0 {
			return errno
		}
		p.slept(time.Since(began) - calibrationSleep)
	}
	return nil
}

// slept learns how late a sleep woke that nothing else ended. Now and then the
// margin follows: sleeps between requests wake from deeper idle states than
// those of the calibration.
func (p *pacer) slept(late time.Duration) {
	p.overshoot[p.measured%len(p.overshoot)] = max(late, 0)
	if p.measured++; p.rate > 0 && p.measured%relearnAfter == 0 {
		p.plan(p.rate)
	}
}

// plan chooses the margin for a load: what covers most overshoots, less where
// spinning it out at this rate of arrivals would pass the cap.
func (p *pacer) plan(rate float64) {
	p.rate = rate
	known := p.sorted[:copy(p.sorted[:], p.overshoot[:min(p.measured, len(p.overshoot))])]
	if len(known) == 0 {
		p.margin = 0
		return
	}
	slices.Sort(known)
	p.margin = min(known[int(marginQuantile*float64(len(known)-1))], maxMargin)
	for p.margin > 0 && rate*spinFor(p.margin, known).Seconds() > p.cap {
		p.margin -= max(p.margin/16, time.Microsecond)
	}
	p.margin = max(p.margin, 0)
}

// spinFor is the mean time from a wake-up to the intended time.
func spinFor(margin time.Duration, overshoots []time.Duration) time.Duration {
	sum := time.Duration(0)
	for _, late := range overshoots {
		sum += max(margin-late, 0)
	}
	return sum / time.Duration(len(overshoots))
}

func (p *pacer) begin(now time.Duration) {
	p.spin, p.filled = 0, now
	p.budget = time.Duration(p.cap * float64(budgetWindow))
}

// allowed is the margin, or 0 while the budget is spent.
func (p *pacer) allowed(now time.Duration) time.Duration {
	p.budget += time.Duration(p.cap * float64(now-p.filled))
	p.budget = min(p.budget, time.Duration(p.cap*float64(budgetWindow)))
	p.filled = now
	if p.budget <= 0 {
		return 0
	}
	return p.margin
}

func (p *pacer) spun(d time.Duration) {
	p.spin += d
	p.budget -= d
}

// setTimerSlack lets this thread's sleeps end when they are due and not up to
// 50 µs later, the kernel's default.
func setTimerSlack() error {
	return unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}
