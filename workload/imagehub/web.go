package imagehub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/workload"
	"github.com/taremesh/tare/workload/imagehub/web"
)

// WebOptions are those of the web front end.
type WebOptions struct {
	Listen string `json:"-"`   // loopback host:port
	API    string `json:"api"` // base URL: of a proxy on the mesh, of the API off it
}

// DefaultWebOptions are two ports of this machine.
func DefaultWebOptions() WebOptions {
	return WebOptions{Listen: "127.0.0.1:8081", API: "http://127.0.0.1:8080"}
}

// Check holds the web front end to this machine: it speaks plain HTTP.
func (o WebOptions) Check() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen on %q: want host:port: %w", o.Listen, err)
	}
	if !web.Loopback(host) {
		return fmt.Errorf("listen on %q: the web front end speaks plain HTTP and listens on loopback only, as 127.0.0.1:0", o.Listen)
	}
	_, err = web.New(o.API)
	return err
}

// RunWeb serves the web front end until the context is done or SIGTERM or
// SIGINT arrives.
func RunWeb(ctx context.Context, o WebOptions, ready func(workload.Ready)) error {
	s, err := o.service()
	if err != nil {
		return err
	}
	return workload.Serve(ctx, o.Listen, s, ready)
}

func (o WebOptions) service() (workload.Service, error) {
	if err := o.Check(); err != nil {
		return workload.Service{}, fmt.Errorf("imagehub web: %w", err)
	}
	h, err := web.New(o.API)
	if err != nil {
		return workload.Service{}, fmt.Errorf("imagehub web: %w", err)
	}
	var served atomic.Int64
	return workload.Service{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			h.ServeHTTP(w, r)
		}),
		Stats: func() workload.Stats { return workload.Stats{Served: served.Load()} },
	}, nil
}

// webService is the name of the web front end's process.
const webService = "imagehub-web"

// Web is the web front end as a workload: one service that calls the API. It is
// no workload of a study.
func Web(o WebOptions) workload.Workload {
	return workload.Workload{
		Name:    webService,
		Doc:     "Image Hub's web front end",
		Command: []string{"serve", webService},
		Prepare: func([]workload.User) (*workload.Prepared, error) {
			return &workload.Prepared{Method: http.MethodGet, Path: "/health", Host: "imagehub.test"}, nil
		},
		Service: func(*workload.Prepared, study.Params) (json.RawMessage, error) { return json.Marshal(o) },
	}
}

// ServeWeb runs the web front end as a process that the testbed started.
func ServeWeb(ctx context.Context, cfg workload.Config, _ []workload.Middleware, ready func(workload.Ready)) error {
	d := json.NewDecoder(bytes.NewReader(cfg.Service))
	d.DisallowUnknownFields()
	o := WebOptions{Listen: cfg.Listen}
	if err := d.Decode(&o); err != nil {
		return fmt.Errorf("read configuration of imagehub web: %w", err)
	}
	s, err := o.service()
	if err != nil {
		return err
	}
	return workload.Run(ctx, cfg, s, ready)
}
