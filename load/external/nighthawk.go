package external

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Nighthawk is nighthawk_client with one worker. It is published as source
// only: its arguments and its output are taken from its documentation.
func Nighthawk(l *process.Launcher) load.Adapter {
	base := func(o load.Order) []string {
		return []string{"--concurrency", "1", "--rps", strconv.Itoa(int(math.Round(o.Rate))), "--connections", connections(o),
			"--duration", seconds(o.Duration), "--output-format", "json"}
	}
	return tool{
		name: "nighthawk", program: "nighthawk_client", remedy: "build it from github.com/envoyproxy/nighthawk and put nighthawk_client on PATH", version: "--version",
		untried: "read by its documented output; was never run here",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: time.Nanosecond,
				Doc: "one worker; held back while its connections are busy; quantiles between the steps that it prints",
			}, func(o load.Order) plan { return nighthawkPlan(o, base(o)...) }},
			{load.Setting{
				Name: load.Best, Loop: load.Dropping, From: load.FromSent, Paced: true, Resolution: time.Nanosecond,
				Doc: "--open-loop --prefetch-connections, a tenth of a gap of jitter; what finds no connection is dropped, and noted",
			}, func(o load.Order) plan {
				jitter := strconv.FormatFloat(0.1/o.Rate, 'f', 9, 64) + "s"
				return nighthawkPlan(o, append(base(o), "--open-loop", "--prefetch-connections", "--jitter-uniform", jitter)...)
			}},
		},
	}.adapter(l)
}

func nighthawkPlan(o load.Order, args ...string) plan {
	args = append(append(args, headerArgs("--request-header", headers(o))...), o.URL())
	return plan{steps: []step{{args: args}}, read: func(w words) (load.Account, error) { return readNighthawk(w.out[0]) }}
}

// nighthawkResult is one result of its output: of a worker, or of all.
type nighthawkResult struct {
	Name       string
	Statistics []struct {
		ID          string
		Count       string
		Mean, Max   string
		Percentiles []nighthawkStep
	}
	Counters []struct{ Name, Value string }
	Duration string `json:"execution_duration"`
}

type nighthawkStep struct {
	Percentile float64
	Duration   string
}

func readNighthawk(text string) (load.Account, error) {
	var said struct{ Results []nighthawkResult }
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return load.Account{}, fmt.Errorf("nighthawk's JSON: %w", err)
	}
	for _, r := range said.Results {
		// A run with one worker has one result, of that or of all.
		if r.Name == "global" || len(said.Results) == 1 {
			return r.account()
		}
	}
	return load.Account{}, errForeign
}

func (r nighthawkResult) account() (load.Account, error) {
	counters := map[string]int{}
	for _, c := range r.Counters {
		if n := count(c.Value); n != nil {
			counters[c.Name] = *n
		}
	}
	failed := counters["benchmark.http_4xx"] + counters["benchmark.http_5xx"] + counters["benchmark.http_xxx"] +
		counters["benchmark.stream_resets"] + counters["benchmark.pool_connection_failure"]
	a := load.Account{Errors: &failed}
	if n := counters["benchmark.pool_overflow"]; n > 0 {
		a.Notes = append(a.Notes, "for "+strconv.Itoa(n)+" requests it had no connection free")
	}
	for _, s := range r.Statistics {
		if s.ID != "benchmark_http_client.request_to_response" {
			continue
		}
		if a.Requests = count(s.Count); a.Requests == nil {
			return a, fmt.Errorf("%q answers", s.Count)
		}
		if x, ok := protoSeconds(r.Duration); ok && x > 0 {
			a.Throughput = finite(float64(*a.Requests) / x)
		}
		if *a.Requests > 0 {
			a.Mean, a.Max = protoTime(s.Mean), protoTime(s.Max)
			a.Quantiles = between(s.Percentiles)
		}
		return a, nil
	}
	return a, errForeign
}

// between reads the wanted quantiles off the steps of an HdrHistogram, which
// rise and seldom lie on them.
func between(steps []nighthawkStep) []load.Quantile {
	var found []load.Quantile
	for _, q := range wanted {
		for i, s := range steps {
			high, ok := protoSeconds(s.Duration)
			if s.Percentile < q || !ok {
				continue
			}
			at := high
			if i > 0 && s.Percentile > q {
				low, ok := protoSeconds(steps[i-1].Duration)
				if p := steps[i-1].Percentile; ok && p < q {
					at = low + (high-low)*(q-p)/(s.Percentile-p)
				}
			}
			found = quantile(found, 100*q, at, time.Second)
			break
		}
	}
	return found
}

// protoSeconds reads a duration as protobuf writes it in JSON: "0.000135839s".
func protoSeconds(s string) (float64, bool) {
	text, ok := strings.CutSuffix(s, "s")
	x := figure(text)
	if !ok || x == nil {
		return 0, false
	}
	return *x, true
}

func protoTime(s string) *time.Duration {
	x, ok := protoSeconds(s)
	if !ok {
		return nil
	}
	return optional(x, time.Second)
}
