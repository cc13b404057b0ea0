package local_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

func router(name string) *dataplane.Proxy {
	return &dataplane.Proxy{Hosts: []dataplane.VirtualHost{{Name: name}}}
}

// A request meets the application that calls, the gateways and sidecars in
// their order whatever order they were added in, and the service last; each is
// a process of its own with its own role.
func TestWay(t *testing.T) {
	for _, c := range []struct {
		name  string
		sites []study.Site
		relay bool
		asked bool
		via   string
		roles []testbed.Role
	}{
		{"gateway", []study.Site{study.SiteServer, study.SiteIngress}, false, false, "ingress server",
			[]testbed.Role{testbed.ServiceRole, testbed.ProxyRole, "ingress"}},
		{"no sidecar", []study.Site{study.SiteEgress}, false, false, "egress", []testbed.Role{testbed.ServiceRole, "egress"}},
		{"everything", []study.Site{study.SiteEgress, study.SiteServer, study.SiteClient, study.SiteIngress}, true, true,
			"ingress(external-f) client(external-f) egress(external-f) server(external-f)",
			[]testbed.Role{testbed.ServiceRole, testbed.ExternalRole, testbed.ProxyRole, "egress", "client", "ingress", testbed.RelayRole}},
		{"an application alone", nil, true, false, "", []testbed.Role{testbed.ServiceRole, testbed.RelayRole}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := topology(t, "way", part{})
			x.DataPlane = "small"
			for _, s := range c.sites {
				x.Route(s, router(string(s)))
			}
			want := c.via
			if c.relay {
				x.Relay = &testbed.Relay{}
				want = strings.TrimSpace("relay " + want)
			}
			if c.asked {
				x.Asked = &testbed.Asked{Function: "f", Spec: []byte("{}")}
			}
			s, err := newTestbed(t).Up(deadline(t, 30*time.Second), []testbed.Topology{x}, []int{0})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Down()
			var roles []testbed.Role
			for _, p := range s.Processes(0) {
				roles = append(roles, p.Role)
				if !slices.Contains(testbed.Roles(), p.Role) {
					t.Errorf("%s is no role", p.Role)
				}
			}
			if !slices.Equal(roles, c.roles) {
				t.Errorf("processes %v, want %v", roles, c.roles)
			}
			res, err := http.Get("http://" + s.Addr(0))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); err != nil || strings.TrimSpace(string(body)) != want {
				t.Errorf("the request went by %q, want %q; %v", body, want, err)
			}
		})
	}
}

func TestProxies(t *testing.T) {
	var x testbed.Topology
	if x.Last() != nil || len(x.Proxies()) != 0 || x.ProxyAt(study.SiteServer) != nil {
		t.Errorf("a topology without proxies has %v", x.Proxies())
	}
	egress, client := router("egress"), router("client")
	x.Route(study.SiteEgress, egress)
	x.Route(study.SiteClient, client)
	if x.Last() != egress || !slices.Equal(x.Proxies(), []*dataplane.Proxy{client, egress}) || x.ProxyAt(study.SiteClient) != client || x.ProxyAt(study.SiteIngress) != nil {
		t.Errorf("%+v", x.Hops)
	}
	server := router("server")
	x.Route(study.SiteServer, server)
	if x.Last() != server || x.ProxyAt(study.SiteServer) != server || len(x.Hops) != 2 {
		t.Errorf("%+v", x)
	}
}
