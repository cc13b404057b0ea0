package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// newServe is a service process of a treatment.
func newServe(State) *cobra.Command {
	c := &cobra.Command{
		Use:    "serve WORKLOAD",
		Short:  "Run a workload's service as part of a study; its configuration comes on standard input",
		Hidden: true,
		Args:   exactly(1, "the name of a workload"),
		RunE: func(c *cobra.Command, args []string) error {
			services, err := catalog.Services()
			if err != nil {
				return err
			}
			s, err := services.Get(args[0])
			if err != nil {
				return input(err)
			}
			config, err := workload.ReadConfig(c.InOrStdin())
			if err != nil {
				return input(err)
			}
			ms, err := middlewares(config.Functions)
			if err != nil {
				return input(err)
			}
			return s.Serve(c.Context(), config, ms, workload.Announce(c.OutOrStdout()))
		},
	}
	c.AddCommand(newServeRelay(), newServeExternal())
	return c
}

// newServeRelay is the application that calls the service of a treatment.
func newServeRelay() *cobra.Command {
	return &cobra.Command{
		Use:   "relay",
		Short: "Run an application that passes requests on, as part of a study; its configuration comes on standard input",
		Args:  exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			config, err := workload.ReadConfig(c.InOrStdin())
			if err != nil {
				return input(err)
			}
			ts, err := transports(config.Functions)
			if err != nil {
				return input(err)
			}
			return catalog.ServeRelay(c.Context(), config, ts, workload.Announce(c.OutOrStdout()))
		},
	}
}

// newServeExternal is what the proxies of a treatment ask.
func newServeExternal() *cobra.Command {
	return &cobra.Command{
		Use:   "external FUNCTION",
		Short: "Run what a function's form external asks, as part of a study; its configuration comes on standard input",
		Args:  exactly(1, "the name of a function"),
		RunE: func(c *cobra.Command, args []string) error {
			config, err := workload.ReadConfig(c.InOrStdin())
			if err != nil {
				return input(err)
			}
			f, spec, err := decodePlaced(workload.Placed{Name: args[0], Spec: config.Service})
			if err != nil {
				return input(err)
			}
			if f.External == nil {
				return inputf("function %s has no form %s", f.Name, study.FormExternal)
			}
			return serveExternal(c.Context(), f, spec, config, workload.Announce(c.OutOrStdout()))
		},
	}
}

func serveExternal(ctx context.Context, f function.Function, spec function.Spec, config workload.Config, ready func(workload.Ready)) error {
	runtime.GOMAXPROCS(max(config.Workers, 1))
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", config.Listen, err)
	}
	ready(workload.Ready{Addr: l.Addr().String()})
	err = f.External.Serve(ctx, spec, l)
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	return err
}

// decodePlaced looks up a function and reads its parameters.
func decodePlaced(p workload.Placed) (function.Function, function.Spec, error) {
	fs, err := catalog.Functions()
	if err != nil {
		return function.Function{}, nil, err
	}
	f, err := fs.Get(p.Name)
	if err != nil {
		return f, nil, err
	}
	params, err := study.JSONParams("parameters of "+p.Name, p.Spec)
	if err != nil {
		return f, nil, err
	}
	spec, err := f.Decode(params)
	return f, spec, err
}

// middlewares makes the functions in library form around a handler.
func middlewares(placed []workload.Placed) ([]workload.Middleware, error) {
	var ms []workload.Middleware
	for _, p := range placed {
		f, spec, err := decodePlaced(p)
		if err != nil {
			return nil, err
		}
		if f.Library == nil || f.Library.Middleware == nil {
			return nil, fmt.Errorf("function %s has no form %s for the application that is called", p.Name, study.FormLibrary)
		}
		m, err := f.Library.Middleware(spec)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

// transports makes the functions in library form around a client.
func transports(placed []workload.Placed) ([]catalog.Transport, error) {
	var ts []catalog.Transport
	for _, p := range placed {
		f, spec, err := decodePlaced(p)
		if err != nil {
			return nil, err
		}
		if f.Library == nil || f.Library.Transport == nil {
			return nil, fmt.Errorf("function %s has no form %s for the application that calls", p.Name, study.FormLibrary)
		}
		ts = append(ts, func(addrs []string) (func(http.RoundTripper) http.RoundTripper, error) {
			return f.Library.Transport(spec, addrs)
		})
	}
	return ts, nil
}

// newGenerate is the process of the load generator.
func newGenerate(State) *cobra.Command {
	return &cobra.Command{
		Use:    "generate",
		Short:  "Offer load as part of a study; the orders come on standard input",
		Hidden: true,
		Args:   exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			return catalog.Generate(c.InOrStdin(), c.OutOrStdout())
		},
	}
}

// newProxy is the proxy process of a treatment, and of whoever runs an xDS server.
func newProxy(State) *cobra.Command {
	o := catalog.ProxyOptions{}
	plane := ""
	c := &cobra.Command{
		Use:   "proxy --xds ADDR --node NAME",
		Short: "Run a proxy of the embedded data plane, configured over xDS",
		Long: `Run one proxy of a data plane. It takes its configuration (LDS, RDS, CDS, EDS)
over delta ADS from the server at --xds, under the node id --node, and prints
"ready" when it stands. It ends with SIGTERM.`,
		Example: "  tare proxy --dataplane embedded --xds 127.0.0.1:18000 --node front",
		Args:    exactly(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			if o.XDS == "" || o.Node == "" {
				return inputf("proxy needs --xds ADDR and --node NAME; see tare proxy --help")
			}
			if o.Workers < 1 {
				return inputf("--workers %d: want at least 1", o.Workers)
			}
			proxies, err := catalog.Proxies()
			if err != nil {
				return err
			}
			p, err := proxies.Get(plane)
			if err != nil {
				return input(err)
			}
			o.Ready = func(admin string) {
				fmt.Fprintln(c.OutOrStdout(), catalog.ReadyLine)
				if admin != "" {
					fmt.Fprintf(c.OutOrStdout(), "metrics at http://%s/metrics\n", admin)
				}
			}
			return p.Serve(c.Context(), o)
		},
	}
	c.Flags().StringVar(&plane, "dataplane", "embedded", "which data plane")
	c.Flags().StringVar(&o.XDS, "xds", "", "address of the xDS server, host:port")
	c.Flags().StringVar(&o.Node, "node", "", "node id to give there")
	c.Flags().IntVar(&o.Workers, "workers", 1, "threads that carry requests")
	c.Flags().StringVar(&o.Counters, "counters", "", "address of a collector to tell counters to, by Envoy's metrics service (default none)")
	c.Flags().StringVar(&o.Admin, "admin", "", "loopback address for /metrics and /ready (default none)")
	return c
}
