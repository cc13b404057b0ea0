package external

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
)

// Vegeta is vegeta attack: an open loop at even gaps, with as many workers as
// that takes.
func Vegeta(l *process.Launcher) load.Adapter {
	return tool{
		name: "vegeta", program: "vegeta", remedy: "go install github.com/tsenart/vegeta/v12@v12.13.0", version: "-version",
		ways: []way{
			{load.Setting{
				Name: load.Defaults, Loop: load.OpenLoop, From: load.FromSent, Paced: true, Resolution: time.Microsecond,
				Doc: "10 workers to start with and no limit; quantiles from a t-digest; opens as many connections as it wants",
			}, func(o load.Order) plan {
				p := vegetaAttack(o)
				p.steps = append(p.steps, step{args: []string{"report", "-type=json", inherited(0)}})
				p.read = func(w words) (load.Account, error) { return readVegeta(w.out[1]) }
				return p
			}},
			{load.Setting{
				Name: load.Best, Loop: load.OpenLoop, From: load.FromSent, Paced: true, Resolution: time.Microsecond,
				Doc: "-workers N -connections and -max-workers at the cap, bodies not kept; exact quantiles of single times, from its CSV, whose making is in its CPU time",
			}, func(o load.Order) plan {
				p := vegetaAttack(o, "-workers", connections(o), "-connections", most(o), "-max-workers", most(o),
					"-max-body", "0", "-redirects", "-1", "-http2=false")
				p.files = append(p.files, "")
				p.steps = append(p.steps, step{args: []string{"encode", "-to", "csv", "-output", inherited(1), inherited(0)}})
				p.read = func(w words) (load.Account, error) { return readVegetaCSV(w.files[1]) }
				return p
			}},
		},
	}.adapter(l)
}

func vegetaAttack(o load.Order, more ...string) plan {
	target := "GET " + o.URL() + "\n"
	for _, h := range headers(o) {
		target += h[0] + ": " + h[1] + "\n"
	}
	args := []string{"attack", "-rate", vegetaRate(o.Rate), "-duration", o.Duration.String(), "-output", inherited(0)}
	return plan{steps: []step{{args: append(args, more...), input: target}}, files: []string{""}}
}

// vegetaRate is a whole number of requests in some time: it knows no others.
func vegetaRate(rate float64) string {
	if rate == math.Trunc(rate) {
		return number(rate) + "/1s"
	}
	return strconv.FormatInt(int64(math.Round(rate*1000)), 10) + "/1000s"
}

func readVegeta(text string) (load.Account, error) {
	var said struct {
		Latencies *struct {
			Mean, Max float64
			P50       float64 `json:"50th"`
			P90       float64 `json:"90th"`
			P99       float64 `json:"99th"`
		}
		Requests   *int
		Throughput float64
		Success    float64
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return load.Account{}, fmt.Errorf("vegeta's JSON: %w", err)
	}
	l, n := said.Latencies, said.Requests
	if l == nil || n == nil || *n < 0 {
		return load.Account{}, errForeign
	}
	a := load.Account{Requests: n, Throughput: finite(said.Throughput)}
	if said.Success >= 0 && said.Success <= 1 {
		failed := int(math.Round((1 - said.Success) * float64(*n)))
		a.Errors = &failed
	}
	if *n == 0 {
		return a, nil
	}
	a.Mean, a.Max = optional(l.Mean, 1), optional(l.Max, 1)
	for _, q := range []struct{ percentile, at float64 }{{50, l.P50}, {90, l.P90}, {99, l.P99}} {
		a.Quantiles = quantile(a.Quantiles, q.percentile, q.at, 1)
	}
	return a, nil
}

// readVegetaCSV reads single results: when it began, status, latency, bytes
// out, bytes in, error, and more.
func readVegetaCSV(r io.Reader) (load.Account, error) {
	var latencies []float64
	failed := 0
	first, last := math.Inf(1), 0.0
	err := lines(r, func(_ int, line string) error {
		columns := strings.SplitN(line, ",", 7)
		if len(columns) != 7 {
			return fmt.Errorf("%d columns, not 7 or more", len(columns))
		}
		began, err := latency(columns[0], 1)
		if err != nil {
			return err
		}
		x, err := latency(columns[2], 1)
		if err != nil {
			return err
		}
		if columns[1] == "0" || columns[5] != "" || isFailure(columns[1]) {
			failed++
		}
		latencies = append(latencies, x)
		first, last = min(first, began), max(last, began+x)
		return nil
	})
	if err != nil {
		return load.Account{}, fmt.Errorf("vegeta's CSV: %w", err)
	}
	a := load.Account{Errors: &failed}
	exact(&a, latencies)
	if last > first {
		a.Throughput = finite(float64(len(latencies)-failed) / (last - first) * float64(time.Second))
	}
	return a, nil
}
