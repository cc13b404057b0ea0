package redirect

import (
	"fmt"
	"net/http"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape puts a route for each rule before those that are there.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	for _, h := range r.Routes.GetVirtualHosts() {
		var routes []*routev3.Route
		for _, rule := range s.Rules {
			action, err := rule.action()
			if err != nil {
				return err
			}
			routes = append(routes, &routev3.Route{Match: rule.match(), Action: &routev3.Route_Redirect{Redirect: action}})
		}
		h.Routes = append(routes, h.GetRoutes()...)
	}
	return nil
}

func (r Rule) match() *routev3.RouteMatch {
	if r.Path != "" {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: r.Path}}
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: r.Prefix}}
}

func (r Rule) action() (*routev3.RedirectAction, error) {
	codes := map[int]routev3.RedirectAction_RedirectResponseCode{
		http.StatusMovedPermanently:  routev3.RedirectAction_MOVED_PERMANENTLY,
		http.StatusFound:             routev3.RedirectAction_FOUND,
		http.StatusSeeOther:          routev3.RedirectAction_SEE_OTHER,
		http.StatusTemporaryRedirect: routev3.RedirectAction_TEMPORARY_REDIRECT,
		http.StatusPermanentRedirect: routev3.RedirectAction_PERMANENT_REDIRECT,
	}
	code, ok := codes[r.Status]
	if !ok {
		return nil, fmt.Errorf("redirect: status %d: Envoy has none", r.Status)
	}
	a := &routev3.RedirectAction{HostRedirect: r.Host, PortRedirect: uint32(r.Port), ResponseCode: code, StripQuery: r.StripQuery}
	if r.Scheme != "" {
		a.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: r.Scheme}
	}
	switch {
	case r.To == "":
	case r.Path != "":
		a.PathRewriteSpecifier = &routev3.RedirectAction_PathRedirect{PathRedirect: r.To}
	default:
		a.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: r.To}
	}
	return a, nil
}
