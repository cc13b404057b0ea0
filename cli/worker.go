package cli

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/taremesh/tare/catalog"
)

// newWorker is one of several machines that offer a load together.
func newWorker(s State) *cobra.Command {
	var name string
	var allowed []string
	c := &cobra.Command{
		Use:   "worker INVITATION",
		Short: "Join a tare load --workers and offer a share of its load from this machine",
		Long: `Join the coordinator that wrote the invitation (tare load --workers), waiting for it
if it is not there yet, and offer this machine's share of its load. The invitation
is a file with certificates made for that one load: copy it here by a safe way,
and keep it from others. The worker ends with the load.

Targets beyond loopback and private networks are refused unless this command
allows them too.`,
		Example: `  tare load http://10.0.0.9:8080/ --workers 2 --listen 10.0.0.1:7070 --invitation workers.json
  tare worker workers.json                # on each of the two machines`,
		Args: exactly(1, "the invitation's file"),
		RunE: func(c *cobra.Command, args []string) error {
			for _, a := range allowed {
				if _, err := netip.ParseAddr(a); err != nil {
					return inputf("--allow-target %s: it takes an address, such as 203.0.113.7: of a name, what it resolves to", a)
				}
			}
			addr, err := catalog.Invited(args[0])
			if err != nil {
				return input(err)
			}
			fmt.Fprintf(c.ErrOrStderr(), "joining the coordinator at %s\n", addr)
			err = catalog.Work(c.Context(), s.Exe, args[0], name, allowed)
			switch {
			case c.Context().Err() != nil:
				return &codedError{exitInterrupted, fmt.Errorf("interrupted: this worker has left the coordinator at %s", addr)}
			case err == nil:
				fmt.Fprintln(c.ErrOrStderr(), "the load is over")
			}
			return hinted(err)
		},
	}
	c.Flags().StringVar(&name, "name", "", "how the coordinator names this worker (default the host's name)")
	c.Flags().StringArrayVar(&allowed, "allow-target", nil, "an `address` beyond loopback and private networks that may be loaded; of a name, what it resolves to")
	return c
}
