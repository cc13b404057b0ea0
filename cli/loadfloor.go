package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taremesh/tare/internal/echo"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// The floor takes a second, or as long as its median needs, but no longer than
// that.
const (
	floorTime     = time.Second
	floorRequests = 250
	mostFloorTime = 5 * time.Second
)

// floor offers the same load, shorter, to an echo of our own, or says why that
// cannot be.
func (r *loadCommand) floor(ctx context.Context, g load.Generator) (*loadreport.Result, string, error) {
	if r.flags.noFloor {
		return nil, "not asked for (--no-floor)", nil
	}
	if r.flags.workers > 0 {
		return nil, "the load came from several machines, each with a floor of its own", nil
	}
	l := r.load
	if !l.Closed {
		l.Rate = l.MeanRate()
		l.Profile, l.Trace = nil, nil
	}
	l.Each, l.Duration = 0, floorTime
	if !l.Closed {
		l.Duration = max(floorTime, time.Duration(floorRequests/l.Rate*float64(time.Second)))
	}
	if l.Duration > mostFloorTime {
		return nil, fmt.Sprintf("at %g requests/s its median would take %v", l.Rate, l.Duration.Round(time.Second)), nil
	}
	server, err := echoFor(r.target)
	if err != nil {
		return nil, err.Error(), nil
	}
	t := r.target
	t.Name, t.Addr, t.Host = "echo", server.Addr(), server.Addr()
	if t.TLS != nil {
		t.TLS = &load.TLS{Insecure: true}
	}
	run := loadreport.Run{Target: t, Load: l, NoFloor: "the floor has none"}
	into := newGathered(l, r.population, &live{w: r.c.ErrOrStderr(), name: "floor", load: l})
	defer into.collector.Close()
	err = errors.Join(r.once(ctx, g, t, into, &run), server.Close())
	switch {
	case ctx.Err() != nil:
		return nil, "interrupted", nil
	case err != nil:
		return nil, "", fmt.Errorf("measure the floor against the own echo (--no-floor leaves it out): %w", err)
	}
	result, err := into.collector.Report(run, nil)
	return result, "", err
}

// echoFor serves what the target speaks.
func echoFor(t load.Target) (*echo.Server, error) {
	listen := echo.Listen
	if t.TLS != nil {
		listen = echo.ListenTLS
	}
	kind, ok := map[load.Protocol]echo.Kind{
		"": echo.HTTP1, load.HTTP1: echo.HTTP1, load.HTTP2: echo.HTTP2, load.GRPC: echo.GRPC,
		load.TCP: echo.Bytes, load.Connect: echo.Bytes, load.WebSocket: echo.WebSocket,
	}[t.Protocol]
	if !ok {
		return nil, fmt.Errorf("there is no own echo of %s", t.Protocol)
	}
	return listen(kind)
}
