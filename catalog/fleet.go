package catalog

import (
	"context"
	"errors"

	"github.com/taremesh/tare/internal/process"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/fleet"
	"github.com/taremesh/tare/load/openloop"
)

// Lost are the rules for a load whose worker is lost, the default first.
func Lost() []string { return []string{string(fleet.Void), string(fleet.GoOn)} }

// FleetOptions say how workers are gathered.
type FleetOptions struct {
	Listen     string // host:port
	Reach      string // where the workers reach it; empty: Listen
	Workers    int
	Lost       string // one of Lost
	Invitation string // the file that lets workers join
	Joined     func(name string, count int)
}

// Coordinator is a generator whose load comes from workers.
type Coordinator interface {
	load.Generator
	Close() error
}

// Gather writes the invitation and waits for no one: Open does.
func Gather(o FleetOptions) (Coordinator, error) {
	f, err := fleet.Listen(fleet.Config{Listen: o.Listen, Workers: o.Workers, Rule: fleet.Rule(o.Lost), Joined: o.Joined})
	if err != nil {
		return nil, err
	}
	i, err := f.Invite(o.Reach)
	if err == nil {
		err = i.Write(o.Invitation)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Invited is the address of the coordinator that wrote an invitation.
func Invited(invitation string) (addr string, err error) {
	i, err := fleet.ReadInvitation(invitation)
	return i.Addr, err
}

// Work joins the coordinator that wrote the invitation and offers what it
// orders with the generator openloop. Allowed are targets beyond loopback and
// private networks.
func Work(ctx context.Context, exe, invitation, name string, allowed []string) error {
	i, err := fleet.ReadInvitation(invitation)
	if err != nil {
		return err
	}
	l, err := process.NewLauncher(exe)
	if err != nil {
		return err
	}
	defer l.Close()
	return fleet.Work(ctx, i, fleet.WorkerConfig{
		Name:      name,
		Generator: openloop.New(openloop.Config{Launcher: l}),
		Check:     func(t load.Target) error { return t.Guard(allowed...) },
	})
}
