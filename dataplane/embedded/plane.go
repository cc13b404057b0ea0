package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/xds"
	"github.com/taremesh/tare/internal/process"
)

// Name is what the plane is called in study files and on the command line.
const Name = "embedded"

// ReadyLine is what a proxy process prints when it can be configured.
const ReadyLine = "ready"

// stopGrace is how long a proxy may take to end by itself: a little more than
// it gives its requests.
const stopGrace = grace + time.Second

// Plane runs proxies as processes of the same program.
type Plane struct {
	server   *xds.Server
	launcher *process.Launcher
}

// New makes a plane whose proxies are configured by the server and started by
// the launcher. It starts nothing.
func New(server *xds.Server, l *process.Launcher) *Plane {
	return &Plane{server: server, launcher: l}
}

// Name is "embedded".
func (p *Plane) Name() string { return Name }

// Program is tare itself.
func (p *Plane) Program(context.Context) (dataplane.Program, error) {
	return dataplane.Program{Plane: Name, Version: "built in"}, nil
}

// Args is the command line of a proxy process.
func Args(xds, node string, workers int) []string {
	return []string{"proxy", "--dataplane", Name, "--xds", xds, "--node", node, "--workers", strconv.Itoa(workers)}
}

// Start starts a proxy process and returns when it waits for configuration.
func (p *Plane) Start(ctx context.Context, o dataplane.Options) (dataplane.Instance, error) {
	args := Args(p.server.Addr(), o.Name, max(o.Workers, 1))
	if o.Counters != "" {
		args = append(args, "--counters", o.Counters)
	}
	i, err := p.server.Start(p.launcher, process.Command{
		Name:  "proxy " + o.Name,
		Args:  args,
		Env:   []string{"GODEBUG=" + strings.TrimPrefix(os.Getenv("GODEBUG")+","+xconnect, ",")},
		Input: []byte{}, Cores: o.Cores, Files: o.Files,
	}, o.Name, stopGrace)
	if err != nil {
		return nil, err
	}
	line, err := i.Ready(ctx)
	if err == nil && line != ReadyLine {
		err = fmt.Errorf("start proxy %s: its first line is %q, not %q", o.Name, line, ReadyLine)
	}
	if err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	return i, nil
}
