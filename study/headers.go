package study

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Headers are header fields by their names.
type Headers map[string]string

// headerPattern is a field's name: RFC 9110's tokens less what nobody writes.
const headerPattern = `[A-Za-z][A-Za-z0-9_-]{0,63}`

var headerRule = regexp.MustCompile(`^` + headerPattern + `$`)

const maxHeader = 8 << 10 // bytes of a field's value

// framed are fields that say how a request is sent: its sender writes them.
var framed = []string{"host", "connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "te", "trailer", "expect"}

// All lists the fields in the order of their names.
func (h Headers) All() (all [][2]string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		all = append(all, [2]string{name, h[name]})
	}
	return all
}

func (s *Study) checkHeaders() error {
	seen := map[string]bool{}
	for _, h := range s.Load.Headers.All() {
		name, value := strings.ToLower(h[0]), h[1]
		at := "$.load.headers"
		switch {
		case !headerRule.MatchString(name):
			return s.Errorf(at, "header %q: want 1 to 64 letters, digits, - and _, a letter first", h[0])
		case slices.Contains(framed, name):
			return s.Errorf(at, "header %q says how a request is sent, which the generator does itself", h[0])
		case seen[name]:
			return s.Errorf(at, "header %q is there twice", name)
		case len(value) > maxHeader || strings.Trim(value, " ") != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
			return s.Errorf(at, "header %q: want at most %d printable ASCII characters, no space at the ends", h[0], maxHeader)
		}
		seen[name] = true
	}
	return nil
}

func headersSchema() schema {
	closed := false
	return schema{Type: "object", Description: "header fields by their names", Additional: &closed,
		Patterns: []property{{"^" + headerPattern + "$", &schema{Type: "string"}}}}
}
