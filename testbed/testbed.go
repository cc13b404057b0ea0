// Package testbed says what stands for one treatment and what places can hold it.
//
// A Topology is the wanted apparatus of one treatment, as values; a Testbed
// brings up the topologies of a whole block at once, each with processes of
// its own, and returns the Setup.
package testbed

import (
	"context"
	"net"
	"slices"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// Topology is the apparatus wanted for one treatment.
type Topology struct {
	Name      string // the treatment's
	Workload  workload.Workload
	Service   workload.Config
	DataPlane string // which plane runs the proxy; empty: none
	// Proxy is what the proxy shall do; nil: the service is called directly.
	// The testbed fills in where it listens and the endpoint of ServiceCluster.
	Proxy *dataplane.Proxy
	// Hops are the proxies in front of Proxy, the first of which requests go
	// to; each forwards to the next, and the last to Proxy, or without one to
	// the service.
	Hops []Hop
	// Relay, if set, is an application that calls the first of the hops, without
	// them the proxy, without one the services; requests go to it.
	Relay   *Relay
	Workers int // of each proxy; 0 means 1
	// Cores is how many of the allowed cores each of its processes may run on,
	// the lowest ones; 0: all.
	Cores int
	// Replicas is how many processes the service is, all in ServiceCluster; 0
	// means 1. More need a proxy, which balances over them.
	Replicas int
	// Asked, if set, serves what the proxy asks, from a process of its own whose
	// address becomes the cluster function.ExternalCluster, in HTTP/2.
	Asked *Asked
	// Probe is a request that must be served before the topology counts as up.
	Probe Request
}

// Hop is a proxy on the way to the server's. Its cluster ServiceCluster is what
// comes behind it.
type Hop struct {
	Site  study.Site // one of study.HopSites
	Proxy *dataplane.Proxy
}

// Relay is an application that passes each request on to what it calls, and
// the answer back, by net/http.
type Relay struct {
	Functions []workload.Placed // in library form, around its client, outermost first
}

// Route puts a proxy at the site.
func (t *Topology) Route(at study.Site, p *dataplane.Proxy) {
	if at == study.SiteServer {
		t.Proxy = p
		return
	}
	t.Hops = append(t.Hops, Hop{at, p})
	order := study.HopSites()
	slices.SortStableFunc(t.Hops, func(a, b Hop) int { return slices.Index(order, a.Site) - slices.Index(order, b.Site) })
}

// Proxies lists the topology's proxies, in the order in which a request meets
// them.
func (t *Topology) Proxies() []*dataplane.Proxy {
	var all []*dataplane.Proxy
	for _, h := range t.Hops {
		all = append(all, h.Proxy)
	}
	if t.Proxy != nil {
		all = append(all, t.Proxy)
	}
	return all
}

// ProxySites lists the sites of the topology's proxies, in the order of Proxies.
func (t *Topology) ProxySites() []study.Site {
	var all []study.Site
	for _, h := range t.Hops {
		all = append(all, h.Site)
	}
	if t.Proxy != nil {
		all = append(all, study.SiteServer)
	}
	return all
}

// Last is the proxy next to the service; nil: there is none.
func (t *Topology) Last() *dataplane.Proxy {
	all := t.Proxies()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// ProxyAt is the topology's proxy at the site; nil: there is none.
func (t *Topology) ProxyAt(s study.Site) *dataplane.Proxy {
	if s == study.SiteServer {
		return t.Proxy
	}
	for _, h := range t.Hops {
		if h.Site == s {
			return h.Proxy
		}
	}
	return nil
}

// Asked is a function's external service.
type Asked struct {
	Function string // its name
	Spec     []byte // its parameters, as JSON
	Serve    func(context.Context, net.Listener) error
}

// ServiceCluster is the cluster of a Proxy whose endpoint is the service.
const ServiceCluster = dataplane.ServiceCluster

// Request is one HTTP request.
type Request struct {
	Method, Path, Host string
	Header             [][2]string
}

// Role says which part of a treatment a process is.
type Role string

// The roles.
const (
	ProxyRole    Role = "proxy" // the server's
	ServiceRole  Role = "service"
	RelayRole    Role = "relay"
	ExternalRole Role = "external"
)

// HopRole is that of the proxy at a site.
func HopRole(s study.Site) Role {
	if s == study.SiteServer {
		return ProxyRole
	}
	return Role(s)
}

// Roles lists the roles; those that every treatment can have come first.
func Roles() []Role {
	all := []Role{ProxyRole, ServiceRole, RelayRole}
	for _, s := range study.HopSites() {
		all = append(all, HopRole(s))
	}
	return append(all, ExternalRole)
}

// Process is one running process of a treatment.
type Process struct {
	Role Role
	PID  int
}

// Testbed is a place where topologies stand.
type Testbed interface {
	Name() string
	// Up starts every topology's processes afresh, in the given order of
	// indices, and returns when each has served a probe request.
	Up(ctx context.Context, ts []Topology, order []int) (Setup, error)
}

// Checker is a Testbed that cannot hold every topology, and says so before
// anything starts.
type Checker interface {
	Check(t Topology) error
}

// Limited is a Testbed that cannot give every factor of a study.
type Limited interface {
	// Lacks says why it cannot give a factor at a level; nil: it can.
	Lacks(factor, level string) error
}

// Programmed is a Testbed that runs a program of its own beside proxies and
// services.
type Programmed interface {
	// Program says what it is, for reports.
	Program(ctx context.Context) (dataplane.Program, error)
}

// Setup is the apparatus of a block, standing. Indices are those of the
// topologies given to Up.
type Setup interface {
	Addr(i int) string // where requests of treatment i go
	Processes(i int) []Process
	// Stats asks service i, past its proxy, for its own count.
	Stats(ctx context.Context, i int) (workload.Stats, error)
	// Pause stops the processes of the treatments, Resume continues them.
	Pause(is ...int) error
	Resume(is ...int) error
	// Died is closed when a process ended that nobody stopped; Err says which
	// and shows its last lines.
	Died() <-chan struct{}
	Err() error
	Down() error // idempotent
}
