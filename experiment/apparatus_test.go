package experiment_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	builtin "github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// built is everything there is, as a run uses it.
func built(t *testing.T) experiment.Catalog {
	t.Helper()
	b, err := builtin.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.Catalog
}

func example(t *testing.T, name string) *study.Plan {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return planOf(t, string(text))
}

// What the treatments of the main example are made of.
func TestApparatusOfImageHub(t *testing.T) {
	p := example(t, "imagehub.yaml")
	a, err := experiment.NewApparatus(p, built(t))
	if err != nil {
		t.Fatal(err)
	}
	const check, limit, module = "envoy.filters.http.jwt_authn", "envoy.filters.http.local_ratelimit", "envoy.filters.http.wasm."
	for i, c := range []struct {
		name    string
		filters []string // nil: no proxy
		service []string
	}{
		{"direct", nil, nil},
		{"router", []string{}, nil},
		{"token", []string{check}, nil},
		{"token-aa", []string{check}, nil},
		{"native", []string{check, limit}, nil},
		{"library", []string{check}, []string{"ratelimit"}},
		{"noop-wasm", []string{check, module + "noop"}, nil},
		{"wasm", []string{check, module + "ratelimit"}, nil},
		{"library-off-mesh", nil, []string{"ratelimit"}},
	} {
		x := a.Topologies[i]
		var filters, service []string
		if x.Proxy != nil {
			filters = []string{}
			for _, f := range x.Proxy.Filters {
				filters = append(filters, f.Name)
			}
		}
		for _, f := range x.Service.Functions {
			service = append(service, f.Name)
		}
		if x.Name != c.name || !slices.Equal(filters, c.filters) || (filters == nil) != (c.filters == nil) || !slices.Equal(service, c.service) {
			t.Errorf("%s: proxy %v, service %v; want %+v", x.Name, filters, service, c)
		}
	}
	// No code can tell the A/A copy from what it copies.
	x, y := a.Topologies[2], a.Topologies[3]
	ignore := cmp.FilterPath(func(p cmp.Path) bool { f := p.String(); return f == "Name" || strings.HasPrefix(f, "Workload") }, cmp.Ignore())
	if diff := cmp.Diff(x, y, protocmp.Transform(), ignore); diff != "" {
		t.Errorf("the A/A copy differs: %s", diff)
	}
	if x.Proxy == y.Proxy {
		t.Error("two treatments share one proxy value")
	}
	users := p.Study.Load.Users
	if got := len(a.Population.Users); got != users.Count+1 {
		t.Errorf("%d users, want %d and one that probes", got, users.Count)
	}
	last := a.Population.Users[users.Count]
	if last.Weight != 0 || len(last.Header) != 1 || x.Probe.Header[0] != last.Header[0] {
		t.Errorf("the user who probes %+v, the probe %+v", last.Weight, x.Probe)
	}
}

// Every example stands, and keeps clear of its function's limits.
func TestExamplesAreClearOfTheirLimits(t *testing.T) {
	c := built(t)
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("examples %v, %v", files, err)
	}
	for _, file := range files {
		p := example(t, filepath.Base(file))
		a, err := experiment.NewApparatus(p, c)
		if err != nil {
			t.Error(err)
			continue
		}
		f, err := a.Forecast()
		if err != nil || f.Check() != nil {
			t.Errorf("%s: %v, %v", file, err, f.Check())
		}
		if (f != nil) != forecasts(t, p, c) {
			t.Errorf("%s: forecast %+v", file, f)
		}
		if f != nil && (f.Refused != 0 || f.Lowest < experiment.Headroom || f.Lowest >= 1 || f.Callers < 500 || f.User == "" || f.Treatment == "") {
			t.Errorf("%s: %+v", file, f)
		}
	}
}

// forecasts reports whether a treatment carries a function that limits anything.
func forecasts(t *testing.T, p *study.Plan, c experiment.Catalog) bool {
	t.Helper()
	for i := range p.Study.Treatments {
		for _, j := range p.Study.Carried(i) {
			f, err := c.Functions.Get(p.Study.FunctionOf(j).Name)
			if err != nil {
				t.Fatal(err)
			}
			if f.Forecast != nil {
				return true
			}
		}
	}
	return false
}

func TestForecastRefusesWhatComesTooNear(t *testing.T) {
	p := example(t, "imagehub.yaml")
	p.Study.Load.Users.Count = 20
	a, err := experiment.NewApparatus(p, built(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := a.Forecast()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err == nil || f.Refused == 0 || !strings.Contains(err.Error(), "would be refused") || !strings.Contains(err.Error(), f.User) {
		t.Errorf("%+v, %v", f, err)
	}
}

// The model sees, in order, exactly the requests that are sent before
// enforcement: none is missed, none is counted twice.
func TestForecastSeesWhatIsSent(t *testing.T) {
	text := strings.Replace(fakeStudy, "load: {rate: 200/s}", `load:
  rate: 200/s
  users: {count: 40, mix: [{subscription: Personal, share: 50%, weight: 1}, {subscription: Team, share: 50%, weight: 3}]}
enforcement: {subscription: Personal, share: 10%, requests: 20, duration: 500ms}`, 1)
	text = strings.Replace(text, "blocks: 12", "blocks: 4", 1)
	text = strings.Replace(text, "control_every: -1", "control_every: 2, solo: 500ms", 1)
	var seen [][]function.Arrival
	f := countdown(nil)
	f.Forecast = func(_ function.Spec, as []function.Arrival) (function.Forecast, error) {
		seen = append(seen, as)
		return function.Forecast{Lowest: 1}, nil
	}
	m := newMachine(0, 0, 0)
	j := &journal{}
	p, _, err := run(t, context.Background(), text, m, f, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := experiment.NewApparatus(p, catalog(t, m, f))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Forecast(); err != nil {
		t.Fatal(err)
	}
	if len(seen) != len(j.blocks) {
		t.Fatalf("%d forecasts of %d blocks", len(seen), len(j.blocks))
	}
	solos := 0
	for k, b := range j.blocks {
		var sent, foreseen []string
		for i, ph := range b.Phases {
			if ph.Phase.Kind == study.Solo {
				solos++
			}
			if ph.Phase.Kind == study.Enforce {
				continue
			}
			for _, x := range b.Samples[i] {
				if x.Target == 2 {
					sent = append(sent, userName(int(x.User)))
				}
			}
		}
		for i, x := range seen[k] {
			foreseen = append(foreseen, x.Caller.User)
			if i > 0 && x.At < seen[k][i-1].At {
				t.Fatalf("block %d: arrival %d goes back in time", k, i)
			}
			if x.Path != "/pull" {
				t.Fatalf("path %q: functions see it without the query", x.Path)
			}
		}
		if diff := cmp.Diff(sent, foreseen); diff != "" || len(sent) < 300 {
			t.Errorf("block %d: %d requests sent, %d foreseen: %s", k, len(sent), len(foreseen), diff)
		}
	}
	if solos != 4 {
		t.Errorf("%d solo windows", solos)
	}
}

func userName(i int) string { return fmt.Sprintf("user-%05d", i) }

// A testbed that is a program is named with the others, and an old plan that
// names none stands on the default one.
func TestProgramOfATestbed(t *testing.T) {
	m := newMachine(0, 0, 0)
	alone := strings.Replace(fakeStudy, "  - {name: b, form: library, baseline: a}\n", "", 1)
	p := planOf(t, alone)
	p.Study.Testbed = "picky"
	a, err := experiment.NewApparatus(p, catalog(t, m, countdown(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if ps, err := a.Programs(t.Context()); err != nil || len(ps) != 1 || ps[0].Version != "7" {
		t.Errorf("programs %+v, %v", ps, err)
	}
	p.Study.Testbed = ""
	if a, err = experiment.NewApparatus(p, catalog(t, m, countdown(nil))); err != nil || a.Testbed.Name() != study.DefaultTestbed {
		t.Errorf("without a testbed: %v", err)
	}
}

func TestApparatusRefusesWhatIsNotThere(t *testing.T) {
	m := newMachine(0, 0, 0)
	for _, c := range []struct{ name, from, to, want string }{
		{"no such function", "{name: countdown}", "{name: countup}", `fake.yaml:4:18: no thing is named "countup" (known: countdown, noop)`},
		{"no such workload", "workload: {name: fake}", "workload: {name: real}", `fake.yaml:3:18: no thing is named "real"`},
		{"no such testbed", "workload: {name: fake}", "testbed: moon\nworkload: {name: fake}", `fake.yaml:3:10: no thing is named "moon" (known: local, picky)`},
		{"a testbed that cannot hold it", "workload: {name: fake}", "testbed: picky\nworkload: {name: fake}", `fake.yaml:10:12: testbed picky cannot hold b: no functions here`},
		{"no such form", "form: library", "form: lua, site: server", "runs in a proxy"},
		{"a no-op", "form: library, baseline: a", "control: noop, form: library, baseline: a", "function noop has no form library: nobody has written it"},
		{"tokens of a workload without", "form: library, baseline: a", "control: token, baseline: a", "has no tokens to check"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := study.Parse("fake.yaml", []byte(strings.Replace(fakeStudy, c.from, c.to, 1)))
			var p *study.Plan
			if err == nil {
				p, err = study.MakePlan(*s, study.Options{})
			}
			if err == nil {
				_, err = experiment.NewApparatus(p, catalog(t, m, countdown(nil)))
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "fake.yaml:") {
				t.Errorf("got %v, want fake.yaml:… %s", err, c.want)
			}
		})
	}
}
