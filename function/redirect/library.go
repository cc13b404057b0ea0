package redirect

import (
	"net/http"
	"strconv"
	"strings"
)

// NewMiddleware is the library form: a handler wrapped so is spared the requests
// that are led elsewhere.
func NewMiddleware(s Spec) (func(http.Handler) http.Handler, error) {
	s, err := s.complete()
	if err != nil {
		return nil, err
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path := r.URL.EscapedPath()
			for i := range s.Rules {
				if rest, ok := s.Rules[i].matches(path); ok {
					w.Header().Set("Location", s.Rules[i].location(r, path, rest))
					w.WriteHeader(s.Rules[i].Status)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}, nil
}

// matches reports whether the rule is for the path, and what follows its prefix.
func (r *Rule) matches(path string) (rest string, ok bool) {
	if r.Path != "" {
		return "", path == r.Path
	}
	return strings.CutPrefix(path, r.Prefix)
}

func (r *Rule) location(q *http.Request, path, rest string) string {
	scheme, other := "http", "80"
	if q.TLS != nil {
		scheme, other = "https", "443"
	}
	changes := r.Scheme != "" && r.Scheme != scheme
	if changes {
		scheme = r.Scheme
	}
	host := r.Host
	if host == "" {
		name, port := cutPort(q.Host)
		host = q.Host
		if r.Port != 0 || changes && port == other {
			host = name
		}
	}
	if r.Port != 0 {
		host += ":" + strconv.Itoa(r.Port)
	}
	if r.To != "" {
		path = r.To + rest
	}
	if !r.StripQuery && (q.URL.RawQuery != "" || q.URL.ForceQuery) {
		path += "?" + q.URL.RawQuery
	}
	return scheme + "://" + host + path
}

// cutPort parts a host from its port; the colons within [::1] are not before one.
func cutPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i <= strings.LastIndexByte(host, ']') {
		return host, ""
	}
	return host[:i], host[i+1:]
}
