package rewrite

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/taremesh/tare/internal/fullmatch"
)

// NewMiddleware is the library form: a handler wrapped so gets requests with
// their paths and hosts rewritten. A path that a rule leaves with half an escape
// (%4) is answered with 400.
func NewMiddleware(s Spec) (func(http.Handler) http.Handler, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	rules := compile(s)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path, host, ok := rules.rewritten(r.URL.EscapedPath())
			if !ok {
				next.ServeHTTP(w, r)
				return
			}
			other, err := at(r, path, host)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			next.ServeHTTP(w, other)
		})
	}, nil
}

// at is the request at another path, as it is written, and another host.
func at(r *http.Request, path, host string) (*http.Request, error) {
	clear, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	other, u := r.WithContext(r.Context()), *r.URL
	u.Path, u.RawPath = clear, path
	other.URL = &u
	_, query, asked := strings.Cut(r.RequestURI, "?")
	other.RequestURI = path
	if asked {
		other.RequestURI += "?" + query
	}
	if host != "" {
		other.Host = host
	}
	return other, nil
}

// rules are tried in order.
type rules []compiled

// rewritten is the path after the first rule that matches it, and the host that
// the rule gives, if any; false when none matches.
func (rs rules) rewritten(path string) (to, host string, ok bool) {
	for i := range rs {
		if to, ok := rs[i].rewritten(path); ok {
			return to, rs[i].Host, true
		}
	}
	return path, "", false
}

// compiled is a rule whose expression and text are in Go's language.
type compiled struct {
	Rule
	whole *regexp.Regexp
	text  string // ${1} for \1
}

func compile(s Spec) (all rules) {
	for _, r := range s.Rules {
		c := compiled{Rule: r}
		if r.Regex != "" {
			c.whole = fullmatch.MustCompile(r.Regex) // validate has tried
			c.text = template(r.To)
		}
		all = append(all, c)
	}
	return all
}

func template(to string) string {
	var b strings.Builder
	for i := 0; i < len(to); i++ {
		switch {
		case to[i] == '\\':
			i++
			b.WriteString("${" + to[i:i+1] + "}")
		case to[i] == '$':
			b.WriteString("$$")
		default:
			b.WriteByte(to[i])
		}
	}
	return b.String()
}

// rewritten is the path after the rule; false when it does not match.
func (c *compiled) rewritten(path string) (string, bool) {
	if c.whole == nil {
		rest, ok := strings.CutPrefix(path, c.Prefix)
		if !ok || c.To == "" {
			return path, ok
		}
		return c.To + rest, true
	}
	found := c.whole.FindStringSubmatchIndex(path)
	if found == nil || c.To == "" {
		return path, found != nil
	}
	return string(c.whole.ExpandString(nil, c.text, path, found)), true
}
