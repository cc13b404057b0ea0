package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/workload"
)

func newImageHub(s State) *cobra.Command {
	c := &cobra.Command{
		Use:   "imagehub",
		Short: "Image Hub, the sample application",
		Args:  exactly(0, "a subcommand"),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newImageHubUp(s), newImageHubAPI(s), newImageHubWeb(s))
	return c
}

func newImageHubAPI(State) *cobra.Command {
	o := catalog.DefaultImageHub()
	enforce := false
	c := &cobra.Command{
		Use:   "api",
		Short: "Run Image Hub's API: sign up, log in, pull, upgrade",
		Example: `  tare imagehub api --db hub.db --key hub.pem
  curl -d '{"username":"ada","password":"correct horse","subscription":"Personal"}' http://127.0.0.1:8080/signup`,
		Args: exactly(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			var placed []workload.Placed
			if enforce {
				placed = append(placed, workload.Placed{Name: "ratelimit", Spec: json.RawMessage("{}")})
			}
			ms, err := middlewares(placed)
			if err != nil {
				return err
			}
			return catalog.ImageHub(c.Context(), o, ms, func(r workload.Ready) {
				fmt.Fprintf(c.OutOrStdout(), "Image Hub's API answers at http://%s\n", r.Addr)
			})
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", o.Listen, "address, host:port")
	c.Flags().StringVar(&o.DB, "db", o.DB, "SQLite file of the accounts, made when absent (default in memory)")
	c.Flags().StringVar(&o.KeyFile, "key", o.KeyFile, "file of the signing key, made when absent (default a key for this process)")
	c.Flags().TextVar(&o.Response, "response", o.Response, "size of a pulled image")
	c.Flags().DurationVar(&o.TokenLifetime, "token-lifetime", o.TokenLifetime, "how long a token is good for")
	c.Flags().BoolVar(&enforce, "enforce", false, "enforce the subscriptions here (form library)")
	return c
}

func newImageHubWeb(State) *cobra.Command {
	o := catalog.DefaultImageHubWeb()
	c := &cobra.Command{
		Use:   "web",
		Short: "Run Image Hub's web front end: the same as pages, which call the API",
		Long: `Run Image Hub's web front end. It calls the API at --api: on the mesh that is
the address of a proxy (a sidecar's upstream), off it the API's own. It speaks
plain HTTP, so it listens on loopback only.`,
		Example: "  tare imagehub web --api http://127.0.0.1:8080 --listen 127.0.0.1:8081",
		Args:    exactly(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.Check(); err != nil {
				return input(err)
			}
			return catalog.ImageHubWeb(c.Context(), o, func(r workload.Ready) {
				fmt.Fprintf(c.OutOrStdout(), "Image Hub's web front end answers at http://%s\n", r.Addr)
			})
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", o.Listen, "loopback address, host:port")
	c.Flags().StringVar(&o.API, "api", o.API, "base URL of the API, or of the proxy before it")
	return c
}
