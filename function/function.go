// Package function says what a traffic-control function is, wherever it runs:
// its parameters, its model, its judge, and the forms it can take.
//
// A Function is a struct of funcs, one folder each; an absent form is a nil
// field with a reason in Without. The package declares the types of the forms
// that are written in Go, so that the embedded data plane and the workloads
// can run them without knowing any function. It implements none.
package function

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/collect"
	"github.com/taremesh/tare/study"
)

// Spec is a function's own parameters, decoded and validated: a type of the
// function's package, hence any. It marshals to JSON that Decode takes back.
type Spec any

// SpecAs is a function's own view of its parameters. They are of another type
// only if they come from another function's Decode: a mistake of the caller's.
func SpecAs[S any](spec Spec) (S, error) {
	s, ok := spec.(S)
	if !ok {
		return s, fmt.Errorf("parameters of type %T: want %T from Decode", spec, s)
	}
	return s, nil
}

// Function is one traffic-control function.
type Function struct {
	Name string // its id: "ratelimit"
	Doc  string
	// Decode reads and validates parameters; an unknown field is an error
	// with its place.
	Decode func(study.Params) (Spec, error)

	Library  *Library  // in the application, Go
	Native   *Native   // the data plane's own
	Lua      *Lua      // a script in the proxy
	Wasm     *Wasm     // a proxy-wasm module, from Rust
	WasmGo   *Wasm     // a proxy-wasm module, from Go
	Dynmod   *Dynmod   // a dynamic module of Envoy's, from Rust
	DynmodGo *Dynmod   // a dynamic module of Envoy's, from Go
	External *External // a service that the proxy asks
	// Without gives, for each form that does not exist, the reason.
	Without map[study.Form]string

	// Prepare changes a proxy for every form in it but native: the clusters and
	// routes that the form chooses between. nil: nothing is needed.
	Prepare func(Spec, *dataplane.Resources) error
	// Replicas is how many services the function needs to choose between; 0
	// means one.
	Replicas int
	// Routes says that they are different services: a proxy without the function
	// has one of them. False: copies of one service, which a proxy without the
	// function asks in turn.
	Routes bool
	// Example is parameters, as JSON, under which the function works on every
	// request of a plain load and refuses none: what it costs is weighed so.
	Example string
	// Headers are header fields that each request of that load must carry; nil:
	// none.
	Headers study.Headers
	// Settings, if there are any, are how a study has the function, which is
	// between two proxies and no form of one: on a client's and a server's sidecar.
	Settings study.Settings
	// Decide is how requests are told apart, for functions that choose among
	// services; nil: it is not said.
	Decide *Decide
	// Trials show the function at work. Judge holds what was seen in each of
	// them against the model, and finds fault with each trial's mutants.
	Trials []Trial

	// Forecast runs the function's model over arrivals before they are
	// offered: what would be refused, and how near to refusing it comes.
	Forecast func(Spec, []Arrival) (Forecast, error)
	// Judge holds what was seen against the function's model.
	Judge func(Spec, Evidence) error
}

// Library is the form that runs in the application: in the one that is called
// (Middleware), or in the one that calls (Transport). One of them is set.
type Library struct {
	// Middleware wraps a handler. It finds who calls in the request's context
	// (see WithCaller). One call makes one instance, shared by all requests.
	Middleware func(Spec) (func(http.Handler) http.Handler, error)
	// Transport wraps the round tripper of a client of the replicas, whose
	// addresses (host:port) are given in their order. Requests come with the
	// first one's address. One call makes one instance, shared by all requests;
	// a round tripper that is an io.Closer has something running until it is closed.
	Transport func(Spec, []string) (func(http.RoundTripper) http.RoundTripper, error)
	// TLS, if set, is how the listener of an application with Middleware shakes
	// hands.
	TLS func(Spec) (*tls.Config, error)
}

// Native is the form that is the data plane's own: a filter of the chain
// (Config), or what its routes, clusters and listener do (Shape). At least one
// is set.
type Native struct {
	// Config translates the parameters into Envoy's own message; nil: the
	// function is no filter.
	Config func(Spec) (FilterConfig, error)
	// Shape translates the parameters into what Envoy's other messages say;
	// nil: nothing.
	Shape func(Spec, *dataplane.Resources) error
	// Types are the Go implementations, by the message they take; the
	// embedded data plane maps the type URL to them.
	Types []FilterType
	// Check, if set, refuses a number of callers that the filter would not
	// keep apart, and says the remedy.
	Check func(spec Spec, callers int) error
}

// Lua is the form that is a script of Envoy's lua filter.
type Lua struct {
	// Script is the source, with the parameters in it.
	Script func(Spec) (string, error)
}

// Dynmod is the form that is a dynamic module of Envoy's: a shared object,
// built on the user's machine from the source in the function's folder.
type Dynmod struct {
	Module string // its name: lib<Module>.so
	// Config is what the module is given for its filter.
	Config func(Spec) ([]byte, error)
}

// External is the form that is a service which the proxy asks by gRPC.
type External struct {
	// Serve answers on the listener until the context ends.
	Serve func(context.Context, Spec, net.Listener) error
	// Config is the filter that asks; it finds the service as the cluster
	// ExternalCluster.
	Config func(Spec) (FilterConfig, error)
	// Types are the Go implementations for the embedded data plane.
	Types []FilterType
}

// ExternalCluster is the cluster of the service that a form external asks.
const ExternalCluster = "external"

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

// FilterType makes Go filters of one Envoy message. One of New and Join is set.
type FilterType struct {
	URL string // type.googleapis.com/envoy.extensions.filters…
	// New makes the filter for a chain or a route override. What it does not
	// understand in the message is an error that names the field.
	New func(*anypb.Any) (Filter, error)
	// Join does so for a filter that calls services. A filter that is an
	// io.Closer is closed when the configuration no longer has it.
	Join func(*anypb.Any, Host) (Filter, error)
}

// Host is what a filter can have of the proxy that it runs in.
type Host interface {
	// Endpoint picks an address of a cluster, now; false when there is none.
	Endpoint(cluster string) (addr string, ok bool)
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
	AddHeader(name string, value []byte) // beside the copies that are there
	RemoveHeader(name string)            // removes every copy
	AddResponseHeader(name string, value []byte)
	Reply(status int, body string)
	// SetNote leaves word for filters behind, and for this one's Finish; Note
	// reads it. Envoy calls it dynamic metadata. Names begin with the function's id.
	SetNote(name string, value []byte)
	Note(name string) (value []byte, ok bool)
	// ClearRoute has the route looked for again, with the request as it is now:
	// a filter that changes what routes are chosen by must call it, as in Envoy.
	ClearRoute()
}

// Responder is a Filter that sees the head of a response, from the service or
// of a filter behind it, before any of it is sent. It is not called for
// exchanges in which its Handle did not let the request on. Filters are called
// in the reverse order of the chain. One that calls the exchange's Reply answers
// in the response's place, and no other filter sees that answer.
type Responder interface {
	Filter
	Respond(Exchange, Response)
}

// Response is a response that has not been sent. Byte slices are valid only
// until Respond returns.
type Response interface {
	Status() int
	SetStatus(int)
	Header(name string) (value []byte, ok bool)
	SetHeader(name string, value []byte) // replaces every copy
	AddHeader(name string, value []byte) // beside the copies that are there
	RemoveHeader(name string)            // removes every copy
	// Encode passes the body through a writer that is made when the first of it
	// is there; closing it ends the body, whose length is then not known.
	Encode(func(to io.Writer) io.WriteCloser)
}

// BodyFilter is a Filter that waits for the request's body: after Handle has
// let the request on, HandleBody decides with the whole of it. A body longer
// than MostBody bytes is answered with 413.
type BodyFilter interface {
	Filter
	MostBody() int64
	HandleBody(x Exchange, body []byte) (proceed bool)
}

// Finisher is a Filter that is told of the end of each exchange that its Handle
// saw, whatever became of it. The exchange is not to be changed.
type Finisher interface {
	Filter
	Finish(Exchange, Ending)
}

// Ending is how an exchange ended.
type Ending struct {
	Status         int   // 0: no response was begun
	Received, Sent int64 // bytes of the bodies
	Began          time.Time
	Took           time.Duration // from the request's head to the response's end
	Upstream       string        // host:port; empty: none was asked
	Broken         bool          // the response did not reach its end
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
	// Deliveries are what reached the replicas, ordered by At; nil under load,
	// where they are not looked at. They have requests of the proxy's own, too.
	Deliveries []Delivery
	// Trial is the one that this was seen in; nil under load.
	Trial *Trial `json:"-"`
	// Collected is what was told to a collector or written to a log; nil where
	// the trial has none.
	Collected *collect.Gathered
	// Changes are those of the trial's requests, in their order.
	Changes []Change
}

// Change is how other parameters came into force: at some time between Asked
// and Taken, when the proxy had acknowledged them.
type Change struct {
	Params       string // JSON
	Asked, Taken time.Duration
}

// Observation is one request seen from outside. The function decided at some
// time between Earliest (the request was written) and Latest (the response
// was read).
type Observation struct {
	Earliest, Latest time.Duration
	Path             string
	Caller           Caller
	Outcome          Outcome
	// Request and Response are what the client sent and got. They are nil under
	// load, where only the above is known; Response also where no answer came.
	Request, Response *Message
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
