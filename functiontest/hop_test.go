package functiontest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

// TestLimitOfAllWorkers: a limit of requests under way is the hop's, and not
// each worker's. Envoy compares and counts in two steps, so that each of its
// workers but one may let one more through.
func TestLimitOfAllWorkers(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	fn, err := b.Functions.Get("concurrency-limit")
	if err != nil {
		t.Fatal(err)
	}
	const limit, workers = 3, 4
	spec, trial := decode(t, fn, fmt.Sprintf(`{"limit": %d}`, limit)), fn.Trials[0]
	for _, at := range functiontest.Places(fn, b.DataPlanes.All()) {
		if at.Plane == nil {
			continue
		}
		at.Workers = workers
		requests := trial.Requests[0]
		requests.AtOnce = 40
		seen := at.Try(t, fn, spec, function.Trial{Replicas: trial.Replicas, Requests: []function.Request{requests}})
		err := fn.Judge(spec, seen)
		var crowd int
		if err != nil && at.Plane.Name() == "envoy" {
			if _, scan := fmt.Sscanf(err.Error(), "concurrency-limit: %d requests were at the service", &crowd); scan == nil && crowd < limit+workers {
				continue
			}
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", at.Name(), err, functiontest.Describe(seen))
		}
	}
}

// TestEnvoysRouterTakesATimeOfAFilter is what function/deadline says of headers
// other than grpc-timeout: a filter can ask Envoy's router for the time.
func TestEnvoysRouterTakesATimeOfAFilter(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	plane, err := b.DataPlanes.Get("envoy")
	if err != nil {
		t.Fatal(err)
	}
	form, err := b.Placements.Get(string(study.FormLua))
	if err != nil {
		t.Fatal(err)
	}
	fn := function.Function{Name: "ask", Lua: &function.Lua{Script: func(function.Spec) (string, error) {
		return `function envoy_on_request(handle)
  local h = handle:headers()
  h:replace("x-envoy-upstream-rq-timeout-ms", h:get("x-request-deadline"))
end`, nil
	}}}
	trial := function.Trial{
		Replicas: []function.Replica{{Answers: []function.Answer{{Delay: 3 * time.Second}}}},
		Requests: []function.Request{{Header: http.Header{"X-Request-Deadline": {"300"}}}},
	}
	at := functiontest.At{Plane: plane, Placement: form, Workers: 1}
	seen := at.Try(t, fn, nil, trial)
	if r := seen.Observations[0].Response; r == nil || r.Status != http.StatusGatewayTimeout || len(seen.Deliveries) != 1 || seen.Deliveries[0].Cancelled == 0 {
		t.Errorf("the router did not take it\n%s", functiontest.Describe(seen))
	}
}
