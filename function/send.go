package function

import "net/http"

// Send is the request, meant for another address (host:port): what it says of
// itself, its Host among it, stays. The request itself is not changed, which a
// round tripper must not do.
func Send(r *http.Request, addr string) *http.Request {
	other, u := r.WithContext(r.Context()), *r.URL
	if other.Host == "" {
		other.Host = u.Host
	}
	u.Host = addr
	other.URL = &u
	return other
}
