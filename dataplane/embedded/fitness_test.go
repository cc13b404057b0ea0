package embedded

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/balance"
)

// The page says who is ejected and what was refused.
func TestFitness(t *testing.T) {
	p := newProxy(envoyLimits)
	t.Cleanup(p.close)
	o := balance.DefaultOutlier()
	o.MostPercent = 100
	c := &config{
		clusters: map[string]bool{"service": true},
		members:  map[string]assignment{"service": {members: []balance.Member{{Addr: "10.0.0.1:80"}, {Addr: "10.0.0.2:80"}}, overprovision: overprovision}},
		how:      map[string]balanceSpec{"service": {config: balance.DefaultConfig(), limits: &balance.Limits{Connections: 9, Requests: 1}}},
	}
	how := c.how["service"]
	how.config.Outlier = &o
	c.how["service"] = how
	made := c.cluster(p, "service", nil)
	t.Cleanup(func() { retire(map[string]*cluster{"service": made}, nil) })
	p.use(&table{clusters: map[string]*cluster{"service": made}}, nil)
	var last *endpoint
	for range 10 { // five each
		e, why := made.choose(choice{})
		if why != noRefusal {
			t.Fatal(why)
		}
		if _, why := made.choose(choice{}); why != overloaded {
			t.Errorf("a second one: %v", why)
		}
		status := 200
		if e.addr == "10.0.0.2:80" {
			status = 503
		}
		made.done(e, outcome{status: status})
		last = e
	}
	if last == nil || made.glance().addr != "10.0.0.1:80" {
		t.Error("the ejected one was chosen")
	}
	var text strings.Builder
	if err := p.writeMetrics(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`tare_endpoint_healthy{cluster="service",endpoint="10.0.0.1:80"} 1`,
		`tare_endpoint_healthy{cluster="service",endpoint="10.0.0.2:80"} 0`,
		`tare_endpoint_ejected{cluster="service",endpoint="10.0.0.2:80"} 1`,
		`tare_endpoint_ejections_total{cluster="service",endpoint="10.0.0.2:80"} 1`,
		`tare_endpoint_requests_active{cluster="service",endpoint="10.0.0.1:80"} 0`,
		`tare_cluster_overflows_total{cluster="service",limit="requests"} 10`,
		`tare_cluster_requests_waiting{cluster="service"} 0`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
}

// A cluster goes on with its group and its breaker when endpoints come and go,
// and what the new configuration has no use for ends.
func TestClusterGoesOn(t *testing.T) {
	p := newProxy(envoyLimits)
	t.Cleanup(p.close)
	c := newConfig()
	c.clusters["service"] = true
	how := balanceSpec{config: balance.DefaultConfig(), limits: &balance.Limits{Connections: 1, Requests: 1}}
	how.config.Policy = balance.LeastRequest
	c.how["service"] = how
	of := func(addrs ...string) assignment {
		a := assignment{overprovision: overprovision}
		for _, addr := range addrs {
			a.members = append(a.members, balance.Member{Addr: addr})
		}
		return a
	}
	c.members["service"] = of("10.0.0.1:80")
	first := c.cluster(p, "service", nil)
	if c.cluster(p, "service", first) != first {
		t.Error("what has not changed is another one")
	}
	e, _ := first.choose(choice{})
	c.members["service"] = of("10.0.0.2:80")
	second := c.cluster(p, "service", first)
	if second == first || second.group != first.group || second.breaker != first.breaker {
		t.Error("it does not go on")
	}
	if _, why := second.choose(choice{}); why != overloaded {
		t.Errorf("the request under way is forgotten: %v", why)
	}
	first.done(e, outcome{status: 200})
	if e := second.glance(); e == nil || e.addr != "10.0.0.2:80" {
		t.Errorf("chosen: %v", e)
	}
	how.config.Policy, how.limits = balance.RoundRobin, nil
	c.how["service"] = how
	third := c.cluster(p, "service", second)
	if third.group != nil || third.breaker != nil || third.glance().addr != "10.0.0.2:80" {
		t.Errorf("plain again: %+v", third)
	}
	retire(map[string]*cluster{"service": second}, map[string]*cluster{"service": third})
}

// Who was tried before is chosen again only when there is nobody else.
func TestAnotherOne(t *testing.T) {
	for _, policy := range []balance.Policy{balance.RoundRobin, balance.LeastRequest, balance.RingHash, balance.Maglev, balance.Random} {
		p := newProxy(envoyLimits)
		t.Cleanup(p.close)
		c := newConfig()
		c.clusters["service"] = true
		how := balanceSpec{config: balance.DefaultConfig()}
		how.config.Policy = policy
		c.how["service"] = how
		c.members["service"] = assignment{members: []balance.Member{{Addr: "10.0.0.1:80"}, {Addr: "10.0.0.2:80"}}, overprovision: overprovision}
		made := c.cluster(p, "service", nil)
		for range 50 {
			e, _ := made.choose(choice{})
			other, _ := made.choose(choice{tried: []*endpoint{e}})
			if other == e {
				t.Fatalf("policy %d: the one that was tried", policy)
			}
			if again, _ := made.choose(choice{tried: []*endpoint{e, other}}); again == nil {
				t.Fatalf("policy %d: nobody", policy)
			}
		}
		retire(map[string]*cluster{"service": made}, nil)
	}
}

// BenchmarkChoose is what it costs to choose an endpoint and to give it back.
func BenchmarkChoose(b *testing.B) {
	for _, c := range []struct {
		name   string
		hosts  int
		change func(*balanceSpec)
	}{
		{"one", 1, func(*balanceSpec) {}},
		{"in turn", 3, func(*balanceSpec) {}},
		{"least request", 3, func(s *balanceSpec) { s.config.Policy = balance.LeastRequest }},
		{"maglev", 3, func(s *balanceSpec) { s.config.Policy = balance.Maglev }},
		{"outlier detection", 3, func(s *balanceSpec) { o := balance.DefaultOutlier(); s.config.Outlier = &o }},
		{"limits", 3, func(s *balanceSpec) { l := balance.DefaultLimits(); s.limits = &l }},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := newProxy(envoyLimits)
			b.Cleanup(p.close)
			conf := newConfig()
			conf.clusters["service"] = true
			how := balanceSpec{config: balance.DefaultConfig()}
			c.change(&how)
			conf.how["service"] = how
			a := assignment{overprovision: overprovision}
			for i := range c.hosts {
				a.members = append(a.members, balance.Member{Addr: fmt.Sprintf("10.0.0.%d:80", i)})
			}
			conf.members["service"] = a
			made := conf.cluster(p, "service", nil)
			b.Cleanup(func() { retire(map[string]*cluster{"service": made}, nil) })
			b.ReportAllocs()
			for b.Loop() {
				e, _ := made.choose(choice{})
				made.done(e, outcome{status: 200})
			}
		})
	}
}
