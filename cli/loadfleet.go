package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// settleFleet checks how workers are to be gathered.
func (r *loadCommand) settleFleet() error {
	f := &r.flags
	if !r.c.Flags().Changed("workers") {
		for _, name := range []string{"listen", "reach", "invitation", "lost"} {
			if r.c.Flags().Changed(name) {
				return fmt.Errorf("--%s is of --workers: say how many", name)
			}
		}
		return nil
	}
	switch {
	case f.listen == "" || f.invitation == "":
		return errors.New("--workers join at an address by a file: give --listen HOST:PORT and --invitation FILE")
	case !slices.Contains(catalog.Lost(), f.lost):
		return fmt.Errorf("--lost %s: no such rule (known: %s)", f.lost, strings.Join(catalog.Lost(), ", "))
	case f.connections < f.workers:
		return fmt.Errorf("--connections %d: each of the %d workers needs one", f.connections, f.workers)
	}
	if err := writable(f.invitation); err != nil {
		return fmt.Errorf("--invitation: %w", err)
	}
	return nil
}

// generator is the one of this machine, or the workers'. Its end is to be called.
func (r *loadCommand) generator(b *catalog.Bench) (g load.Generator, end func() error, err error) {
	f := &r.flags
	if f.workers == 0 {
		g, err = b.Generators.Get("openloop")
		return g, func() error { return nil }, err
	}
	said := r.c.ErrOrStderr()
	c, err := catalog.Gather(catalog.FleetOptions{
		Listen: f.listen, Reach: f.reach, Workers: f.workers, Lost: f.lost, Invitation: f.invitation,
		Joined: func(name string, count int) {
			fmt.Fprintf(said, "worker %s joined: %d of %d\n", name, count, f.workers)
		},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("gather workers at --listen %s: %w", f.listen, err)
	}
	fmt.Fprintf(said, "waiting for %d workers: copy %s to each by a safe way and run there: tare worker %s\n", f.workers, f.invitation, f.invitation)
	return c, c.Close, nil
}

// workersOf is what is said of each worker.
func workersOf(parts []load.Part) []loadreport.Worker {
	var out []loadreport.Worker
	for _, p := range parts {
		out = append(out, loadreport.Worker{Name: p.Name, Requests: p.Stats.Sent, Offset: micros(p.Offset), Bound: micros(p.Bound), Lost: p.Lost, Missing: p.Missing})
	}
	return out
}
