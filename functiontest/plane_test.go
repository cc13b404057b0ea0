package functiontest_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/cli"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/functiontest"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
)

// The test binary is tare when it is started as a proxy.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "proxy" || os.Args[1] == "serve") {
		os.Exit(cli.Main(cli.State{Args: os.Args[1:], Getenv: os.Getenv, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	if len(os.Args) > 1 && os.Args[1] == hostileArgument {
		os.Exit(hostileMain())
	}
	os.Exit(m.Run())
}

// live is traffic for real time: small buckets that are emptied and refill
// meanwhile, and large ones that only many workers at once can overdraw.
func live() functiontest.Traffic {
	w := functiontest.Traffic{
		Params: `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/s"}}`,
		Path:   "/pull", Free: "/auth", Burst: 400, Rounds: 13, Pause: 5 * time.Millisecond, Seed: 3,
	}
	for i := range 40 {
		w.Callers = append(w.Callers, function.Caller{User: fmt.Sprint("user-", i), Subscription: []string{"Personal", "Quick", "Team", "unlisted"}[i%4]})
	}
	w.Pressed = []function.Caller{
		{User: "user-0", Subscription: "Team"}, {User: "fresh", Subscription: "Personal"},
		{User: "user-1", Subscription: "Quick"}, {User: "user-2", Subscription: "Team"},
	}
	return w
}

// inProxies are the forms of the rate limit that run in a proxy, on every data
// plane there is.
func inProxies(t *testing.T, workers int) []functiontest.At {
	t.Helper()
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	var all []functiontest.At
	for _, plane := range b.DataPlanes.All() {
		for _, p := range placement.All() {
			if !p.At(study.SiteServer) || !p.Has(ratelimit.Function()) || p.On != nil && p.On(plane.Name()) != "" {
				continue
			}
			if p.Form == study.FormLua && workers > 1 {
				continue // Envoy's tables are a worker's own: see TestLuaCountsPerWorker
			}
			all = append(all, functiontest.At{Plane: plane, Placement: p, Workers: workers})
		}
	}
	return all
}

// TestRateLimitInProxies: every form on every plane, with two workers that
// draw from the same buckets.
func TestRateLimitInProxies(t *testing.T) {
	for _, at := range inProxies(t, 2) {
		form := at.Form(t)
		t.Run(form.Name, func(t *testing.T) {
			for _, err := range functiontest.FaultsLive(t, ratelimit.Function(), at.Form(t), live()) {
				t.Error(err)
			}
		})
	}
}

// TestLuaWithOneWorker: with one worker the script is exact.
func TestLuaWithOneWorker(t *testing.T) {
	for _, at := range inProxies(t, 1) {
		if at.Placement.Form != study.FormLua {
			continue
		}
		form := at.Form(t)
		t.Run(form.Name, func(t *testing.T) {
			for _, err := range functiontest.FaultsLive(t, ratelimit.Function(), form, live()) {
				t.Error(err)
			}
		})
	}
}

// TestLuaCountsPerWorker: with two workers the judge finds what is known of
// Envoy's: each has a table of its own. The embedded plane has one for all.
func TestLuaCountsPerWorker(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	fn := ratelimit.Function()
	for _, plane := range b.DataPlanes.All() {
		k := slices.IndexFunc(placement.All(), func(p placement.Placement) bool { return p.Form == study.FormLua })
		at := functiontest.At{Plane: plane, Placement: placement.All()[k], Workers: 2}
		t.Run(at.Form(t).Name, func(t *testing.T) {
			faults := functiontest.FaultsLive(t, fn, at.Form(t), live())
			if perWorker := plane.Name() == "envoy"; (len(faults) > 0) != perWorker {
				t.Errorf("counts per worker: want %v, the judge says %v", perWorker, faults)
			}
		})
	}
}

// mutants are forms that are told something else than their judge.
var mutants = []struct {
	name, params string
	only         study.Form // empty: every form
	brief        bool       // for forms that take long to stand, too
}{
	{"one more", `{"limits": {"Personal": "11/min", "Team": "100/min", "Quick": "50/s"}}`, "", false},
	{"one less", `{"limits": {"Personal": "9/min", "Team": "100/min", "Quick": "50/s"}}`, "", true},
	{"refills too slowly", `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/min"}}`, "", false},
	{"swaps subscriptions", `{"limits": {"Personal": "100/min", "Team": "10/min", "Quick": "50/s"}}`, "", false},
	{"limits another path", `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/s"}, "paths": ["/push"]}`, "", true},
	{"limits every path", `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/s"}, "paths": ["/pull", "/auth"]}`, "", false},
	{"limits the unlisted", `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/s"}, "others": "3/min"}`, "", false},
	{"forgets users", `{"limits": {"Personal": "10/min", "Team": "100/min", "Quick": "50/s"}, "users": 1}`, study.FormNative, false},
}

// TestMutantsInProxiesAreCaught: the judge objects to every one of them, in
// every form and on every plane.
func TestMutantsInProxiesAreCaught(t *testing.T) {
	fn := ratelimit.Function()
	for _, at := range inProxies(t, 1) {
		for _, m := range mutants {
			if m.only != "" && m.only != at.Placement.Form || at.Placement.Form == study.FormWasmGo && !m.brief {
				continue // a module from Go takes a proxy seconds to compile
			}
			t.Run(at.Form(t).Name+", "+m.name, func(t *testing.T) {
				other := live()
				other.Params = m.params
				told := other.Spec(t, fn)
				mutant := functiontest.Form{Name: m.name, Make: func(fn function.Function, _ function.Spec) (*functiontest.Instance, error) {
					return at.Form(t).Make(fn, told)
				}}
				if faults := functiontest.FaultsLive(t, fn, mutant, live()); len(faults) == 0 {
					t.Error("the judge finds nothing")
				}
			})
		}
	}
}
