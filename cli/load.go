package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
	"github.com/taremesh/tare/measure"
)

// loadCommand is one carrying-out of tare load.
type loadCommand struct {
	state State
	c     *cobra.Command
	url   string

	load       load.Load
	target     load.Target
	population load.Population
	conditions []loadreport.Condition

	flags loadFlags
}

func newLoad(s State) *cobra.Command {
	r := &loadCommand{state: s}
	r.c = &cobra.Command{
		Use:   "load URL",
		Short: "Offer open-loop or closed-loop load to one URL and say what became of it",
		Long: `Offer load to one URL and say how long requests took, what became of them, and
whether the generator itself can be believed.

Requests are sent at times that a schedule fixes beforehand, and latency counts
from those times, so that a server that stalls is not flattered. With --closed
there is no rate: each connection sends its next request as soon as it has its
answer. That shows how many requests per second there can be; its latencies
count from the writing, hide every stall and compare with no others.

Quantiles that the samples do not support are not given: p99 needs 10,000
requests. After the load the same engine is measured against an echo of its own
for a second (--no-floor leaves that out), and the checks say how late requests
were written, what the generator itself used, and whether it was the bottleneck.

While it runs, standard error says how far it is: on a terminal in a line that is
written anew, elsewhere in a plain line for each tenth of the load.

--fail names what must hold, joined by commas: quantiles of the latency (p99<5ms,
max<1s), of other times (service.p99<4ms, lateness.p99<1ms), errors<0.1%, a class
of outcome (timeout<0.01%, server-error<1%), rate>900/s (answered), cpu<10us (the
generator's own, per request), spin<20%, work<60%. Errors are all outcomes but
ok; without a limit of yours errors<1% must hold.

Exit codes: 0 all conditions are met, 1 one failed, 4 one cannot be told (too few
requests for the quantile, or the generator was the bottleneck), 2 wrong input,
3 the load could not be offered, 130 interrupted; what was done is reported.

The URL's scheme says what is spoken: http and https (with --http2 HTTP/2), h2c
and h2, grpc and grpcs (the path is the method), ws and wss, tcp and tcp+tls
(bytes that come back), connect (a connection, opened and closed).

Only loopback and private addresses are loaded; for another host that is yours
to load give --allow-target HOST.`,
		Example: `  tare load http://127.0.0.1:8080/ --rate 2000 --duration 10s --connections 16
  tare load http://127.0.0.1:8080/ --rate 2000 --fail 'p99<5ms,errors<0.1%'
  tare load http://127.0.0.1:8080/ --closed --connections 32
  tare load http://127.0.0.1:8080/ --closed --requests 100000 -o json
  tare load http://127.0.0.1:8080/ --html load.html --hgrm load.hgrm
  tare load http://127.0.0.1:8080/ --profile '100/s..2000/s for 30s, 2000/s for 1m'
  tare load https://127.0.0.1:8443/ --http2 --streams 8 --cacert ca.pem
  tare load http://127.0.0.1:8080/orders --body-file order.json --header 'Content-Type: application/json'
  tare load grpc://127.0.0.1:9090/echo.Echo/Say --body-file message.bin
  tare load ws://127.0.0.1:8080/chat --rate 200
  tare load http://10.0.0.9:8080/ --workers 2 --listen 10.0.0.1:7070 --invitation workers.json
  tare load http://shop.example/ --allow-target shop.example --rate 10`,
		Args: exactly(1, "one URL"),
		RunE: func(c *cobra.Command, args []string) error {
			r.url = args[0]
			if err := r.settle(); err != nil {
				return err
			}
			return r.offer(c.Context())
		},
	}
	r.addFlags()
	r.c.AddCommand(newLoadCompare(s))
	return r.c
}

// offer carries out the load, then the floor, and reports.
func (r *loadCommand) offer(ctx context.Context) error {
	b, err := catalog.NewBench(r.state.Exe)
	if err != nil {
		return err
	}
	defer b.Close()
	g, end, err := r.generator(b)
	if err != nil {
		return err
	}
	defer end()
	run := loadreport.Run{
		URL: r.url, Target: r.target, Generator: g.Name(), Version: version(), Command: append([]string{"tare"}, r.state.Args...),
		Started: time.Now(), Load: r.load, Requests: r.population.Requests,
	}
	samples := newGathered(r.load, r.population, &live{w: r.c.ErrOrStderr(), load: r.load})
	defer samples.collector.Close()
	err = r.once(ctx, g, r.target, samples, &run)
	run.Interrupted = err != nil && ctx.Err() != nil
	switch {
	case run.Interrupted && run.Stats.Sent == 0:
		return &codedError{exitInterrupted, errors.New("interrupted before anything was sent")}
	case err != nil && !run.Interrupted:
		return err
	}
	run.Use.Cores = runtime.NumCPU()
	if run.Use.Parent, err = measure.CPU(os.Getpid()); err != nil {
		return err
	}
	if run.Interrupted {
		run.NoFloor = "the load was interrupted"
	} else if run.Floor, run.NoFloor, err = r.floor(ctx, g); err != nil {
		return err
	}
	result, err := samples.collector.Report(run, r.conditions)
	if err != nil {
		return err
	}
	if err := r.flags.outputs.print(r.c, result, samples); err != nil {
		return err
	}
	return loadVerdict(result)
}

// once opens a session, offers the load and closes; what was done before an
// interruption is in the samples and in the run.
func (r *loadCommand) once(ctx context.Context, g load.Generator, t load.Target, into *gathered, run *loadreport.Run) error {
	session, err := g.Open(ctx, []load.Target{t}, r.population)
	if err != nil {
		return hinted(err)
	}
	run.Stats, err = session.Generate(ctx, run.Load, into.sink())
	into.live.end()
	run.Workers = workersOf(run.Stats.Parts)
	if use, failed := measure.CPU(session.PID()); failed == nil { // a child that died says so in err
		run.Use.Generator = use
	}
	return errors.Join(hinted(err), session.Close())
}

// loadVerdict is the exit code, with its reason.
func loadVerdict(r *loadreport.Result) error {
	if r.Interrupted {
		return &codedError{exitInterrupted, fmt.Errorf("interrupted after %d requests", r.Requests)}
	}
	var failed, open []string
	for _, c := range r.Conditions {
		switch c.State {
		case loadreport.Failed:
			failed = append(failed, fmt.Sprintf("%s (%s)", c.Condition, missed(c)))
		case loadreport.Undecided:
			open = append(open, fmt.Sprintf("%s (%s)", c.Condition, c.Why))
		}
	}
	switch {
	case len(failed) > 0:
		return &codedError{exitGate, fmt.Errorf("failed: %s%s", strings.Join(failed, ", "), alike(r))}
	case len(open) > 0:
		return &codedError{exitUndecided, fmt.Errorf("undecided: %s", strings.Join(open, "; "))}
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
