package experiment

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// Catalog is what a plan's names are looked up in.
type Catalog struct {
	Functions  named.Set[function.Function]
	Placements named.Set[placement.Placement]
	Workloads  named.Set[workload.Workload]
	Generators named.Set[load.Generator]
	DataPlanes named.Set[dataplane.DataPlane]
	Testbeds   named.Set[testbed.Testbed]
}

// Apparatus is a plan with its names looked up: what will stand and who will
// send requests. It is a value; nothing has been started.
type Apparatus struct {
	Plan       *study.Plan
	Generator  load.Generator
	Testbed    testbed.Testbed
	Topologies []testbed.Topology
	Population load.Population

	planes   []dataplane.DataPlane // as the study lists them
	carried  [][]carried           // by treatment
	offers   []offer               // by treatment
	workload workload.Workload
	prepared *workload.Prepared
	callers  []function.Caller // by user
	groups   map[string][]int  // users by subscription
}

// carried is a function that a treatment carries: its own, or that of what it
// is built on.
type carried struct {
	step     int // of the ladder: the treatment that adds it
	function function.Function
	spec     function.Spec
}

// tokenCheck is the function that the control "token" adds.
const tokenCheck = "jwt"

// NewApparatus looks up everything that the plan names and decodes all
// parameters, so that whatever is wrong is said before anything starts.
func NewApparatus(p *study.Plan, c Catalog) (*Apparatus, error) {
	a := &Apparatus{Plan: p, groups: map[string][]int{}}
	s := &p.Study
	var err error
	if a.Generator, err = c.Generators.Get(s.Load.Generator); err != nil {
		return nil, s.Errorf("$.load.generator", "%w", err)
	}
	if a.Testbed, err = c.Testbeds.Get(cmp.Or(s.Testbed, study.DefaultTestbed)); err != nil {
		return nil, s.Errorf("$.testbed", "%w", err)
	}
	if a.workload, err = c.Workloads.Get(s.Workload.Name); err != nil {
		return nil, s.Errorf("$.workload.name", "%w", err)
	}
	if err := a.findPlanes(c); err != nil {
		return nil, err
	}
	if s.Function != nil {
		if _, err := c.Functions.Get(s.Function.Name); err != nil {
			return nil, s.Errorf("$.function.name", "%w", err)
		}
	}
	if err := a.populate(); err != nil {
		return nil, err
	}
	for i := range s.Treatments {
		d, err := a.settle(i)
		if err == nil {
			err = a.build(d, c)
		}
		if err != nil {
			return nil, err
		}
		a.Topologies = append(a.Topologies, d.topology)
		a.offers = append(a.offers, d.offer)
	}
	a.Population.Requests = []load.Request{{Method: a.method(), Path: a.prepared.Path}}
	return a, a.checkTestbed()
}

// findPlanes looks up the data planes of the study, and those that treatments
// have of a factor.
func (a *Apparatus) findPlanes(c Catalog) error {
	s := &a.Plan.Study
	names, of := slices.Clone([]string(s.DataPlane)), map[string]string{}
	for i := range s.Treatments {
		if name := s.PlaneOf(i); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
			of[name] = a.settingAt(i, "dataplane")
		}
	}
	for _, name := range names {
		plane, err := dataplane.Get(c.DataPlanes, name)
		if err != nil {
			return s.Errorf(cmp.Or(of[name], s.PlanesAt()), "%w", err)
		}
		a.planes = append(a.planes, plane)
	}
	return nil
}

// checkTestbed lets a testbed that cannot hold every topology say so.
func (a *Apparatus) checkTestbed() error {
	c, ok := a.Testbed.(testbed.Checker)
	if !ok {
		return nil
	}
	for i, t := range a.Topologies {
		if err := c.Check(t); err != nil {
			return a.Plan.Study.Errorf(a.Plan.Study.At(i, "name"), "testbed %s cannot hold %s: %w", a.Testbed.Name(), t.Name, err)
		}
	}
	return nil
}

// Programs says what the proxies are, for each data plane that a topology has,
// and what the testbed is where it is a program.
func (a *Apparatus) Programs(ctx context.Context) ([]dataplane.Program, error) {
	var ps []dataplane.Program
	for _, plane := range a.planes {
		if !slices.ContainsFunc(a.Topologies, func(t testbed.Topology) bool { return len(t.Proxies()) > 0 && t.DataPlane == plane.Name() }) {
			continue
		}
		p, err := plane.Program(ctx)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	if b, ok := a.Testbed.(testbed.Programmed); ok {
		p, err := b.Program(ctx)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// populate makes the users and prepares the workload for them. The last user,
// of weight 0, only probes.
func (a *Apparatus) populate() error {
	users := []workload.User{}
	weights := []float64{}
	if u := a.Plan.Study.Load.Users; u != nil {
		sizes := u.Sizes()
		for i, g := range u.Mix {
			for range sizes[i] {
				a.groups[g.Subscription] = append(a.groups[g.Subscription], len(users))
				users = append(users, workload.User{Name: fmt.Sprintf("user-%05d", len(users)), Subscription: g.Subscription})
				weights = append(weights, g.Weight)
			}
		}
	} else {
		users = append(users, workload.User{Name: "anyone"})
		weights = append(weights, 1)
	}
	users = append(users, workload.User{Name: "probe", Subscription: users[0].Subscription})
	weights = append(weights, 0)
	var err error
	if a.prepared, err = a.workload.Prepare(users); err != nil {
		return fmt.Errorf("prepare workload %s: %w", a.workload.Name, err)
	}
	for _, h := range a.Plan.Study.Load.Headers.All() {
		if len(a.prepared.Tokens) > 0 && strings.EqualFold(h[0], "authorization") {
			return a.Plan.Study.Errorf("$.load.headers", "header %q: workload %s gives every user a token of its own there", h[0], a.workload.Name)
		}
	}
	for i, u := range users {
		a.callers = append(a.callers, function.Caller{User: u.Name, Subscription: u.Subscription})
		lu := load.User{Weight: weights[i]}
		if len(a.prepared.Tokens) > 0 {
			lu.Header = [][2]string{{"Authorization", "Bearer " + a.prepared.Tokens[i]}}
		}
		lu.Header = append(lu.Header, a.Plan.Study.Load.Headers.All()...)
		a.Population.Users = append(a.Population.Users, lu)
	}
	return nil
}

// build makes the topology of a draft: what its treatment's ladder adds, step by
// step, and what its settings add to the whole.
func (a *Apparatus) build(d *draft, c Catalog) error {
	s := &a.Plan.Study
	i, t := d.treatment, &d.topology
	if err := a.decode(d, c); err != nil {
		return err
	}
	params := s.Workload.Params
	for _, j := range s.Ladder(i) {
		step := s.Treatments[j]
		var err error
		switch {
		case step.Control == study.Router:
			t.Route(cmp.Or(step.Site, study.SiteServer), routerProxy())
			t.DataPlane = s.PlaneOf(i)
		case step.Control == study.Relay:
			t.Relay = &testbed.Relay{}
		case step.Control == study.Token:
			err = a.addTokenCheck(j, t, c)
		case step.Control == study.Noop:
			err = a.addNoop(j, t, c)
		case step.Form != "":
			err = a.placeCarried(i, j, t, c)
		case !step.Workload.IsZero():
			params = step.Workload
		}
		if err != nil {
			return err
		}
	}
	if err := a.encrypt(d, c); err != nil {
		return err
	}
	if err := a.addChain(d, c); err != nil {
		return err
	}
	if p := t.Last(); p != nil {
		p.AccessLog = d.log
	}
	if all := t.Proxies(); len(all) > 0 {
		all[0].AnyHTTP = d.offer.protocol == load.HTTP2
	}
	if t.Replicas > 1 && len(t.Service.Functions) > 0 {
		return s.Errorf(a.settingAt(i, "replicas"), "treatment %q: factor replicas at %d: function %s in form library would be %d functions, each with a state of its own",
			t.Name, t.Replicas, t.Service.Functions[0].Name, t.Replicas)
	}
	return a.configure(d, params)
}

// decode looks up the functions that a draft carries and reads their parameters.
func (a *Apparatus) decode(d *draft, c Catalog) error {
	s := &a.Plan.Study
	var all []carried
	for _, j := range s.Carried(d.treatment) {
		part, at := s.FunctionOf(j), "$.function.name"
		params := d.function // the study's, with what settings say
		if own := s.Treatments[j].Function; own != nil {
			params, at = own.Params, s.At(j, "function.name")
		}
		f, err := c.Functions.Get(part.Name)
		if err != nil {
			return s.Errorf(at, "%w", err)
		}
		spec, err := f.Decode(params)
		if err != nil {
			return err
		}
		all = append(all, carried{j, f, spec})
	}
	a.carried = append(a.carried, all)
	return nil
}

// configure says what the service of a draft is told.
func (a *Apparatus) configure(d *draft, params study.Params) error {
	params, err := d.overlay(params)
	if err == nil {
		d.topology.Service.Service, err = a.workload.Service(a.prepared, params)
	}
	if err != nil && len(d.workload) > 0 {
		return a.Plan.Study.Errorf(a.settingAt(d.treatment, d.workload[0].Factor), "treatment %q: factor %s: %w", d.topology.Name, d.workload[0].Factor, err)
	}
	return err
}

func (a *Apparatus) probe() testbed.Request {
	return testbed.Request{Method: a.prepared.Method, Path: a.prepared.Path, Host: a.prepared.Host,
		Header: a.Population.Users[len(a.Population.Users)-1].Header}
}

func routerProxy() *dataplane.Proxy {
	return &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{
		Name: "all", Domains: []string{"*"},
		Routes: []dataplane.Route{{Path: "/", Cluster: testbed.ServiceCluster}},
	}}}
}

// addTokenCheck puts the workload's token check into the proxy.
func (a *Apparatus) addTokenCheck(j int, t *testbed.Topology, c Catalog) error {
	s := &a.Plan.Study
	at := s.At(j, "control")
	if a.prepared.Check == nil {
		return s.Errorf(at, "control token: workload %s has no tokens to check", a.workload.Name)
	}
	if t.Proxy == nil {
		return s.Errorf(at, "control token: baseline %q has no proxy to check tokens in", s.Treatments[j].Baseline)
	}
	f, err := c.Functions.Get(tokenCheck)
	if err != nil {
		return s.Errorf(at, "%w", err)
	}
	return c.placeNative(t, f, "token check of "+a.workload.Name, a.prepared.Check)
}

// placeNative puts a function of the apparatus' own choosing into a proxy, by
// parameters that are a value; about says whose they are.
func (c Catalog) placeNative(t *testbed.Topology, f function.Function, about string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the %s: %w", about, err)
	}
	params, err := study.JSONParams(about, text)
	if err != nil {
		return err
	}
	spec, err := f.Decode(params)
	if err != nil {
		return err
	}
	p, err := c.Placements.Get(string(study.FormNative))
	if err != nil {
		return err
	}
	if !p.Has(f) {
		return fmt.Errorf("function %s has no form %s", f.Name, p.Form)
	}
	return p.Place(t, f, spec)
}

// nothing is the function that the control "noop" adds.
const nothing = "noop"

// path is the path of the requests without the query, as functions see it.
func (a *Apparatus) path() string {
	path, _, _ := strings.Cut(a.prepared.Path, "?")
	return path
}

// targets says where the generator sends the requests of the arms that stand.
func (a *Apparatus) targets(up testbed.Setup, arms []int) []load.Target {
	ts := make([]load.Target, len(arms))
	for k, i := range arms {
		o := a.offers[i]
		ts[k] = load.Target{Name: a.Topologies[i].Name, Addr: up.Addr(k), Host: a.prepared.Host, Body: int(o.body), Connections: o.connections, MaxConnections: 8 * o.connections, Protocol: o.protocol}
		if o.protocol == load.HTTP2 {
			ts[k].Streams = streams
		}
	}
	return ts
}

// method is that of all requests: where some carry a body it is POST for those
// without one too, so that they differ in nothing else.
func (a *Apparatus) method() string {
	if slices.ContainsFunc(a.offers, func(o offer) bool { return o.body > 0 }) {
		return http.MethodPost
	}
	return a.prepared.Method
}

// loadOf is the traffic of a phase of a block in which the arms stand: its
// targets are their places in that list. Who goes over the limit is drawn
// afresh in each block.
func (a *Apparatus) loadOf(p study.Phase, arms []int) load.Load {
	l := load.Load{Rate: p.Rate, Weights: p.Weights, Each: p.Each, Seed: p.Seed, Closed: p.Kind == study.Closed}
	for _, i := range p.Targets {
		l.Targets = append(l.Targets, slices.Index(arms, i))
	}
	if !l.Closed {
		space(&l, a.Plan.Study.Load.Arrivals)
	}
	if p.Each == 0 {
		l.Duration = p.Duration
	}
	if p.Kind == study.Enforce {
		e := a.Plan.Study.Enforcement
		group := a.groups[e.Subscription]
		n := min(a.Plan.OverUsers(), len(group))
		r := rand.New(rand.NewPCG(p.Seed, 1))
		over := &load.Over{Share: float64(n*e.Requests) / float64(p.Each)}
		for _, k := range r.Perm(len(group))[:n] {
			over.Users = append(over.Users, group[k])
		}
		l.Over = over
	}
	return l
}
