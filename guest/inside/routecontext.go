package inside

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// router says in a header which service a request belongs to.
type router struct {
	header  string
	rules   []rule
	nothing string // what is said where no rule holds
}

type rule struct {
	says string
	when []condition
}

type condition struct {
	from, name, match, value string
}

// newRouter reads "header NAME", "otherwise SERVICE", "rule SERVICE" and, for
// the rule before it, "when FROM NAME MATCH VALUE".
func newRouter(lines [][]string) (Filter, error) {
	f := &router{}
	for i, words := range lines {
		last := len(f.rules) - 1
		switch {
		case words[0] == "header" && len(words) == 2:
			f.header = words[1]
		case words[0] == "otherwise" && len(words) == 2:
			f.nothing = words[1]
		case words[0] == "rule" && len(words) == 2:
			f.rules = append(f.rules, rule{says: words[1]})
		case words[0] == "when" && len(words) == 5 && last >= 0:
			f.rules[last].when = append(f.rules[last].when, condition{words[1], words[2], words[3], words[4]})
		default:
			return nil, errors.New("route-context: line " + strconv.Itoa(i+2) + " is not understood")
		}
	}
	if f.header == "" {
		return nil, errors.New("route-context: header is missing")
	}
	return f, nil
}

func (f *router) Stream() Stream { return f }

func (f *router) Request(h Host) bool {
	h.Set(Request, f.header, f.service(h))
	h.ClearRoute()
	return true
}

func (f *router) Response(Host) {}

func (f *router) service(h Host) string {
next:
	for i := range f.rules {
		for j := range f.rules[i].when {
			if !f.rules[i].when[j].holds(h) {
				continue next
			}
		}
		return f.rules[i].says
	}
	return f.nothing
}

func (c *condition) holds(h Host) bool {
	switch c.from {
	case "header": // one of its copies
		return slices.ContainsFunc(h.Values(c.name), c.is)
	case "claim": // a header that jwt has set
		v, _ := h.Value(c.name)
		return v != "" && c.is(v)
	case "method":
		v, _ := h.Value(":method")
		return c.is(v)
	case "cookie":
		v, ok := cookie(h.Values("cookie"), c.name)
		return ok && c.is(v)
	case "query":
		path, _ := h.Value(":path")
		v, ok := parameter(path, c.name)
		return ok && c.is(v)
	case "identity":
		return slices.ContainsFunc(identities(strings.Join(h.Values("x-forwarded-client-cert"), ",")), c.is)
	}
	return false
}

func (c *condition) is(v string) bool {
	switch c.match {
	case "prefix":
		return strings.HasPrefix(v, c.value)
	case "present":
		return true
	}
	return v == c.value
}

// cookie is the value of the first cookie of the name; one pair of quotes
// around it does not count.
func cookie(lines []string, name string) (string, bool) {
	for _, rest := range lines {
		for more := true; more; {
			var pair string
			pair, rest, more = strings.Cut(rest, ";")
			k, v, ok := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if !ok || k != name {
				continue
			}
			if n := len(v); n >= 2 && v[0] == '"' && v[n-1] == '"' {
				v = v[1 : n-1]
			}
			return v, true
		}
	}
	return "", false
}

// parameter is the value of the first parameter of the name, as it was written.
func parameter(target, name string) (string, bool) {
	_, rest, more := strings.Cut(target, "?")
	for more {
		var pair string
		pair, rest, more = strings.Cut(rest, "&")
		if k, v, _ := strings.Cut(pair, "="); k == name {
			return v, true
		}
	}
	return "", false
}

// identities are the URIs of the last element of a header
// x-forwarded-client-cert.
func identities(xfcc string) (uris []string) {
	quoted, from := false, 0
	for i := 0; i <= len(xfcc); i++ {
		end := i == len(xfcc)
		switch {
		case !end && quoted && xfcc[i] == '\\':
			i++
			continue
		case !end && xfcc[i] == '"':
			quoted = !quoted
			continue
		case !end && (quoted || xfcc[i] != ',' && xfcc[i] != ';'):
			continue
		}
		if from <= len(xfcc) {
			if k, v, _ := strings.Cut(xfcc[from:min(i, len(xfcc))], "="); k == "URI" {
				uris = append(uris, v)
			}
		}
		if !end && xfcc[i] == ',' {
			uris = nil
		}
		from = i + 1
	}
	return uris
}
