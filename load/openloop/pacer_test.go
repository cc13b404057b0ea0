package openloop

import (
	"testing"
	"time"
)

func paced(cap float64, overshoots ...time.Duration) *pacer {
	p := &pacer{cap: cap}
	for _, d := range overshoots {
		p.slept(d)
	}
	return p
}

func TestMarginFollowsOvershoot(t *testing.T) {
	const µs = time.Microsecond
	cases := []struct {
		name  string
		pacer *pacer
		rate  float64
		want  time.Duration
	}{
		{"nothing known", paced(1), 1000, 0},
		{"as late as it wakes", paced(1, 30*µs, 30*µs, 30*µs), 1000, 30 * µs},
		{"not for the slowest", paced(1, 10*µs, 20*µs, 30*µs, 5000*µs), 1000, 30 * µs},
		{"never beyond the most", paced(1, 900*µs, 900*µs, 900*µs), 100, maxMargin},
		{"early is not late", paced(1, -5*µs, -5*µs), 1000, 0},
	}
	for _, c := range cases {
		if c.pacer.plan(c.rate); c.pacer.margin != c.want {
			t.Errorf("%s: margin %v, want %v", c.name, c.pacer.margin, c.want)
		}
	}
}

func TestMarginKeepsToTheCap(t *testing.T) {
	const µs = time.Microsecond
	overshoots := []time.Duration{5 * µs, 10 * µs, 20 * µs, 60 * µs}
	for _, rate := range []float64{100, 2000, 10_000, 100_000, 1e6} {
		p := paced(0.15, overshoots...)
		p.plan(rate)
		if got := rate * spinFor(p.margin, overshoots).Seconds(); got > 0.15 {
			t.Errorf("at %v/s the margin %v spins for %.2f of a core", rate, p.margin, got)
		}
	}
	// What the cap allows is used.
	p := paced(0.15, overshoots...)
	if p.plan(2000); p.margin != 20*µs {
		t.Errorf("at 2000/s the margin is %v, want 20µs", p.margin)
	}
}

func TestBudgetHoldsTheCap(t *testing.T) {
	p := paced(0.15, 30*time.Microsecond)
	p.plan(1000)
	now, spun := time.Duration(0), time.Duration(0)
	p.begin(now)
	const steps, step = 20_000, 100 * time.Microsecond
	for range steps {
		now += step
		if p.allowed(now) > 0 { // whoever may spin does so for half of the time
			p.spun(step / 2)
			spun += step / 2
		}
	}
	got := float64(spun) / float64(now)
	if got > 0.15+0.15*float64(budgetWindow)/float64(now)+0.001 {
		t.Errorf("spun for %.3f of the time, the cap is 0.15", got)
	}
	if got < 0.15 {
		t.Errorf("spun for %.3f of the time, the cap of 0.15 was not used", got)
	}
	if p.spin != spun {
		t.Errorf("account of %v, spun %v", p.spin, spun)
	}
	p.begin(now)
	if p.spin != 0 || p.allowed(now) == 0 {
		t.Error("a new load does not begin with an empty account")
	}
}
