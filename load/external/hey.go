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

// Hey is hey: workers that each keep to a share of the rate as long as they are
// answered. It keeps the first million results.
func Hey(l *process.Launcher) load.Adapter {
	return tool{
		name: "hey", program: "hey", remedy: "Debian: apt-get install hey",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: 100 * time.Microsecond,
				Doc: "quantiles to 0.1 ms, of the first million results; workers fire together",
			}, func(o load.Order) plan {
				return plan{steps: []step{{args: heyArgs(o)}}, read: func(w words) (load.Account, error) { return readHey(w.out[0]) }}
			}},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: 100 * time.Microsecond,
				Doc: "-o csv: exact quantiles of single times, which it prints to 0.1 ms, of the first million; requests without an answer are in no row",
			}, func(o load.Order) plan {
				return plan{
					steps: []step{{args: heyArgs(o, "-o", "csv", "-disable-compression", "-disable-redirects")}},
					read:  func(w words) (load.Account, error) { return readHeyCSV(strings.NewReader(w.out[0])) },
				}
			}},
		},
	}.adapter(l)
}

func heyArgs(o load.Order, more ...string) []string {
	args := []string{"-c", connections(o), "-z", o.Duration.String(), "-q", perConnection(o)}
	if named := o.Target.Host; named != "" && named != o.Target.Addr {
		args = append(args, "-host", named)
	}
	args = append(append(args, more...), headerArgs("-H", o.Request.Header)...)
	return append(args, o.URL())
}

var (
	heyRate    = regexp.MustCompile(`(?m)^  Requests/sec:\t(\S+)$`)
	heyMean    = regexp.MustCompile(`(?m)^  Average:\t\s*(\S+) secs$`)
	heyMax     = regexp.MustCompile(`(?m)^  Slowest:\t\s*(\S+) secs$`)
	heyAnswers = regexp.MustCompile(`(?m)^  \[(\d+)\]\t(\d+) responses$`)
	heyErrors  = regexp.MustCompile(`(?m)^  \[(\d+)\]\t`)
	heyAt      = regexp.MustCompile(`(?m)^  ([0-9.]+)% in (\S+) secs$`)
)

func readHey(text string) (load.Account, error) {
	rate := heyRate.FindStringSubmatch(text)
	if rate == nil {
		return load.Account{}, errForeign
	}
	answers, failed := 0, 0
	for _, m := range heyAnswers.FindAllStringSubmatch(text, -1) {
		n := count(m[2])
		if n == nil {
			return load.Account{}, fmt.Errorf("%q responses", m[2])
		}
		answers += *n
		if isFailure(m[1]) {
			failed += *n
		}
	}
	if _, without, ok := strings.Cut(text, "Error distribution:\n"); ok {
		for _, m := range heyErrors.FindAllStringSubmatch(without, -1) {
			if n := count(m[1]); n != nil {
				failed += *n
			}
		}
	}
	a := load.Account{Requests: &answers, Errors: &failed, Throughput: figure(rate[1])}
	if answers == 0 {
		a.Throughput = nil // its rate is that of the tries
		return a, nil
	}
	for _, f := range []struct {
		to   **time.Duration
		from *regexp.Regexp
	}{{&a.Mean, heyMean}, {&a.Max, heyMax}} {
		if m := f.from.FindStringSubmatch(text); m != nil {
			if x := figure(m[1]); x != nil {
				*f.to = optional(*x, time.Second)
			}
		}
	}
	for _, m := range heyAt.FindAllStringSubmatch(text, -1) {
		p, x := figure(m[1]), figure(m[2])
		if p != nil && x != nil {
			a.Quantiles = quantile(a.Quantiles, *p, *x, time.Second)
		}
	}
	return a, nil
}

func isFailure(status string) bool {
	n, err := strconv.Atoi(status)
	return err != nil || n >= 400
}

// heyHead begins its CSV: the time is the first column, the last is when the
// request began.
const heyHead = "response-time,"

func readHeyCSV(r io.Reader) (load.Account, error) {
	var latencies []float64
	end, headed, failed := 0.0, false, 0
	err := lines(r, func(n int, line string) error {
		switch {
		case n == 1 && strings.HasPrefix(line, heyHead):
			headed = true
			return nil
		case n == 1:
			return errForeign
		case line == "":
			return nil
		}
		columns := strings.Split(line, ",")
		if len(columns) != 8 {
			return fmt.Errorf("%d columns, not 8", len(columns))
		}
		x, err := latency(columns[0], time.Second)
		if err != nil {
			return err
		}
		began, err := latency(columns[7], time.Second)
		latencies, end = append(latencies, x), max(end, began+x)
		if isFailure(columns[6]) {
			failed++
		}
		return err
	})
	if err != nil {
		return load.Account{}, fmt.Errorf("hey's CSV: %w", err)
	}
	if !headed {
		return load.Account{}, errForeign
	}
	var a load.Account
	exact(&a, latencies)
	if failed > 0 { // else it cannot tell: what had no answer is in no row
		a.Errors = &failed
	}
	if end > 0 {
		a.Throughput = finite(float64(len(latencies)) / (end / float64(time.Second)))
	}
	return a, nil
}
