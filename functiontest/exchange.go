package functiontest

import (
	"slices"
	"strings"

	"github.com/taremesh/tare/function"
)

// Field is one header field, its name in lower case.
type Field struct{ Name, Value string }

// Exchange is a request in memory, as filters see it. Like a proxy's, its
// memory is used again: what Header returned is overwritten by the next change
// of the request, so that a filter that holds on to it is found out.
type Exchange struct {
	Verb, Target string
	Request      []Field
	Response     []Field // added by filters
	Status       int     // of the reply, 0 without one
	Body         string
	Cleared      int // how often a filter had the route looked for again

	lent  [][]byte
	notes []Field
}

var _ function.Exchange = (*Exchange)(nil)

// Method returns the request's method.
func (x *Exchange) Method() []byte { return x.lend(x.Verb) }

// Path returns the request's path with its query.
func (x *Exchange) Path() []byte { return []byte(x.Target) }

// Header returns the first field of the name.
func (x *Exchange) Header(name string) ([]byte, bool) {
	for _, f := range x.Request {
		if strings.EqualFold(f.Name, name) {
			return x.lend(f.Value), true
		}
	}
	return nil, false
}

// EachHeader visits the request's fields.
func (x *Exchange) EachHeader(visit func(name, value []byte) (more bool)) {
	for _, f := range slices.Clone(x.Request) {
		if !visit(x.lend(f.Name), x.lend(f.Value)) {
			return
		}
	}
}

// SetHeader replaces every field of the name by one.
func (x *Exchange) SetHeader(name string, value []byte) {
	text := string(value)
	x.RemoveHeader(name)
	x.Request = append(x.Request, Field{strings.ToLower(name), text})
}

// AddHeader adds a field of the name.
func (x *Exchange) AddHeader(name string, value []byte) {
	x.Request = append(x.Request, Field{strings.ToLower(name), string(value)})
}

// RemoveHeader removes every field of the name.
func (x *Exchange) RemoveHeader(name string) {
	x.reuse()
	x.Request = slices.DeleteFunc(x.Request, func(f Field) bool { return strings.EqualFold(f.Name, name) })
}

// AddResponseHeader adds a field to the response.
func (x *Exchange) AddResponseHeader(name string, value []byte) {
	x.Response = append(x.Response, Field{strings.ToLower(name), string(value)})
}

// Reply answers the request.
func (x *Exchange) Reply(status int, body string) { x.Status, x.Body = status, body }

// SetNote leaves word for filters behind.
func (x *Exchange) SetNote(name string, value []byte) {
	text := string(value)
	x.notes = append(slices.DeleteFunc(x.notes, func(f Field) bool { return f.Name == name }), Field{name, text})
}

// Note reads it.
func (x *Exchange) Note(name string) ([]byte, bool) {
	for _, f := range x.notes {
		if f.Name == name {
			return x.lend(f.Value), true
		}
	}
	return nil, false
}

// ClearRoute counts.
func (x *Exchange) ClearRoute() { x.Cleared++ }

// Get returns the value of a field of the list, empty without one.
func Get(fields []Field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

func (x *Exchange) lend(text string) []byte {
	b := []byte(text)
	x.lent = append(x.lent, b)
	return b
}

func (x *Exchange) reuse() {
	for _, b := range x.lent {
		for i := range b {
			b[i] = '#'
		}
	}
	x.lent = x.lent[:0]
}
