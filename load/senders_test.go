package load_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// One seed means the same users, whether a schedule or a closed load draws them.
func TestSendersAreTheSchedules(t *testing.T) {
	p := weights(1, 2, 3)
	l := load.Load{Rate: 1000, Each: 500, Seed: 42, Over: &load.Over{Users: []int{1}, Share: .2}}
	senders, err := load.NewSenders(l, p)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range arrivals(t, l, 2, p) {
		if got, _ := senders.Next(); got != a.User {
			t.Fatalf("draw %d is user %d, the schedule's is %d", i, got, a.User)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { senders.Next() }); n != 0 {
		t.Errorf("%v allocations per draw", n)
	}
}

func TestCheckClosed(t *testing.T) {
	good := load.Load{Closed: true, Duration: time.Second}
	if err := good.Check(2, weights(1)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*load.Load)
		users  load.Population
		want   string
	}{
		"rate":        {func(l *load.Load) { l.Rate = 1 }, weights(1), "neither a rate nor arrivals"},
		"rate NaN":    {func(l *load.Load) { l.Rate = math.NaN() }, weights(1), "neither a rate nor arrivals"},
		"arrivals":    {func(l *load.Load) { l.Arrivals = load.Poisson }, weights(1), "neither a rate nor arrivals"},
		"no end":      {func(l *load.Load) { l.Duration = 0 }, weights(1), "the duration is 0s"},
		"target":      {func(l *load.Load) { l.Targets = []int{2} }, weights(1), "target 2"},
		"users":       {func(*load.Load) {}, weights(0), "weight 0"},
		"over nobody": {func(l *load.Load) { l.Over = &load.Over{Share: .1} }, weights(1), "none is named"},
	} {
		l := good
		c.change(&l)
		if err := l.Check(2, c.users); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
}
