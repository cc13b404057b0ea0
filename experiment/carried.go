package experiment

import (
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// addNoop puts the function that does nothing where the treatment's form runs.
func (a *Apparatus) addNoop(j int, t *testbed.Topology, c Catalog) error {
	f, err := c.Functions.Get(nothing)
	if err != nil {
		return a.Plan.Study.Errorf(a.Plan.Study.At(j, "control"), "%w", err)
	}
	spec, err := f.Decode(study.Params{})
	if err != nil {
		return err
	}
	return a.place(j, t, f, spec, c)
}

// addChain puts no-op filters before all others, in the form of the
// treatment's own last filter where there is a no-op of it, else in the first
// form that there is: native.
func (a *Apparatus) addChain(d *draft, c Catalog) error {
	if d.chain == 0 {
		return nil
	}
	refused := func(err error) error {
		return a.Plan.Study.Errorf(a.settingAt(d.treatment, "chain"), "treatment %q: factor chain at %d: %w", d.topology.Name, d.chain, err)
	}
	f, err := c.Functions.Get(nothing)
	if err != nil {
		return refused(err)
	}
	spec, err := f.Decode(study.Params{})
	if err != nil {
		return refused(err)
	}
	p, err := inProxy(f, a.lastForm(d.treatment), c)
	if err != nil {
		return refused(err)
	}
	last := d.topology.Last()
	front := testbed.Topology{Name: d.topology.Name, Proxy: &dataplane.Proxy{}}
	for k := range d.chain {
		f.Name = fmt.Sprintf("%s-%d", nothing, k+1)
		if err := p.Place(&front, f, spec); err != nil {
			return refused(err)
		}
		if placed := &front.Proxy.Filters[k]; !strings.HasSuffix(placed.Name, f.Name) { // no two have one name
			placed.Name += "." + f.Name
		}
	}
	last.Filters = append(front.Proxy.Filters, last.Filters...)
	return nil
}

// lastForm is the form of the last filter on the ladder of treatment i; empty:
// there is none.
func (a *Apparatus) lastForm(i int) study.Form {
	s := &a.Plan.Study
	for _, j := range slices.Backward(s.Ladder(i)) {
		if form := s.Treatments[j].Form; form != "" {
			return form
		}
	}
	return ""
}

// inProxy finds a form of the function that runs in a proxy: the one wanted,
// else the first there is.
func inProxy(f function.Function, wanted study.Form, c Catalog) (placement.Placement, error) {
	fits := func(p placement.Placement) bool { return p.Has(f) && p.At(study.SiteServer) }
	all := c.Placements.All()
	k := slices.IndexFunc(all, func(p placement.Placement) bool { return p.Form == wanted && fits(p) })
	if k < 0 {
		k = slices.IndexFunc(all, fits)
	}
	if k < 0 {
		return placement.Placement{}, fmt.Errorf("function %s has no form that runs in a proxy", f.Name)
	}
	return all[k], nil
}

// placeCarried puts the function that step j of treatment i's ladder adds into
// the topology.
func (a *Apparatus) placeCarried(i, j int, t *testbed.Topology, c Catalog) error {
	for _, x := range a.carried[i] {
		if x.step == j {
			return a.place(j, t, x.function, x.spec, c)
		}
	}
	return nil
}

// place puts a function into the topology in the treatment's form.
func (a *Apparatus) place(j int, t *testbed.Topology, f function.Function, spec function.Spec, c Catalog) error {
	s := &a.Plan.Study
	tr := s.Treatments[j]
	at := s.At(j, "form")
	p, err := c.Placements.Get(string(tr.Form))
	if err != nil {
		return s.Errorf(at, "form %s cannot be placed yet: %w", tr.Form, err)
	}
	if !p.Has(f) {
		return s.Errorf(at, "function %s has no form %s: %s", f.Name, tr.Form, plainly(f.Without[tr.Form]))
	}
	if p.On != nil && t.DataPlane != "" {
		if why := p.On(t.DataPlane); why != "" {
			return s.Errorf(at, "form %s does not run on data plane %s: %s", tr.Form, t.DataPlane, plainly(why))
		}
	}
	if tr.Form == study.FormNative && f.Native.Check != nil {
		if err := f.Native.Check(spec, len(a.callers)); err != nil {
			return s.Errorf(at, "%w", err)
		}
	}
	if !p.At(tr.Site) {
		return s.Errorf(at, "form %s cannot run at site %s (it can at: %v)", tr.Form, tr.Site, p.Sites)
	}
	if err := a.enoughReplicas(j, t, f); err != nil {
		return err
	}
	if err := p.PlaceAt(t, tr.Site, f, spec); err != nil {
		return s.Errorf(at, "%w", err)
	}
	return nil
}

// plainly is the reason for what is not there, behind words that say so already.
func plainly(reason string) string { return strings.TrimPrefix(reason, "cannot: ") }

// enoughReplicas: a function that chooses between services needs them behind
// it, and what is behind a proxy that is not the last is one proxy.
func (a *Apparatus) enoughReplicas(j int, t *testbed.Topology, f function.Function) error {
	s := &a.Plan.Study
	tr := s.Treatments[j]
	switch {
	case f.Replicas <= 1:
		return nil
	case t.Replicas < f.Replicas:
		return s.Errorf(s.At(j, "form"), "function %s chooses between %d services, and there is %d; put treatment %q on one with set: {replicas: %d}", f.Name, f.Replicas, max(t.Replicas, 1), tr.Name, f.Replicas)
	case tr.Site != study.SiteService && t.ProxyAt(tr.Site) != t.Last():
		return s.Errorf(s.At(j, "site"), "function %s chooses between services, and behind the proxy at site %s comes another proxy", f.Name, tr.Site)
	}
	return nil
}
