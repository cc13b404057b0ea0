// Package envoy runs proxies as Envoy processes.
//
// A Plane starts one Envoy per instance, told on its command line to fetch
// everything else over delta ADS from tare's own server, the same that
// configures the embedded plane. Nothing is written to disk, the admin
// interface stays off, and the process dies with tare. Benchmark settings: one
// worker unless more are asked for, no hot restart, no access log unless the
// configuration has one, errors only in the log. It does not fetch Envoy; Find says how to get one.
package envoy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/internal/process"
)

// Name is what the plane is called in study files and on the command line.
const Name = "envoy"

// stopGrace is how long an Envoy may take to end by itself.
const stopGrace = time.Second

// Plane runs proxies as Envoy processes.
type Plane struct {
	server   *xds.Server
	launcher *process.Launcher
	find     func(version string) (string, error)
	version  string // empty: whichever there is
}

// New makes a plane whose proxies are configured by the server and started by
// the launcher; find gives the path of the program of a version, of the one to
// be used by default where it is empty.
func New(server *xds.Server, l *process.Launcher, find func(version string) (string, error)) *Plane {
	return &Plane{server: server, launcher: l, find: find}
}

// Name is "envoy", with a version "envoy@1.40.0".
func (p *Plane) Name() string {
	if p.version != "" {
		return Name + "@" + p.version
	}
	return Name
}

// Version is the plane in one version, which has to be here.
func (p *Plane) Version(version string) (dataplane.DataPlane, error) {
	if _, err := p.find(version); err != nil {
		return nil, err
	}
	return &Plane{server: p.server, launcher: p.launcher, find: p.find, version: version}, nil
}

// Start starts an Envoy and returns when it has connected to the server.
func (p *Plane) Start(ctx context.Context, o dataplane.Options) (dataplane.Instance, error) {
	exe, err := p.find(p.version)
	if err != nil {
		return nil, err
	}
	boot, err := bootstrap(p.server.Addr(), o.Name, o.Counters)
	if err != nil {
		return nil, fmt.Errorf("start envoy %s: %w", o.Name, err)
	}
	modules, err := filepath.Abs(FindModules(os.Getenv))
	if err != nil {
		return nil, fmt.Errorf("start envoy %s: %w", o.Name, err)
	}
	child, err := p.server.Start(p.launcher, process.Command{
		Name: "envoy " + o.Name,
		Exe:  exe,
		Env:  []string{searchVariable + "=" + modules},
		Args: []string{
			"--config-yaml", boot, "--concurrency", strconv.Itoa(max(o.Workers, 1)),
			"--disable-hot-restart", "--drain-time-s", "1", "--drain-strategy", "immediate",
			"--log-level", "error",
		},
		Input: []byte{}, Cores: o.Cores, Files: o.Files,
	}, o.Name, stopGrace)
	if err != nil {
		return nil, err
	}
	i := instance{child, modules}
	if err := i.Connected(ctx); err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	return i, nil
}

type object = map[string]any

// bootstrap is the configuration that an Envoy starts with: who it is, where
// the rest comes from, and whom it tells its counters, if anybody. (JSON is
// YAML.)
func bootstrap(server, node, counters string) (string, error) {
	xds, err := staticCluster("xds", server)
	if err != nil {
		return "", err
	}
	clusters := []object{xds}
	ads := object{"ads": object{}, "resource_api_version": "V3"}
	boot := object{
		"node": object{"id": node, "cluster": "tare"},
		"dynamic_resources": object{
			"ads_config": object{
				"api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
				"grpc_services": []object{{"envoy_grpc": object{"cluster_name": "xds"}}},
			},
			"cds_config": ads,
			"lds_config": ads,
		},
	}
	if counters != "" {
		told, err := staticCluster(countersCluster, counters)
		if err != nil {
			return "", err
		}
		clusters = append(clusters, told)
		boot["stats_flush_interval"] = fmt.Sprintf("%vs", dataplane.CountersEvery.Seconds())
		boot["stats_sinks"] = []object{{"name": "envoy.stat_sinks.metrics_service", "typed_config": object{
			"@type":                 "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
			"transport_api_version": "V3",
			"grpc_service":          object{"envoy_grpc": object{"cluster_name": countersCluster}},
		}}}
	}
	boot["static_resources"] = object{"clusters": clusters}
	text, err := json.Marshal(boot)
	return string(text), err
}

// countersCluster is the collector's.
const countersCluster = "counters"

// staticCluster is one gRPC service at an address.
func staticCluster(name, addr string) (object, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", name, err)
	}
	endpoint := object{"endpoint": object{"address": object{"socket_address": object{"address": host, "port_value": port}}}}
	const protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
	return object{
		"name": name, "type": "STATIC", "connect_timeout": "5s",
		"typed_extension_protocol_options": object{protocol: object{
			"@type":                "type.googleapis.com/" + protocol,
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}},
		"load_assignment": object{"cluster_name": name, "endpoints": []object{{"lb_endpoints": []object{endpoint}}}},
	}, nil
}
