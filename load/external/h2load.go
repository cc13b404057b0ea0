package external

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// H2load is nghttp2's h2load: every connection keeps to its share of the rate
// as long as it is answered. It prints no quantiles, but can log each request.
func H2load(l *process.Launcher) load.Adapter {
	return tool{
		name: "h2load", program: "h2load", remedy: "Debian: apt-get install nghttp2-client", version: "--version",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Paced: true,
				Doc: "mean and maximum only; connections fire together",
			}, func(o load.Order) plan {
				return plan{steps: []step{{args: h2loadArgs(o)}}, read: func(w words) (load.Account, error) { return readH2load(w.out[0]) }}
			}},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: time.Microsecond,
				Doc: "--log-file: exact quantiles of single times; connections fire together",
			}, func(o load.Order) plan {
				return plan{
					steps: []step{{args: h2loadArgs(o, "--log-file="+inherited(0))}},
					files: []string{""},
					read: func(w words) (load.Account, error) {
						a, err := readH2load(w.out[0])
						if err != nil {
							return a, err
						}
						return a, readH2loadLog(&a, w.files[0])
					},
				}
			}},
		},
	}.adapter(l)
}

func h2loadArgs(o load.Order, more ...string) []string {
	args := []string{"--h1", "-c", connections(o), "-D", seconds(o.Duration), "--rps=" + perConnection(o)}
	if named := o.Target.Host; named != "" && named != o.Target.Addr {
		args = append(args, "-H", ":authority: "+named) // a Host of ours would be a second one
	}
	args = append(append(args, more...), headerArgs("-H", o.Request.Header)...)
	return append(args, o.URL())
}

var (
	h2loadRate     = regexp.MustCompile(`(?m)^finished in \S+, (\S+) req/s`)
	h2loadRequests = regexp.MustCompile(`(?m)^requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$`)
	h2loadTime     = regexp.MustCompile(`(?m)^time for request: +\S+ +(\S+) +(\S+) `)
)

func readH2load(text string) (load.Account, error) {
	requests, rate := h2loadRequests.FindStringSubmatch(text), h2loadRate.FindStringSubmatch(text)
	if requests == nil || rate == nil {
		return load.Account{}, errForeign
	}
	a := load.Account{Requests: count(requests[1]), Throughput: figure(rate[1])}
	// What it calls failed holds the errored and those that ran out of time.
	a.Errors = count(requests[2])
	if a.Requests == nil || *a.Requests == 0 {
		return a, nil
	}
	if m := h2loadTime.FindStringSubmatch(text); m != nil {
		if d, ok := withUnit(m[1]); ok {
			a.Max = &d
		}
		if d, ok := withUnit(m[2]); ok {
			a.Mean = &d
		}
	}
	return a, nil
}

// readH2loadLog takes the times of single requests; counts stay as printed.
func readH2loadLog(a *load.Account, log io.Reader) error {
	var latencies []float64
	err := lines(log, func(_ int, line string) error {
		columns := strings.Split(line, "\t")
		if len(columns) < 3 {
			return fmt.Errorf("%d columns, not 3 or more", len(columns))
		}
		if columns[1] == "-1" {
			return nil // it had no answer
		}
		x, err := latency(columns[2], time.Microsecond)
		latencies = append(latencies, x)
		return err
	})
	if err != nil {
		return fmt.Errorf("h2load's log: %w", err)
	}
	requests := a.Requests
	exact(a, latencies)
	a.Requests = requests
	return nil
}
