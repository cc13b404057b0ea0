package functiontest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/function/routecontext"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/study"
)

// Routes are chosen by the claims of the token that was verified, though the
// token check stands in the chain and the route is looked for before it; what a
// client says of itself leads nowhere.
func TestRoutesByVerifiedClaims(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	check, route := jwt.Function(), routecontext.Function()
	good := check.Trials[0] // each request claims to be mallory's, of Enterprise
	token := decode(t, check, good.Params)
	both := function.Function{
		Name:   "claims",
		Decode: route.Decode,
		Native: &function.Native{
			Config: func(function.Spec) (function.FilterConfig, error) { return check.Native.Config(token) },
			Shape:  route.Native.Shape,
		},
		Replicas: routecontext.Services,
		Judge:    led,
		Trials: []function.Trial{{
			Name: "tokens",
			Params: `{"rules": [{"when": [{"from": "claim", "name": "user", "value": "mallory"}], "service": 2}, {"when": [{"from": "claim", "name": "subscription", "value": "Enterprise"}], "service": 2},` +
				` {"when": [{"from": "claim", "name": "user", "match": "present"}, {"from": "claim", "name": "subscription", "match": "present"}], "service": 1}]}`,
			Replicas: make([]function.Replica, routecontext.Services),
			Requests: good.Requests,
			Mutants: []function.Mutant{
				{Name: "believes the client", Spoil: func(e *function.Evidence) { e.Deliveries[0].Replica = 2 }},
				{Name: "the route from before the check", Spoil: func(e *function.Evidence) { e.Deliveries[0].Replica = 0 }},
				{Name: "a claim that is not there", Spoil: func(e *function.Evidence) {
					for i := range e.Deliveries {
						e.Deliveries[i].Replica = 1
					}
				}},
			},
		}},
	}
	functiontest.RunTrials(t, both, b.DataPlanes.All())
}

// led: requests went by the claims that arrived with them, which the token check
// wrote: to the second service with both, else to the first.
func led(_ function.Spec, e function.Evidence) error {
	without := 0
	for i := range e.Observations {
		got := e.Reached(i)
		if len(got) != 1 {
			return fmt.Errorf("request %d reached %v", i, function.Replicas(got))
		}
		h, want := got[0].Message.Header, 0
		if h.Get(function.UserHeader) == "mallory" || h.Get(function.SubscriptionHeader) == "Enterprise" {
			return fmt.Errorf("request %d arrived with what its client claims", i)
		}
		if h.Get(function.UserHeader) != "" && h.Get(function.SubscriptionHeader) != "" {
			want = 1
		} else {
			without++
		}
		if got[0].Replica != want {
			return fmt.Errorf("request %d with %q and %q reached service %d, not %d", i, h.Get(function.UserHeader), h.Get(function.SubscriptionHeader), got[0].Replica, want)
		}
	}
	if without == 0 || without == len(e.Observations) {
		return fmt.Errorf("%d of %d requests lack a claim: there should be both kinds", without, len(e.Observations))
	}
	return nil
}

func decode(t *testing.T, fn function.Function, text string) function.Spec {
	t.Helper()
	p, err := study.JSONParams(fn.Name, []byte(strings.TrimSpace(text)))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := fn.Decode(p)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
