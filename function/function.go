// Package function says what a traffic-control function is, wherever it runs:
// its parameters, its model, its judge, and the forms it can take.
//
// A Function is a struct of funcs, one folder each; an absent form is a nil
// field with a reason in Without. The package declares the types of the forms
// that are written in Go, so that the embedded data plane and the workloads
// can run them without knowing any function. It implements none.
package function

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/study"
)

// Spec is a function's own parameters, decoded and validated: a type of the
// function's package, hence any. It marshals to JSON that Decode takes back.
type Spec any

// Function is one traffic-control function.
type Function struct {
	Name string // its id: "ratelimit"
	Doc  string
	// Decode reads and validates parameters; an unknown field is an error
	// with its place.
	Decode func(study.Params) (Spec, error)

	Library *Library // in the application, Go
	Native  *Native  // the data plane's own filter
	Wasm    *Wasm    // a proxy-wasm module
	// Without gives, for each form that does not exist, the reason.
	Without map[study.Form]string

	// Forecast runs the function's model over arrivals before they are
	// offered: what would be refused, and how near to refusing it comes.
	Forecast func(Spec, []Arrival) (Forecast, error)
	// Judge holds what was seen against the function's model.
	Judge func(Spec, Evidence) error
}

// Library is the form that runs in the application.
type Library struct {
	// Middleware wraps a handler. It finds who calls in the request's context
	// (see WithCaller). One call makes one instance, shared by all requests.
	Middleware func(Spec) (func(http.Handler) http.Handler, error)
}

// Native is the form that is the data plane's own filter.
type Native struct {
	// Config translates the parameters into Envoy's own message.
	Config func(Spec) (FilterConfig, error)
	// Types are the Go implementations, by the message they take; the
	// embedded data plane maps the type URL to them.
	Types []FilterType
	// Check, if set, refuses a number of callers that the filter would not
	// keep apart, and says the remedy.
	Check func(spec Spec, callers int) error
}

// Wasm is the form that is a proxy-wasm module: the same file in every data
// plane.
type Wasm struct {
	Module []byte // the built module
	// Config is what the module is given as its plugin configuration.
	Config func(Spec) ([]byte, error)
}

// FilterConfig is a filter of a proxy's chain as Envoy is told of it.
type FilterConfig struct {
	Name   string     // Envoy's name of the filter: envoy.filters.http.local_ratelimit
	Config *anypb.Any // for the whole chain
	// Routes are overrides for some paths (exact), by path.
	Routes map[string]*anypb.Any
}

// FilterType makes Go filters of one Envoy message.
type FilterType struct {
	URL string // type.googleapis.com/envoy.extensions.filters…
	// New makes the filter for a chain or a route override. What it does not
	// understand in the message is an error that names the field.
	New func(*anypb.Any) (Filter, error)
}

// Filter is a function at work in the embedded data plane. It is shared by all
// connections and safe for concurrent use.
type Filter interface {
	// Handle decides on one request: it may change the request, add headers
	// to the response to come, or answer with Reply. It reports whether the
	// request goes on.
	Handle(Exchange) (proceed bool)
}

// Exchange is one request and its response, as a Filter sees it. Byte slices
// are valid only until Handle returns. Header names are given in lower case
// and compared without regard to case.
type Exchange interface {
	Method() []byte
	Path() []byte // as sent, with query
	Header(name string) (value []byte, ok bool)
	SetHeader(name string, value []byte) // replaces every copy
	RemoveHeader(name string)            // removes every copy
	AddResponseHeader(name string, value []byte)
	Reply(status int, body string)
}

// Arrival is a request that will be offered, as a function sees it.
type Arrival struct {
	At     time.Duration
	Path   string
	Caller Caller
}

// Forecast is what a model says of arrivals to come.
type Forecast struct {
	Refused int     // arrivals that the function would refuse
	Lowest  float64 // smallest fraction of its allowance that any caller has left, 0 to 1; 1 when nothing is limited
	Callers int     // callers that held state (buckets touched)
	Who     Caller  // the one with the lowest level
}

// Evidence is what was seen of one instance of a function, from its start.
type Evidence struct {
	Observations []Observation // ordered by Earliest
	// Served is the upstream service's own count of requests that reached it
	// and were let through; -1 when it has none.
	Served int
}

// Observation is one request seen from outside. The function decided at some
// time between Earliest (the request was written) and Latest (the response
// was read).
type Observation struct {
	Earliest, Latest time.Duration
	Path             string
	Caller           Caller
	Outcome          Outcome
}

// Outcome is what a function did with a request.
type Outcome uint8

// The outcomes. Unknown is a request whose answer never came: it may or may
// not have been decided.
const (
	Unknown Outcome = iota
	Allowed
	Refused
)
