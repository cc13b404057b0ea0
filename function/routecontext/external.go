package routecontext

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/extproc"
)

// external is a service that the proxy asks for the head of a request, and that
// says the route. In the embedded data plane the filter of header-mutation asks
// it.
func external() *function.External {
	return &function.External{
		Serve: func(ctx context.Context, spec function.Spec, l net.Listener) error {
			s, err := function.SpecAs[Spec](spec)
			if err != nil {
				return err
			}
			return extproc.Serve(ctx, l, s.process())
		},
		Config: func(spec function.Spec) (function.FilterConfig, error) {
			s, err := function.SpecAs[Spec](spec)
			if err != nil {
				return function.FilterConfig{}, err
			}
			packed, err := dataplane.Pack(extproc.Config(function.ExternalCluster, s.process()))
			if err != nil {
				return function.FilterConfig{}, fmt.Errorf("route-context: %w", err)
			}
			return function.FilterConfig{Name: extproc.FilterName, Config: packed}, nil
		},
	}
}

// process asks the rules of the library: a request as they see it is made of
// the head. Whoever calls is in the header that the proxy has seen to.
func (s Spec) process() extproc.Process {
	rules := newRouter(Spec{Rules: s.Rules, Forwarded: true})
	return extproc.Process{Request: func(h extproc.Head) (c extproc.Changes) {
		c.Set(RouteHeader, dataplane.ServiceOf(rules.service(requestOf(h))))
		c.ClearRoute = true
		return c
	}}
}

func requestOf(h extproc.Head) *http.Request {
	header := http.Header{}
	for _, f := range h {
		header.Add(f.Name, f.Value)
	}
	_, query, _ := strings.Cut(header.Get(":path"), "?")
	q := &http.Request{Method: header.Get(":method"), URL: &url.URL{RawQuery: query}, Header: header}
	who := function.Caller{User: header.Get(function.UserHeader), Subscription: header.Get(function.SubscriptionHeader)}
	return q.WithContext(function.WithCaller(context.Background(), who))
}
