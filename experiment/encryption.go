package experiment

import (
	"errors"
	"fmt"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// mutualTLS is the function that the factor mtls adds.
const mutualTLS = "mtls"

// trustDomain is that of the proxies of a topology: each has the id of its site
// in it.
const trustDomain = "tare.test"

func giveMTLS(a *Apparatus, d *draft, s study.Setting) error {
	switch {
	case s.Level != "off" && s.Level != "on":
		return errors.New("want off or on")
	case s.Level == "on" && !a.Plan.Study.OnMesh(d.treatment):
		return errors.New("the treatment has no proxy")
	}
	d.encrypted = s.Level == "on"
	return nil
}

// encrypt makes every proxy speak mutual TLS with the one behind it: it calls
// that one's identity and nobody else, and is let in by its own alone.
func (a *Apparatus) encrypt(d *draft, c Catalog) error {
	if !d.encrypted {
		return nil
	}
	s := &a.Plan.Study
	refused := func(err error) error {
		return s.Errorf(a.settingAt(d.treatment, "mtls"), "treatment %q: factor mtls at on: %w", d.topology.Name, err)
	}
	sites := d.topology.ProxySites()
	if len(sites) < 2 {
		return refused(fmt.Errorf("it is between two proxies, and there is %d; put the treatment on one with control: router, site: client too", len(sites)))
	}
	for k := 1; k < len(sites); k++ {
		calling, called := sites[k-1], sites[k]
		if err := join(&d.topology, calling, called, "calling", c); err != nil {
			return refused(err)
		}
		if err := join(&d.topology, called, calling, "called", c); err != nil {
			return refused(err)
		}
	}
	return nil
}

// join gives the proxy at a site one end of mutual TLS with another one. What
// else its functions make of clusters comes after, so that they inherit it.
func join(t *testbed.Topology, at, other study.Site, side string, c Catalog) error {
	f, err := c.Functions.Get(mutualTLS)
	if err != nil {
		return err
	}
	front := testbed.Topology{Name: t.Name, Proxy: &dataplane.Proxy{}}
	if err := c.placeNative(&front, f, fmt.Sprintf("mutual TLS of site %s", at), map[string]any{
		"domain": trustDomain, "id": spiffeID(at), "allow": []string{spiffeID(other)}, "side": side,
	}); err != nil {
		return err
	}
	own := t.ProxyAt(at)
	own.Shapes = append(front.Proxy.Shapes, own.Shapes...)
	return nil
}

func spiffeID(at study.Site) string { return "spiffe://" + trustDomain + "/" + string(at) }
