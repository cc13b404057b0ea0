package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/load"
)

// loadCompare is one carrying-out of tare load compare.
type loadCompare struct {
	c     *cobra.Command
	state State

	order      load.Order
	planted    string
	pauses     *pauses
	generators []string
	allowed    []string
	noFloor    bool
	rounds     int
	seed       uint64
	output     *string
}

func newLoadCompare(s State) *cobra.Command {
	r := &loadCompare{state: s}
	r.c = &cobra.Command{
		Use:   "compare URL",
		Short: "Load one target with every generator that is here, side by side",
		Long: `Load one target with our generator and with those of others that are installed,
each at its defaults and at its most exact, in random order, and after the same
fashion our own echo: what a generator reads of that is its floor.

Each row says who decides when the next request goes (closed: a connection waits
for its answer; open: the schedule; drops: open as long as anything is free) and
from when its latencies count (sent, or intended). What a generator does not say
is shown as –. CPU is our own measure of its processes, from start to end.

A generator named by --generator that is not there is an error; without the flag
those that are not there are listed. Ours is called tare; the others are fortio,
wrk, wrk2, h2load, hey, ab, vegeta, k6 and nighthawk. Nighthawk is read by its
documented output and was never run here, and no test runs wrk2: their rows say so.

--planted 200ms/1s needs no URL: it starts a server on loopback that answers
nothing for 200 ms of each second. What its users wait is known by arithmetic,
and every generator is held against that.`,
		Example: `  tare load compare http://127.0.0.1:8080/ --rate 1000 --connections 16
  tare load compare --planted 200ms/1s --duration 10s --rounds 1
  tare load compare http://127.0.0.1:8080/ --generator tare --generator fortio -o json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := r.settle(args); err != nil {
				return err
			}
			return r.carryOut(c.Context())
		},
	}
	f := r.c.Flags()
	f.Float64Var(&r.order.Rate, "rate", 1000, "requests per second, of generators that keep to a rate")
	f.IntVar(&r.order.Target.Connections, "connections", load.DefaultConnections, "connections of each generator")
	f.DurationVar(&r.order.Duration, "duration", 3*time.Second, "of each run, in whole seconds")
	f.IntVar(&r.rounds, "rounds", 3, "how often every generator runs")
	f.StringArrayVar(&r.generators, "generator", nil, "only this generator, by its `name`, ours being tare; NAME/SETTING is one row of it; may be repeated (default all that are here)")
	f.BoolVar(&r.noFloor, "no-floor", false, "do not load our echo")
	f.StringVar(&r.planted, "planted", "", "start a server that `pauses`, such as 200ms/1s, and compare with the arithmetic")
	f.Uint64Var(&r.seed, "seed", 0, "seed of the order (default drawn, and printed)")
	f.StringArrayVar(&r.allowed, "allow-target", nil, "a `host` beyond loopback and private networks that may be loaded, exactly as the URL names it")
	r.output = outputFlag(r.c)
	explain(r.c, r.taken())
	return r.c
}

// settle takes what was asked for together and refuses what cannot be done.
func (r *loadCompare) settle(args []string) error {
	if err := checkOutput(*r.output); err != nil {
		return err
	}
	if r.planted == "" && len(args) != 1 || r.planted != "" && len(args) != 0 {
		return inputf("%s takes one URL, or --planted and none; see %s --help", r.c.CommandPath(), r.c.CommandPath())
	}
	if err := within(r.c, r.taken()); err != nil {
		return err
	}
	if !r.c.Flags().Changed("seed") {
		r.seed = rand.Uint64() >> 11
	}
	if err := r.settleTarget(args); err != nil {
		return input(err)
	}
	return input(r.order.Check())
}

func (r *loadCompare) settleTarget(args []string) error {
	connections := r.order.Target.Connections
	if r.planted == "" {
		t, q, err := load.ParseTarget(args[0], r.allowed...)
		if err != nil {
			return err
		}
		r.order.Target, r.order.Request = t, q
	} else {
		p, err := parsePauses(r.planted)
		if err != nil {
			return fmt.Errorf("--planted: %w", err)
		}
		if r.order.Duration%p.Every != 0 {
			return fmt.Errorf("--duration %v is no whole number of periods of %v, which the arithmetic is of", r.order.Duration, p.Every)
		}
		r.pauses = &p
		r.order.Request = load.Request{Method: http.MethodGet, Path: "/"}
		r.order.Target = load.Target{Name: "planted", Addr: "127.0.0.1:1"} // until it listens
	}
	r.order.Target.Connections = connections
	r.order.Target.MaxConnections = max(connections, load.DefaultMaxConnections)
	return nil
}

// carryOut starts the servers, runs everything and prints.
func (r *loadCompare) carryOut(ctx context.Context) (err error) {
	b, err := catalog.NewBench(r.state.Exe)
	if err != nil {
		return err
	}
	defer b.Close()
	result := &compareResult{Tare: compareFormat, URL: r.order.URL(), Rate: r.order.Rate, Connections: r.order.Target.Connections,
		MaxConnections: r.order.Target.MaxConnections, Seconds: r.order.Duration.Seconds(), Rounds: r.rounds, Seed: r.seed, Absent: []absence{}}
	entrants, err := r.entrants(ctx, b, result)
	if err == nil {
		err = r.reachable(ctx)
	}
	if err != nil {
		return err
	}
	if r.pauses != nil {
		server, err := startPausing(r.pauses)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.close()) }()
		r.order.Target.Addr = server.addr
		result.URL, result.Planted, result.Truth = r.order.URL(), r.pauses, r.pauses.truths()
	}
	floor, err := startPausing(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.close()) }()
	for _, e := range entrants {
		result.Rows = append(result.Rows, newCompareRow(e))
	}
	ended := r.rounded(ctx, entrants, floor.addr, result)
	result.conclude(r.pauses)
	if ended != nil {
		result.Answer = append(result.Answer, ended.Error()+".")
	} else if names, all := result.failing(); all {
		ended = fmt.Errorf("no generator got good answers of %s: %s", result.URL, strings.Join(names, ", "))
	}
	if *r.output == asJSON {
		return errors.Join(ended, printJSON(r.c, result))
	}
	return errors.Join(ended, result.print(r.c.OutOrStdout()))
}

// reachable says why no generator can reach the target, if so: some would say
// nothing of it, or call it latency.
func (r *loadCompare) reachable(ctx context.Context) error {
	if r.pauses != nil {
		return nil
	}
	c, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(ctx, "tcp", r.order.Target.Addr)
	if err != nil {
		return hinted(fmt.Errorf("reach the target %s: %w", r.order.URL(), err))
	}
	return c.Close()
}

const reachTimeout = 5 * time.Second

// entrants are those that are named, or all that are here.
func (r *loadCompare) entrants(ctx context.Context, b *catalog.Bench, result *compareResult) ([]entrant, error) {
	g, err := b.Generators.Get("openloop")
	if err != nil {
		return nil, err
	}
	if len(r.generators) == 0 {
		entrants := ours(g)
		for _, a := range b.Adapters.All() {
			of, err := theirs(ctx, a)
			if err != nil {
				result.Absent = append(result.Absent, absence{a.Name, err.Error()})
			}
			entrants = append(entrants, of...)
		}
		return entrants, nil
	}
	var entrants []entrant
	for _, name := range r.generators {
		tool, setting, one := strings.Cut(name, "/")
		of := ours(g)
		if tool != ourTool {
			a, err := b.Adapters.Get(tool)
			if err != nil {
				return nil, inputf("--generator: %w; ours is %s", err, ourTool)
			}
			if of, err = theirs(ctx, a); err != nil {
				return nil, err
			}
		}
		if one {
			of = slices.DeleteFunc(of, func(e entrant) bool { return e.Name != setting })
		}
		if len(of) == 0 {
			return nil, inputf("--generator %s: %s has no such setting", name, tool)
		}
		entrants = append(entrants, of...)
	}
	return entrants, nil
}

// rounded makes all rounds. A tool that fails has its words in its row, and the
// others go on.
func (r *loadCompare) rounded(ctx context.Context, entrants []entrant, floor string, result *compareResult) error {
	random := rand.New(rand.NewPCG(r.seed, 0))
	done, all := 0, r.rounds*len(r.turns(len(entrants), random))
	for round := range r.rounds {
		for _, t := range r.turns(len(entrants), random) {
			e, o := entrants[t.entrant], r.order
			if t.on == onFloor {
				o.Target.Name, o.Target.Addr, o.Target.Host = onFloor, floor, floor
				o.Request.Path = "/"
			}
			fmt.Fprintf(r.c.ErrOrStderr(), "run %d of %d: %s, %s, against the %s\n", done+1, all, e.tool, e.Name, t.on)
			a, err := e.run(ctx, o)
			if ctx.Err() != nil {
				return &codedError{exitInterrupted, fmt.Errorf("interrupted after %d of %d runs", done, all)}
			}
			result.Rows[t.entrant].add(compareRun{Round: round, Place: done, On: t.on}, a, err)
			done++
		}
	}
	return nil
}
