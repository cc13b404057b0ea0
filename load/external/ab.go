package external

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Ab is Apache's ab: every connection as fast as it is answered, on one thread.
func Ab(l *process.Launcher) load.Adapter {
	return tool{
		name: "ab", program: "ab", remedy: "Debian: apt-get install apache2-utils", version: "-V",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Resolution: time.Millisecond,
				Doc: "HTTP/1.0, a new connection for each request; quantiles to 1 ms",
			}, func(o load.Order) plan {
				return plan{steps: []step{{args: abArgs(o)}}, read: func(w words) (load.Account, error) { return readAb(w.out[0]) }}
			}},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromSent, Resolution: time.Microsecond,
				Doc: "-k: HTTP/1.0 with connections that are kept; -e: percentiles to 1 µs; -l -r: lengths may differ, lost connections are counted",
			}, func(o load.Order) plan {
				return plan{
					steps: []step{{args: abArgs(o, "-k", "-l", "-r", "-e", inherited(0))}},
					files: []string{""},
					read: func(w words) (load.Account, error) {
						a, err := readAb(w.out[0])
						if err != nil {
							return a, err
						}
						return a, readAbCSV(&a, w.files[0])
					},
				}
			}},
		},
	}.adapter(l)
}

// abFastest is above what one thread of it makes in a second. It ends at a
// number of requests even where it is given a time, and sets memory aside for
// all of them, up to abMost.
const (
	abFastest = 500_000
	abMost    = 1 << 25
)

func abArgs(o load.Order, more ...string) []string {
	most := strconv.Itoa(int(min(o.Duration/time.Second*abFastest, abMost)))
	// -n comes after -t, which sets it.
	args := []string{"-q", "-c", connections(o), "-t", seconds(o.Duration), "-n", most}
	args = append(append(args, more...), headerArgs("-H", headers(o))...)
	return append(args, o.URL())
}

var (
	abDone    = regexp.MustCompile(`(?m)^Complete requests: +(\d+)$`)
	abFailed  = regexp.MustCompile(`(?m)^Failed requests: +(\d+)$`)
	abNot2xx  = regexp.MustCompile(`(?m)^Non-2xx responses: +(\d+)$`)
	abRate    = regexp.MustCompile(`(?m)^Requests per second: +(\S+) `)
	abMean    = regexp.MustCompile(`(?m)^Time per request: +(\S+) \[ms\] \(mean\)$`)
	abAt      = regexp.MustCompile(`(?m)^ +(\d+)% +(\d+)$`)
	abLongest = regexp.MustCompile(`(?m)^ 100% +(\d+) \(longest request\)$`)
)

func readAb(text string) (load.Account, error) {
	done, failed := abDone.FindStringSubmatch(text), abFailed.FindStringSubmatch(text)
	if done == nil || failed == nil {
		return load.Account{}, errForeign
	}
	a := load.Account{Requests: count(done[1]), Errors: count(failed[1])}
	if m := abNot2xx.FindStringSubmatch(text); m != nil && a.Errors != nil {
		if n := count(m[1]); n != nil {
			*a.Errors += *n
		}
	}
	if m := abRate.FindStringSubmatch(text); m != nil {
		a.Throughput = figure(m[1])
	}
	milliseconds := func(m []string) *time.Duration {
		if m == nil {
			return nil
		}
		x := figure(m[1])
		if x == nil {
			return nil
		}
		return optional(*x, time.Millisecond)
	}
	a.Mean, a.Max = milliseconds(abMean.FindStringSubmatch(text)), milliseconds(abLongest.FindStringSubmatch(text))
	for _, m := range abAt.FindAllStringSubmatch(text, -1) {
		p, x := figure(m[1]), figure(m[2])
		if p != nil && x != nil {
			a.Quantiles = quantile(a.Quantiles, *p, *x, time.Millisecond)
		}
	}
	return a, nil
}

// readAbCSV takes the percentiles of its file, which are finer.
func readAbCSV(a *load.Account, file io.Reader) error {
	a.Quantiles = nil
	return lines(file, func(n int, line string) error {
		if n == 1 {
			return nil // the names of the columns
		}
		p, x, ok := strings.Cut(line, ",")
		percentile, value := figure(p), figure(x)
		if !ok || percentile == nil || value == nil {
			return fmt.Errorf("ab's percentiles: %q", line)
		}
		if *percentile == 100 {
			a.Max = optional(*value, time.Millisecond)
		}
		a.Quantiles = quantile(a.Quantiles, *percentile, *value, time.Millisecond)
		return nil
	})
}
