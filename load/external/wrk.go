package external

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Wrk is wrk: every connection as fast as it is answered. To make up for what a
// closed loop hides it adds samples that it did not measure.
func Wrk(l *process.Launcher) load.Adapter {
	base := func(o load.Order) []string { return []string{"-c", connections(o), "-d", seconds(o.Duration) + "s"} }
	return tool{
		name: "wrk", program: "wrk", remedy: "Debian: apt-get install wrk", version: "-v",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent,
				Doc: "two threads; mean and maximum only; the mean is of measured and invented samples",
			}, func(o load.Order) plan { return wrkPlan(o, base(o)...) }},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromSent, Resolution: time.Microsecond,
				Doc: "-t 1 --latency, and a Lua function that prints quantiles to the microsecond: of measured and invented samples",
			}, func(o load.Order) plan {
				return wrkPlan(o, append(base(o), "-t", "1", "--latency", "-s", inherited(0))...)
			}},
		},
	}.adapter(l)
}

// Wrk2 is wrk2: wrk that keeps to a rate and counts from the intended time.
func Wrk2(l *process.Launcher) load.Adapter {
	base := func(o load.Order) []string {
		return []string{"-c", connections(o), "-d", seconds(o.Duration) + "s", "-R", number(o.Rate)}
	}
	const first = "; in a run of more than 10 s the first 10 are in no latency; a timer of 1 ms adds up to 1 ms"
	return tool{
		name: "wrk2", program: "wrk2", remedy: "build it from github.com/giltene/wrk2 and put it on PATH as wrk2", version: "-v",
		untried: "read by output of its own; no test runs it",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromIntended, Paced: true,
				Doc: "two threads; mean and maximum only" + first,
			}, func(o load.Order) plan { return wrkPlan(o, base(o)...) }},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromIntended, Paced: true, Resolution: time.Millisecond,
				Doc: "-t 1 --latency, and a Lua function that prints quantiles" + first,
			}, func(o load.Order) plan {
				return wrkPlan(o, append(base(o), "-t", "1", "--latency", "-s", inherited(0))...)
			}},
		},
	}.adapter(l)
}

func wrkPlan(o load.Order, args ...string) plan {
	args = append(append(args, headerArgs("-H", headers(o))...), o.URL())
	return plan{
		steps: []step{{args: args}},
		files: []string{wrkScript},
		read:  func(w words) (load.Account, error) { return readWrk(w.out[0]) },
	}
}

// ourWords begins what the script prints.
const ourWords = "-- in full --"

const wrkScript = `done = function(summary, latency)
  print("` + ourWords + `")
  print(string.format("mean %.3f", latency.mean))
  print(string.format("max %d", latency.max))
  for _, p in ipairs({50, 90, 99, 99.9}) do
    print(string.format("%s%% %d", p, latency:percentile(p)))
  end
end
`

var (
	wrkTotal   = regexp.MustCompile(`(?m)^ +(\d+) requests in `)
	wrkRate    = regexp.MustCompile(`(?m)^Requests/sec: +(\S+)$`)
	wrkLatency = regexp.MustCompile(`(?m)^    Latency +(\S+) +\S+ +(\S+) `)
	wrkSocket  = regexp.MustCompile(`(?m)^  Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$`)
	wrkStatus  = regexp.MustCompile(`(?m)^  Non-2xx or 3xx responses: (\d+)$`)
	wrkExact   = regexp.MustCompile(`(?m)^(mean|max|[0-9.]+%) (\S+)$`)
)

func readWrk(text string) (load.Account, error) {
	total, rate := wrkTotal.FindStringSubmatch(text), wrkRate.FindStringSubmatch(text)
	if total == nil || rate == nil {
		return load.Account{}, errForeign
	}
	a := load.Account{Requests: count(total[1]), Throughput: figure(rate[1])}
	failed := 0
	for _, m := range [][]string{wrkSocket.FindStringSubmatch(text), wrkStatus.FindStringSubmatch(text)} {
		for _, n := range m[min(1, len(m)):] {
			if c := count(n); c != nil {
				failed += *c
			}
		}
	}
	a.Errors = &failed
	if m := wrkLatency.FindStringSubmatch(text); m != nil {
		if d, ok := withUnit(m[1]); ok {
			a.Mean = &d
		}
		if d, ok := withUnit(m[2]); ok {
			a.Max = &d
		}
	}
	if _, ours, ok := strings.Cut(text, ourWords); ok {
		readWrkExact(&a, ours)
	}
	return a, nil
}

// readWrkExact takes the script's figures in place of the rounded ones. A run
// in which nothing was measured prints zeros and words for no number.
func readWrkExact(a *load.Account, ours string) {
	for _, m := range wrkExact.FindAllStringSubmatch(ours, -1) {
		x, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			continue
		}
		switch m[1] {
		case "mean":
			a.Mean = optional(x, time.Microsecond)
		case "max":
			a.Max = optional(x, time.Microsecond)
		default:
			if p := figure(strings.TrimSuffix(m[1], "%")); p != nil {
				a.Quantiles = quantile(a.Quantiles, *p, x, time.Microsecond)
			}
		}
	}
	if a.Max == nil || *a.Max == 0 {
		a.Mean, a.Max, a.Quantiles = nil, nil, nil
	}
}
