package external

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Fortio is fortio load: one goroutine for each connection, which keeps to its
// share of the rate and sends at once what it could not send in time.
func Fortio(l *process.Launcher) load.Adapter {
	return tool{
		name: "fortio", program: "fortio", remedy: "go install fortio.org/fortio@v1.63.5", version: "version",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: time.Millisecond,
				Doc: "a histogram whose first buckets are 1 ms wide; connections fire together",
			}, func(o load.Order) plan { return fortioPlan(o) }},
			{load.Setting{
				Name: load.Best, Loop: load.ClosedLoop, From: load.FromSent, Paced: true, Resolution: time.Microsecond,
				Doc: "-uniform -jitter, buckets from 1 µs on (10 to 20 % wide), errors counted and not fatal",
			}, func(o load.Order) plan {
				return fortioPlan(o, "-uniform", "-jitter", "-r", "1e-6", "-p", "50,90,99,99.9", "-allow-initial-errors", "-log-errors=false")
			}},
		},
	}.adapter(l)
}

func fortioPlan(o load.Order, more ...string) plan {
	args := []string{"load", "-quiet", "-qps", number(o.Rate), "-c", connections(o), "-t", o.Duration.String(), "-json", inherited(0)}
	args = append(append(args, more...), headerArgs("-H", headers(o))...)
	return plan{
		steps: []step{{args: append(args, o.URL())}},
		files: []string{""},
		read:  func(w words) (load.Account, error) { return readFortio(w.files[0]) },
	}
}

func readFortio(r io.Reader) (load.Account, error) {
	var said struct {
		ActualQPS         *float64
		DurationHistogram *struct {
			Count       int
			Max, Avg    float64
			Percentiles []struct{ Percentile, Value float64 }
		}
		ErrorsDurationHistogram *struct{ Count int }
	}
	if err := json.NewDecoder(r).Decode(&said); err != nil {
		return load.Account{}, fmt.Errorf("fortio's JSON: %w", err)
	}
	h := said.DurationHistogram
	if h == nil || said.ActualQPS == nil {
		return load.Account{}, errForeign
	}
	a := load.Account{Requests: &h.Count, Throughput: finite(*said.ActualQPS)}
	if e := said.ErrorsDurationHistogram; e != nil {
		a.Errors = &e.Count
	}
	if h.Count == 0 {
		return a, nil
	}
	a.Mean, a.Max = optional(h.Avg, time.Second), optional(h.Max, time.Second)
	for _, p := range h.Percentiles {
		a.Quantiles = quantile(a.Quantiles, p.Percentile, p.Value, time.Second)
	}
	return a, nil
}
