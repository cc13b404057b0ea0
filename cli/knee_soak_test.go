//go:build soak

package cli_test

import (
	"encoding/json"
	"math"
	"testing"
)

// worker is one worker whose capacity is known from a closed loop: each request
// takes 1 ms of its CPU time, and a little for HTTP. The formula is of first come
// first served, and Go's scheduler serves otherwise: at 80 % of the capacity its
// median is a quarter lower and its p90 the same. So the objective lies near the
// capacity, where the order matters little: with p50<3ms the knee is 863/s, and
// the formula's 804.
const worker = `tare: study/1
name: worker
workload: {name: echo, params: {work: 1ms}}
load: {rate: 500/s, connections: 32}
treatments: [{name: plain, control: direct}]
design: {name: knee, objective: "p50<10ms", time: 3m, probe: 3s, warmup: 300, idle: 200ms, stop: fixed}
`

// closedWorker asks the same worker as fast as it answers. What its CPU clock says
// of a request near the knee (1.07 ms) is more than one over this rate: a part of
// it, the network's, is done on another core meanwhile.
const closedWorker = `tare: study/1
name: closed-worker
workload: {name: echo, params: {work: 1ms}}
load: {rate: 300/s, connections: 32}
treatments:
  - {name: plain, control: direct}
  - {name: plain-aa, control: aa, baseline: plain}
  - {name: other, baseline: plain, workload: {work: 1001us}}
design: {name: pairs, pair: [plain, other], levels: [closed], blocks: 6, latency: 2s, warmup: 300, closed: 1s}
`

// capacity is what the worker answers in a second, median over blocks.
func capacity(t *testing.T) float64 {
	t.Helper()
	run := tare(t, t.TempDir(), "run", write(t, closedWorker), "-o", "json")
	var r struct {
		Pairs struct {
			Rows []struct {
				Endpoint string
				Baseline struct{ Value float64 }
			}
		}
	}
	if err := json.Unmarshal([]byte(run.out), &r); err != nil {
		t.Fatalf("exit %d, %v\n%s", run.code, err, run.err)
	}
	for _, row := range r.Pairs.Rows {
		if row.Endpoint == "throughput" {
			return row.Baseline.Value
		}
	}
	t.Fatalf("no throughput:\n%s", run.err)
	return 0
}

// inTime is the chance that a response of an M/D/1 queue takes at most t seconds:
// Erlang's formula, as in package experiment.
func inTime(rate, service, t float64) float64 {
	t -= service
	var sum float64
	for j := 0; float64(j) <= t/service; j++ {
		term := math.Exp(rate * (t - float64(j)*service))
		for i := 1; i <= j; i++ {
			term *= -rate * (t - float64(j)*service) / float64(i)
		}
		sum += term
	}
	return (1 - rate*service) * sum
}

// quantile is the response time, in seconds, that a share of the requests keeps.
func quantile(rate, service, share float64) float64 {
	t := service
	for inTime(rate, service, t) < share && t < 100*service {
		t += 1e-6
	}
	return t
}

// On a quiet machine the knee of a real worker is where the queue's formula has
// it, with the service time that its capacity says and the time on the way that
// is left of a median at low load.
func TestSoakKneeOfARealQueue(t *testing.T) {
	run := tare(t, t.TempDir(), "knee", write(t, worker), "-o", "json")
	if run.code != 0 {
		t.Fatalf("exit %d\n%s", run.code, run.err)
	}
	var r struct {
		Knee struct {
			Treatments []struct {
				Rate, Low, High *float64
				Curve           []struct {
					Rate float64
					P50  *float64 `json:"p50_us"`
					P90  *float64 `json:"p90_us"`
					CPU  *float64 `json:"cpu_us_per_request"`
				}
			}
		}
		Apparatus struct {
			HostBusy float64 `json:"host_busy"`
		}
	}
	if err := json.Unmarshal([]byte(run.out), &r); err != nil {
		t.Fatal(err)
	}
	k := r.Knee.Treatments[0]
	if k.Low == nil {
		t.Fatalf("no knee:\n%s", run.err)
	}
	service := 1 / capacity(t)
	low := k.Curve[0]
	// What a median at low load has beside the service and its wait.
	way := *low.P50 * 1e-6
	for inTime(low.Rate, service, way) > 0.5 {
		way -= 1e-6
	}
	way = *low.P50*1e-6 - way
	truth, step := 0.0, 0.1
	for inTime(truth+step, service, 10e-3-way) > 0.5 {
		truth += step
	}
	t.Logf("service %.0f µs, on the way %.0f µs: the formula has the knee at %.0f/s, the run at %.0f/s (%.0f to %.0f); host %.0f %% busy", service*1e6, way*1e6, truth, *k.Rate, *k.Low, *k.High, 100*r.Apparatus.HostBusy)
	for _, p := range k.Curve {
		if p.P50 != nil && p.P90 != nil && p.Rate*service < 1 {
			t.Logf("at %.0f/s: p50 %.0f µs, of first come first served %.0f; p90 %.0f µs, %.0f", p.Rate, *p.P50, 1e6*(way+quantile(p.Rate, service, 0.5)), *p.P90, 1e6*(way+quantile(p.Rate, service, 0.9)))
		}
	}
	if math.Abs(*k.Rate/truth-1) > 0.05 {
		t.Errorf("the knee is off by %+.1f %%", 100*(*k.Rate/truth-1))
	}
	if truth < *k.Low || truth > *k.High {
		t.Error("the interval does not cover the knee")
	}
}
