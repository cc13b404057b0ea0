// Package relay is an application that calls services: it passes each request
// on to what it calls, and the answer back.
//
// It is net/http's server and client. A function in library form that works in
// the application which calls wraps the client; without one the relay is that
// function's baseline: the same application that calls the first address it
// knows. It adds no header and follows no redirect.
package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/testbed"
	"github.com/taremesh/tare/workload"
)

// Transport is a function in library form around a client: it is given the
// addresses that the client can call.
type Transport = func(addrs []string) (func(http.RoundTripper) http.RoundTripper, error)

// The client's limits. Idle connections are kept as long as a study may pause.
const (
	dialTime  = 5 * time.Second
	idleTime  = 10 * time.Minute
	idleConns = 1024
)

// Serve runs the relay until the context ends, with transports around its
// client, the first one outermost.
func Serve(ctx context.Context, c workload.Config, ts []Transport, ready func(workload.Ready)) error {
	var calls testbed.Calls
	if err := json.Unmarshal(c.Service, &calls); err != nil {
		return fmt.Errorf("read what the relay calls: %w", err)
	}
	h, err := Handler(calls.Addrs, ts)
	if err != nil {
		return err
	}
	var served atomic.Int64
	return workload.Run(ctx, c, workload.Service{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			h.ServeHTTP(w, r)
		}),
		Stats: func() workload.Stats { return workload.Stats{Served: served.Load()} },
	}, ready)
}

// Handler passes requests on to the first of the addresses, or to whichever the
// transports choose. What cannot be passed on is answered with 502.
func Handler(addrs []string, ts []Transport) (http.Handler, error) {
	if len(addrs) == 0 {
		return nil, fmt.Errorf("start the relay: there is no address that it could call")
	}
	client := http.RoundTripper(&http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
		MaxIdleConns:        idleConns,
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     idleTime,
		DisableCompression:  true, // the body is passed on as it is
	})
	for i := len(ts) - 1; i >= 0; i-- {
		wrap, err := ts[i](addrs)
		if err != nil {
			return nil, fmt.Errorf("start the relay: %w", err)
		}
		client = wrap(client)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", addrs[0]
			r.Out.Host = r.In.Host
		},
		Transport: client,
		ErrorLog:  log.New(io.Discard, "", 0), // the answer says it
	}, nil
}
