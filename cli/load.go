package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// loadResult is what tare load prints as JSON. Quantiles that the number of
// samples does not support are null.
type loadResult struct {
	URL        string         `json:"url"`
	Generator  string         `json:"generator"`
	Closed     bool           `json:"closed"`
	Rate       float64        `json:"rate"` // offered; 0 of a closed load
	Seconds    float64        `json:"seconds"`
	Scheduled  int            `json:"scheduled"`
	Requests   int            `json:"requests"`
	Throughput float64        `json:"requests_per_second"` // whole responses
	Errors     int            `json:"errors"`              // all but the class ok
	Outcomes   map[string]int `json:"outcomes"`
	Latency    quantiles      `json:"latency_us"`  // from the intended time
	Lateness   quantiles      `json:"lateness_us"` // written − intended; null of a closed load
	CPU        float64        `json:"cpu_us_per_request"`
	SpinShare  float64        `json:"spin_share"` // of one core
	Opened     int            `json:"connections_opened"`
	Saturated  bool           `json:"saturated"`
	Capped     bool           `json:"capped"` // a closed load that ended at its greatest number
	Seed       uint64         `json:"seed"`
	Unfinished bool           `json:"interrupted"`
}

type quantiles struct {
	P50  *float64 `json:"p50"`
	P90  *float64 `json:"p90"`
	P99  *float64 `json:"p99"`
	P999 *float64 `json:"p999"`
	Max  *float64 `json:"max"`
}

func newLoad(s State) *cobra.Command {
	var l load.Load
	connections := 0
	var output *string
	c := &cobra.Command{
		Use:   "load URL",
		Short: "Offer open-loop or closed-loop load to one URL and print what became of it",
		Long: `Offer Poisson arrivals at a rate to one URL. Latency counts from the time at
which the schedule wanted a request sent, so a server that stalls is not
flattered. With --closed there is no rate: each connection sends its next
request as soon as it has its answer. That shows how many requests per second
there can be; its latencies count from the writing, hide every stall and compare
with no others. Only loopback and private addresses are accepted.`,
		Example: `  tare load http://127.0.0.1:8080/ --rate 2000 --duration 10s --connections 16
  tare load http://127.0.0.1:8080/ --closed --connections 32
  tare load http://127.0.0.1:8080/ --closed --requests 100000 -o json`,
		Args: exactly(1, "one URL"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkOutput(*output); err != nil {
				return err
			}
			t, err := load.ParseTarget(args[0])
			if err != nil {
				return input(err)
			}
			t.Connections, t.MaxConnections = connections, max(connections, load.DefaultMaxConnections)
			if err := t.Check(); err != nil {
				return input(err)
			}
			if err := settlePace(c, &l); err != nil {
				return err
			}
			return offer(c, s, args[0], t, l, *output)
		},
	}
	c.Flags().Float64Var(&l.Rate, "rate", 1000, "requests per second")
	c.Flags().BoolVar(&l.Closed, "closed", false, "a closed loop: no rate, each connection waits for its answer")
	c.Flags().DurationVar(&l.Duration, "duration", 10*time.Second, "how long")
	c.Flags().IntVar(&l.Each, "requests", 0, "exactly that many requests, however long it takes")
	c.Flags().IntVar(&connections, "connections", load.DefaultConnections, "connections kept open")
	c.Flags().Uint64Var(&l.Seed, "seed", 0, "seed of the schedule (default drawn, and printed)")
	output = outputFlag(c)
	return c
}

// settlePace takes what was asked for together and checks it.
func settlePace(c *cobra.Command, l *load.Load) error {
	given := c.Flags().Changed
	switch {
	case l.Closed && given("rate"):
		return inputf("--closed has no rate: give --closed or --rate")
	case given("requests") && given("duration"):
		return inputf("a load ends after a number of requests or after a time: give --requests or --duration")
	case given("requests") && l.Each < 1:
		return inputf("--requests %d: it must be 1 or more", l.Each)
	case l.Closed:
		l.Rate = 0
	default:
		l.Arrivals = load.Poisson
	}
	if l.Seed == 0 {
		l.Seed = rand.Uint64() >> 11
	}
	return input(l.Check(1, load.Population{}))
}

func offer(c *cobra.Command, s State, url string, t load.Target, l load.Load, output string) error {
	b, err := catalog.NewBench(s.Exe)
	if err != nil {
		return err
	}
	defer b.Close()
	g, err := b.Generators.Get("openloop")
	if err != nil {
		return err
	}
	session, err := g.Open(c.Context(), []load.Target{t}, load.Population{})
	if err != nil {
		return err
	}
	samples, st, err := session.Generate(c.Context(), l)
	interrupted := err != nil && c.Context().Err() != nil
	err = errors.Join(err, session.Close())
	if err != nil && !interrupted {
		return err
	}
	r := summarise(url, g.Name(), l, samples, st)
	r.Unfinished = interrupted
	if output == asJSON {
		err = printJSON(c, r)
	} else {
		r.print(c)
	}
	if interrupted {
		after := fmt.Sprintf("%d of %d requests", st.Sent, st.Scheduled)
		if l.Closed {
			after = fmt.Sprintf("%d requests", st.Sent)
		}
		return &codedError{exitInterrupted, errors.Join(err, fmt.Errorf("interrupted after %s", after))}
	}
	return err
}

func summarise(url, generator string, l load.Load, samples []load.Sample, st load.Stats) loadResult {
	r := loadResult{URL: url, Generator: generator, Closed: l.Closed, Rate: l.Rate, Seconds: st.Wall.Seconds(), Scheduled: st.Scheduled, Requests: st.Sent,
		Throughput: st.Throughput, Outcomes: map[string]int{}, Opened: st.Opened, Saturated: st.Saturated, Capped: st.Capped, Seed: l.Seed}
	var response, late []float64
	for _, x := range samples {
		r.Outcomes[x.Class.String()]++
		if x.Class != load.OK {
			r.Errors++
		}
		if x.Whole() {
			response = append(response, micros(x.Response()))
		}
		if x.Written >= 0 && !l.Closed {
			late = append(late, micros(x.Lateness()))
		}
	}
	r.Latency, r.Lateness = quantilesOf(response), quantilesOf(late)
	if st.Sent > 0 {
		r.CPU = micros(st.CPU-st.Spin) / float64(st.Sent)
	}
	if st.Wall > 0 {
		r.SpinShare = st.Spin.Seconds() / st.Wall.Seconds()
		if !l.Closed {
			r.Throughput = float64(len(response)) / st.Wall.Seconds()
		}
	}
	return r
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func quantilesOf(xs []float64) quantiles {
	if len(xs) == 0 {
		return quantiles{}
	}
	slices.Sort(xs)
	of := func(q float64) *float64 {
		if ok, _ := stat.Supported(len(xs), q); !ok {
			return nil
		}
		v := stat.Quantile(xs, q)
		return &v
	}
	return quantiles{of(0.5), of(0.9), of(0.99), of(0.999), &xs[len(xs)-1]}
}

func (r loadResult) print(c *cobra.Command) {
	out := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }
	line := func(name string, q quantiles) {
		out("%-9s p50 %s  p90 %s  p99 %s  p99.9 %s  max %s µs", name, micro(q.P50), micro(q.P90), micro(q.P99), micro(q.P999), micro(q.Max))
	}
	if r.Closed {
		out("%s  %s, closed loop for %.1f s, seed %d", r.URL, r.Generator, r.Seconds, r.Seed)
		out("%.0f requests/s: %d requests sent, %d errors %v", r.Throughput, r.Requests, r.Errors, r.Outcomes)
		line("latency", r.Latency)
		out("          (closed loop: not comparable with open-loop latencies)")
	} else {
		out("%s  %s, Poisson at %g/s for %.1f s, seed %d", r.URL, r.Generator, r.Rate, r.Seconds, r.Seed)
		out("%d of %d requests sent, %d errors %v", r.Requests, r.Scheduled, r.Errors, r.Outcomes)
		line("latency", r.Latency)
		line("lateness", r.Lateness)
	}
	out("generator %.2f µs of CPU per request beside %.0f %% of a core spinning; %d connections opened", r.CPU, 100*r.SpinShare, r.Opened)
	if r.Saturated {
		out("warning: every connection was busy and requests had to queue; latency includes that wait")
	}
	if r.Capped {
		out("warning: it ended before its time, at the %d requests that a closed loop may make", load.MaxClosed)
	}
}

func micro(x *float64) string {
	if x == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f", *x)
}
