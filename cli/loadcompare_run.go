package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
)

// ourTool is our own generator's name among the others.
const ourTool = "tare"

// comparedQuantiles are those that are shown; the first three are held against
// the arithmetic of planted pauses.
var comparedQuantiles = []float64{0.5, 0.9, 0.99, 0.999}

// entrant is one tool at one of its settings.
type entrant struct {
	tool    string
	program *load.Program // nil: ours
	load.Setting
	run func(ctx context.Context, o load.Order) (load.Account, error)
}

// ours are our own generator's entrants.
func ours(g load.Generator) []entrant {
	make := func(s load.Setting, closed bool) entrant {
		return entrant{tool: ourTool, Setting: s, run: func(ctx context.Context, o load.Order) (load.Account, error) {
			return runOurs(ctx, g, o, closed)
		}}
	}
	return []entrant{
		make(load.Setting{
			Name: "open", Loop: load.OpenLoop, From: load.FromIntended, Paced: true, Resolution: time.Nanosecond,
			Doc: "Poisson arrivals; exact quantiles of all samples, where they carry them",
		}, false),
		make(load.Setting{
			Name: "closed", Loop: load.ClosedLoop, From: load.FromSent, Resolution: time.Nanosecond,
			Doc: "each connection as fast as it is answered; exact quantiles of all samples, where they carry them",
		}, true),
	}
}

// theirs are the entrants of a tool that is here.
func theirs(ctx context.Context, a load.Adapter) ([]entrant, error) {
	program, err := a.Find(ctx)
	if err != nil {
		return nil, err
	}
	var all []entrant
	for _, s := range a.Settings {
		all = append(all, entrant{tool: a.Name, program: &program, Setting: s, run: func(ctx context.Context, o load.Order) (load.Account, error) {
			return a.Run(ctx, program, s.Name, o)
		}})
	}
	return all, nil
}

// runOurs does with our generator what an adapter does with another.
func runOurs(ctx context.Context, g load.Generator, o load.Order, closed bool) (a load.Account, err error) {
	l := load.Load{Arrivals: load.Poisson, Rate: o.Rate, Duration: o.Duration, Seed: rand.Uint64() >> 11}
	if closed {
		l = load.Load{Closed: true, Duration: o.Duration, Seed: l.Seed}
	}
	began := time.Now()
	session, err := g.Open(ctx, []load.Target{o.Target}, load.Ask(o.Request))
	if err != nil {
		return load.Account{}, err
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	var latencies []float64
	failed, requests := 0, 0
	stats, err := session.Generate(ctx, l, load.Sink{Samples: func(part []load.Sample) error {
		for _, s := range part {
			requests++
			if s.Class != load.OK {
				failed++
			}
			if s.Whole() {
				latencies = append(latencies, float64(s.Response()))
			}
		}
		return nil
	}})
	if err != nil {
		return load.Account{}, err
	}
	used, err := measure.CPU(session.PID())
	if err != nil {
		return load.Account{}, err
	}
	a = load.Account{Requests: &requests, Errors: &failed, CPU: used - stats.Spin, Wall: time.Since(began)}
	perSecond := float64(len(latencies)) / stats.Wall.Seconds()
	a.Throughput = &perSecond
	if stats.Spin > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("beside its CPU time it spun for %v", stats.Spin.Round(time.Millisecond)))
	}
	if stats.Saturated {
		a.Notes = append(a.Notes, "every connection was busy, and requests had to queue")
	}
	if len(latencies) == 0 {
		return a, nil
	}
	slices.Sort(latencies)
	sum := 0.0
	for _, x := range latencies {
		sum += x
	}
	mean, most := time.Duration(sum/float64(len(latencies))), time.Duration(latencies[len(latencies)-1])
	a.Mean, a.Max = &mean, &most
	for _, q := range comparedQuantiles {
		if ok, _ := stat.Supported(len(latencies), q); ok {
			a.Quantiles = append(a.Quantiles, load.Quantile{Q: q, At: time.Duration(stat.Quantile(latencies, q))})
		}
	}
	return a, nil
}

// The places that are loaded.
const (
	onTarget = "target"
	onFloor  = "floor"
)

// turn is one run that is to be made.
type turn struct {
	entrant int
	on      string
}

// turns are those of one round, in random order: each entrant at the target and
// at our echo.
func (r *loadCompare) turns(entrants int, random *rand.Rand) []turn {
	var all []turn
	for i := range entrants {
		all = append(all, turn{i, onTarget})
		if !r.noFloor {
			all = append(all, turn{i, onFloor})
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
