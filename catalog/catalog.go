// Package catalog names everything that is built in. It is the only importer
// of implementations: a function, a workload, a generator or a data plane is
// added by one line here. It decides nothing.
package catalog

import (
	"context"
	"io"
	"os"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/embedded"
	"github.com/taremesh/tare/dataplane/envoy"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/function/accesslog"
	"github.com/taremesh/tare/function/balancehash"
	"github.com/taremesh/tare/function/balanceleastrequest"
	"github.com/taremesh/tare/function/balanceroundrobin"
	"github.com/taremesh/tare/function/bodylimit"
	"github.com/taremesh/tare/function/cancellation"
	"github.com/taremesh/tare/function/circuitbreaker"
	"github.com/taremesh/tare/function/compression"
	"github.com/taremesh/tare/function/concurrencylimit"
	"github.com/taremesh/tare/function/cors"
	"github.com/taremesh/tare/function/deadline"
	"github.com/taremesh/tare/function/discovery"
	"github.com/taremesh/tare/function/extauthz"
	"github.com/taremesh/tare/function/failover"
	"github.com/taremesh/tare/function/fault"
	"github.com/taremesh/tare/function/headermutation"
	"github.com/taremesh/tare/function/healthcheck"
	"github.com/taremesh/tare/function/jwt"
	"github.com/taremesh/tare/function/metrics"
	"github.com/taremesh/tare/function/mirror"
	"github.com/taremesh/tare/function/mtls"
	"github.com/taremesh/tare/function/noop"
	"github.com/taremesh/tare/function/outlierdetection"
	"github.com/taremesh/tare/function/ratelimit"
	"github.com/taremesh/tare/function/ratelimitglobal"
	"github.com/taremesh/tare/function/rbac"
	"github.com/taremesh/tare/function/redirect"
	"github.com/taremesh/tare/function/retry"
	"github.com/taremesh/tare/function/rewrite"
	"github.com/taremesh/tare/function/routecontext"
	"github.com/taremesh/tare/function/routepath"
	"github.com/taremesh/tare/function/split"
	"github.com/taremesh/tare/function/telemetry"
	"github.com/taremesh/tare/function/timeout"
	"github.com/taremesh/tare/function/tracing"
	"github.com/taremesh/tare/internal/named"
	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/external"
	"github.com/taremesh/tare/load/openloop"
	"github.com/taremesh/tare/mesh/consul"
	"github.com/taremesh/tare/placement"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/store/sqlite"
	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/testbed/local"
	"github.com/taremesh/tare/workload"
	"github.com/taremesh/tare/workload/echo"
	"github.com/taremesh/tare/workload/imagehub"
	"github.com/taremesh/tare/workload/relay"
)

// Functions are the traffic-control functions there are.
func Functions() (named.Set[function.Function], error) {
	return named.NewSet("function", func(f function.Function) string { return f.Name },
		accesslog.Function(),
		balancehash.Function(),
		balanceleastrequest.Function(),
		balanceroundrobin.Function(),
		bodylimit.Function(),
		cancellation.Function(),
		circuitbreaker.Function(),
		compression.Function(),
		concurrencylimit.Function(),
		cors.Function(),
		deadline.Function(),
		discovery.Function(),
		extauthz.Function(),
		failover.Function(),
		fault.Function(),
		headermutation.Function(),
		healthcheck.Function(),
		jwt.Function(),
		metrics.Function(),
		mirror.Function(),
		mtls.Function(),
		noop.Function(),
		outlierdetection.Function(),
		ratelimit.Function(),
		ratelimitglobal.Function(),
		rbac.Function(),
		redirect.Function(),
		retry.Function(),
		rewrite.Function(),
		routecontext.Function(),
		routepath.Function(),
		split.Function(),
		telemetry.Function(),
		timeout.Function(),
		tracing.Function(),
	)
}

// Service is a workload's own process.
type Service struct {
	Name  string
	Serve func(ctx context.Context, c workload.Config, ms []workload.Middleware, ready func(workload.Ready)) error
}

// Services are the workloads' processes, by the workload's name.
func Services() (named.Set[Service], error) {
	return named.NewSet("workload", func(s Service) string { return s.Name },
		Service{"echo", echo.Serve}, Service{"imagehub", imagehub.Serve}, Service{"imagehub-web", imagehub.ServeWeb})
}

// ServeRelay is the process of an application that calls services, with
// functions in library form around its client.
func ServeRelay(ctx context.Context, c workload.Config, ts []Transport, ready func(workload.Ready)) error {
	return relay.Serve(ctx, c, ts, ready)
}

// Transport is a function in library form around a client.
type Transport = relay.Transport

// Proxies are the data planes' processes, by the plane's name: those that tare
// itself runs.
func Proxies() (named.Set[Proxy], error) {
	return named.NewSet("data plane", func(p Proxy) string { return p.Name }, Proxy{"embedded", serveEmbedded})
}

// ReadyLine is what a proxy process prints first.
const ReadyLine = embedded.ReadyLine

// Proxy is a data plane's own process.
type Proxy struct {
	Name  string
	Serve func(ctx context.Context, o ProxyOptions) error
}

// ProxyOptions are those of a proxy process.
type ProxyOptions struct {
	XDS     string // address of the server that configures it
	Node    string
	Workers int
	Admin   string // address for metrics; empty: none
	// Counters is the address of a collector that is told counters; empty: none.
	Counters string
	Ready    func(admin string)
}

// Generate is the process of the generator openloop.
func Generate(in io.Reader, out io.Writer) error { return openloop.Serve(in, out) }

// EnvoyAbsent says how to get an Envoy.
const EnvoyAbsent = envoy.Remedy

// FindEnvoy returns the path of the Envoy that the plane would start.
func FindEnvoy() (string, error) { return envoy.Find(os.Getenv) }

// ConsulAbsent says how to get a Consul.
const ConsulAbsent = consul.Remedy

// FindConsul returns the path of the Consul that the testbed would start.
func FindConsul() (string, error) { return consul.Find(os.Getenv) }

// OpenStore opens the results in a data directory for a run; what is missing
// is made.
func OpenStore(ctx context.Context, dir string) (store.Store, error) {
	s, err := sqlite.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return store.Watched(s, dir), nil
}

// ReadStore opens the results in a data directory to read them; nothing is
// made, and without results the error is store.ErrNothing.
func ReadStore(ctx context.Context, dir string) (store.Store, error) {
	s, err := sqlite.Read(ctx, dir)
	if err != nil {
		return nil, err
	}
	return store.Watched(s, dir), nil
}

// Bench is what a run needs, by name.
type Bench struct {
	experiment.Catalog
	// Adapters are the load generators of others.
	Adapters named.Set[load.Adapter]

	launcher *process.Launcher
	xds      *xds.Server
}

// NewBench makes everything there is ready to be started by children of this
// process; exe is their program, empty this one. Close it.
func NewBench(exe string) (*Bench, error) {
	l, err := process.NewLauncher(exe)
	if err != nil {
		return nil, err
	}
	server, err := xds.NewServer()
	if err != nil {
		l.Close()
		return nil, err
	}
	b := &Bench{launcher: l, xds: server}
	if err := b.fill(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Bench) fill() (err error) {
	if b.Functions, err = Functions(); err != nil {
		return err
	}
	if b.Placements, err = named.NewSet("form", placement.Placement.Name, placement.All()...); err != nil {
		return err
	}
	if b.Workloads, err = named.NewSet("workload", func(w workload.Workload) string { return w.Name }, echo.Workload(), imagehub.Workload()); err != nil {
		return err
	}
	if b.Generators, err = named.NewSet[load.Generator]("generator", load.Generator.Name, openloop.New(openloop.Config{Launcher: b.launcher})); err != nil {
		return err
	}
	if b.Adapters, err = named.NewSet("generator", func(a load.Adapter) string { return a.Name },
		external.Fortio(b.launcher),
		external.Wrk(b.launcher),
		external.Wrk2(b.launcher),
		external.H2load(b.launcher),
		external.Hey(b.launcher),
		external.Ab(b.launcher),
		external.Vegeta(b.launcher),
		external.K6(b.launcher),
		external.Nighthawk(b.launcher),
	); err != nil {
		return err
	}
	if b.DataPlanes, err = named.NewSet[dataplane.DataPlane]("data plane", dataplane.DataPlane.Name,
		embedded.New(b.xds, b.launcher),
		envoy.New(b.xds, b.launcher, func(version string) (string, error) { return envoy.FindVersion(os.Getenv, version) }),
	); err != nil {
		return err
	}
	b.Testbeds, err = named.NewSet[testbed.Testbed]("testbed", testbed.Testbed.Name,
		local.New(b.launcher, b.DataPlanes),
		consul.New(b.launcher, FindConsul, FindEnvoy),
	)
	return err
}

// Close ends what is left of the children and the server that configures proxies.
func (b *Bench) Close() {
	b.xds.Close()
	b.launcher.Close()
}

func serveEmbedded(ctx context.Context, o ProxyOptions) error {
	fs, err := Functions()
	if err != nil {
		return err
	}
	var types []function.FilterType
	for _, f := range fs.All() {
		if f.Native != nil {
			types = append(types, f.Native.Types...)
		}
		if f.External != nil {
			types = append(types, f.External.Types...)
		}
	}
	return embedded.Serve(ctx, embedded.Options{XDS: o.XDS, Node: o.Node, Workers: o.Workers, Admin: o.Admin, Counters: o.Counters, Types: types, Ready: o.Ready})
}
