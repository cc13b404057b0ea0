// Package dataplane says what a proxy shall do and what runs one.
//
// A Proxy is the wanted configuration, as values; a DataPlane starts an
// Instance, which takes a Proxy over xDS. The messages and their server are in
// dataplane/xds, the planes in dataplane/embedded and dataplane/envoy.
package dataplane

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/taremesh/tare/internal/named"
	"google.golang.org/protobuf/types/known/anypb"
)

// Proxy is a wanted proxy configuration: one HTTP/1.1 listener.
type Proxy struct {
	Listen   string // host:port
	Filters  []Filter
	Hosts    []VirtualHost
	Clusters []Cluster
	// AnyHTTP lets clients speak HTTP/2 too, in the clear; else HTTP/1.1 alone.
	AnyHTTP bool
	// AccessLog, if set, is written a line of for every request.
	AccessLog *AccessLog
	// Shapes change, in order, what the values above became.
	Shapes []Shape
}

// AccessLog is the log of a proxy's requests: Envoy's, of one text format.
type AccessLog struct {
	Path   string
	Format string // in Envoy's operators, such as %RESPONSE_CODE%, with its line end
}

// LogFormat is the format of access logs: what Envoy writes by default, less
// what no proxy of a study has (request ids, flags, headers that Envoy adds).
const LogFormat = `[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(USER-AGENT)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"` + "\n"

// Filter is one HTTP filter of the chain; the router, which ends every chain,
// is implied.
type Filter struct {
	Name   string
	Config *anypb.Any
}

// VirtualHost is the routes of some domains. The first route that matches is taken.
type VirtualHost struct {
	Name    string
	Domains []string // exact, "*" for all
	Routes  []Route
}

// Route sends requests of one path, or of a prefix, to a cluster.
type Route struct {
	Path      string
	Exact     bool // Path is the whole path, not a prefix
	Cluster   string
	Overrides map[string]*anypb.Any // per filter name
}

// Cluster is the endpoints that requests are balanced over, in turn.
type Cluster struct {
	Name      string
	Endpoints []string // host:port
	HTTP2     bool     // its endpoints are spoken to in HTTP/2 without TLS, as gRPC is
}

// DataPlane runs proxies.
type DataPlane interface {
	Name() string
	// Start starts one fresh proxy process without configuration.
	Start(ctx context.Context, o Options) (Instance, error)
	// Program says what the proxies are, for reports.
	Program(ctx context.Context) (Program, error)
}

// Versioned is a DataPlane that can be run in several versions.
type Versioned interface {
	// Version is the plane in one version; its name is NAME@VERSION. Without
	// that version on this machine the error says how to get it.
	Version(version string) (DataPlane, error)
}

// Get looks a plane up by its name, or by NAME@VERSION.
func Get(planes named.Set[DataPlane], name string) (DataPlane, error) {
	plain, version, asked := strings.Cut(name, "@")
	p, err := planes.Get(plain)
	if err != nil || !asked {
		return p, err
	}
	v, ok := p.(Versioned)
	if !ok {
		return nil, fmt.Errorf("data plane %s has no versions: it comes with tare", plain)
	}
	return v.Version(version)
}

// Program is what runs a plane's proxies.
type Program struct {
	Plane   string `json:"plane"`
	Version string `json:"version"`
	Path    string `json:"path,omitempty"`   // empty: tare itself
	SHA256  string `json:"sha256,omitempty"` // of the file at Path
}

// Options of an instance.
type Options struct {
	Name    string // the xDS node id; one that a running instance has is refused
	Workers int    // threads that carry requests; 0 means 1
	Cores   int    // that it may run on, of the allowed ones; 0: all
	// Files are inherited as the descriptors 3, 4, …; the caller's stay open.
	Files []*os.File
	// Counters is the address (IP and port) of a collector that the proxy tells
	// its counters to, over Envoy's metrics service; empty: none.
	Counters string
}

// CountersEvery is how often a proxy tells its counters.
const CountersEvery = time.Second

// Instance is one running proxy.
type Instance interface {
	// Configure hands over the configuration and returns when the proxy has
	// acknowledged all of it, or with the words of its refusal.
	Configure(ctx context.Context, p Proxy) error
	PID() int
	// Done is closed when the process has ended; Err then says why.
	Done() <-chan struct{}
	Err() error
	Stop() error // idempotent
}
