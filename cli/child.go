package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
)

// newServe is the service process of a treatment.
func newServe(State) *cobra.Command {
	return &cobra.Command{
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
}

// middlewares makes the functions in library form.
func middlewares(placed []workload.Placed) ([]func(http.Handler) http.Handler, error) {
	fs, err := catalog.Functions()
	if err != nil {
		return nil, err
	}
	var ms []func(http.Handler) http.Handler
	for _, p := range placed {
		f, err := fs.Get(p.Name)
		if err != nil {
			return nil, err
		}
		if f.Library == nil {
			return nil, fmt.Errorf("function %s has no form library", p.Name)
		}
		params, err := study.JSONParams("parameters of "+p.Name, p.Spec)
		if err != nil {
			return nil, err
		}
		spec, err := f.Decode(params)
		if err != nil {
			return nil, err
		}
		m, err := f.Library.Middleware(spec)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
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
	c.Flags().StringVar(&o.Admin, "admin", "", "loopback address for /metrics and /ready (default none)")
	return c
}
