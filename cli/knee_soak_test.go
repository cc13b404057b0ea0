//go:build soak

package cli_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// worker is one worker whose capacity is known: each request takes 1 ms of its
// CPU time, and a little for HTTP, which is measured.
const worker = `tare: study/1
name: worker
workload: {name: echo, params: {work: 1ms}}
load: {rate: 500/s, connections: 32}
treatments: [{name: plain, control: direct}]
design: {name: knee, objective: "p50<3ms", time: 3m, probe: 3s, warmup: 300, idle: 200ms, stop: fixed}
`

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

// On a quiet machine the knee of a real worker is where the queue's formula has
// it, with the service time that its CPU clock says and the time on the way that
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
	var services []float64
	low := k.Curve[0]
	for _, p := range k.Curve {
		if p.CPU != nil && math.Abs(p.Rate / *k.Rate - 1) < 0.2 {
			services = append(services, *p.CPU*1e-6)
		}
	}
	slices.Sort(services)
	service := services[len(services)/2]
	// What a median at low load has beside the service and its wait.
	way := *low.P50 * 1e-6
	for inTime(low.Rate, service, way) > 0.5 {
		way -= 1e-6
	}
	way = *low.P50*1e-6 - way
	truth, step := 0.0, 0.1
	for inTime(truth+step, service, 3e-3-way) > 0.5 {
		truth += step
	}
	t.Logf("service %.0f µs, on the way %.0f µs: the formula has the knee at %.0f/s, the run at %.0f/s (%.0f to %.0f); host %.0f %% busy", service*1e6, way*1e6, truth, *k.Rate, *k.Low, *k.High, 100*r.Apparatus.HostBusy)
	if math.Abs(*k.Rate/truth-1) > 0.05 {
		t.Errorf("the knee is off by %+.1f %%", 100*(*k.Rate/truth-1))
	}
	if truth < *k.Low || truth > *k.High {
		t.Error("the interval does not cover the knee")
	}
}
