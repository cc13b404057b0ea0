package rbac

import (
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// middleware is the library form. Who calls comes from the request's context
// (function.WithCaller), which only the application can fill, not from headers.
func middleware(spec function.Spec) (func(http.Handler) http.Handler, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return nil, err
	}
	f, err := compile(s.message())
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f.admits(called{r}) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, denied) // a client that is gone needs no answer
		})
	}, nil
}

// called is a request in an application.
type called struct{ r *http.Request }

func (c called) some(name string, is func([]byte) bool) bool {
	caller, _ := function.CallerFrom(c.r.Context())
	switch name {
	case ":method":
		return is([]byte(c.r.Method))
	case "host", ":authority":
		return is([]byte(c.r.Host))
	case function.UserHeader:
		return caller.User != "" && is([]byte(caller.User))
	case function.SubscriptionHeader:
		return caller.Subscription != "" && is([]byte(caller.Subscription))
	}
	return slices.ContainsFunc(c.r.Header.Values(name), func(v string) bool { return is([]byte(v)) })
}

// path is as it was sent: what is encoded stays so.
func (c called) path() []byte {
	path, _, _ := strings.Cut(c.r.RequestURI, "?")
	if path == "" {
		path = c.r.URL.EscapedPath() // made in the program, not received
	}
	return []byte(path)
}

func (c called) peer() (p function.Peer) {
	if at, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil {
		p.Addr = at.Addr()
	}
	if c.r.TLS == nil || len(c.r.TLS.VerifiedChains) == 0 {
		return p
	}
	for _, uri := range c.r.TLS.VerifiedChains[0][0].URIs {
		p.URIs = append(p.URIs, uri.String())
	}
	return p
}
