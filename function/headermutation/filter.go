package headermutation

import "github.com/taremesh/tare/function"

// filter is the Go form of Envoy's header mutation.
type filter struct{ request, response []change }

type change struct {
	op    Op
	name  string
	value []byte
}

// Handle changes the request's headers.
func (f *filter) Handle(x function.Exchange) bool {
	for i := range f.request {
		switch c := &f.request[i]; c.op {
		case Set:
			x.SetHeader(c.name, c.value)
		case Append:
			x.AddHeader(c.name, c.value)
		case Remove:
			x.RemoveHeader(c.name)
		}
	}
	return true
}

// Respond changes the response's.
func (f *filter) Respond(_ function.Exchange, r function.Response) {
	for i := range f.response {
		switch c := &f.response[i]; c.op {
		case Set:
			r.SetHeader(c.name, c.value)
		case Append:
			r.AddHeader(c.name, c.value)
		case Remove:
			r.RemoveHeader(c.name)
		}
	}
}
