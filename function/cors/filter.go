package cors

import (
	"errors"
	"net/http"
	"regexp"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/fullmatch"
)

// nothing lets every request on.
type nothing struct{}

func (nothing) Handle(function.Exchange) bool { return true }

// filter is the Go form of Envoy's CORS policy.
type filter struct {
	exact       []string // "*" is every origin
	regex       []*regexp.Regexp
	preflight   []field // of its answer, beside the origin
	expose      []byte
	credentials bool
}

type field struct {
	name  string
	value []byte
}

// note hands an allowed origin from the request to its response.
const note = "cors.origin"

func (f *filter) expression(text string) error {
	if text == "" {
		return errors.New("an expression is empty")
	}
	e, err := fullmatch.Compile(text)
	if err == nil {
		f.regex = append(f.regex, e)
	}
	return err
}

func (f *filter) allows(origin []byte) bool {
	for _, o := range f.exact {
		if o == "*" || o == string(origin) {
			return true
		}
	}
	for _, e := range f.regex {
		if e.Match(origin) {
			return true
		}
	}
	return false
}

// Handle answers preflights.
func (f *filter) Handle(x function.Exchange) bool {
	origin, _ := x.Header("origin")
	if len(origin) == 0 {
		return true
	}
	allowed := f.allows(origin)
	asked, _ := x.Header("access-control-request-method")
	if string(x.Method()) != http.MethodOptions || len(asked) == 0 {
		if allowed {
			x.SetNote(note, origin)
		}
		return true
	}
	if allowed {
		x.AddResponseHeader("access-control-allow-origin", origin)
		if f.credentials {
			x.AddResponseHeader("access-control-allow-credentials", []byte("true"))
		}
		for i := range f.preflight {
			x.AddResponseHeader(f.preflight[i].name, f.preflight[i].value)
		}
	}
	x.Reply(http.StatusOK, "")
	return false
}

// Respond says in the answer to a page of an allowed origin that it may read it.
func (f *filter) Respond(x function.Exchange, r function.Response) {
	origin, ok := x.Note(note)
	if !ok {
		return
	}
	r.SetHeader("access-control-allow-origin", origin)
	if f.credentials {
		r.SetHeader("access-control-allow-credentials", []byte("true"))
	}
	if len(f.expose) > 0 {
		r.SetHeader("access-control-expose-headers", f.expose)
	}
}
