package inside

import "errors"

// Host is what a filter can have of its proxy for one request. Names of
// headers are in lower case; :path, :method and :status are among them.
type Host interface {
	// Value is the first copy of a request header.
	Value(name string) (string, bool)
	// Values are all copies of a request header, in their order.
	Values(name string) []string
	Set(of Side, name, value string) // replaces every copy
	Add(of Side, name, value string) // beside the copies that are there
	Remove(of Side, name string)     // removes every copy
	Reply(status int, headers [][2]string, body string)
	// ClearRoute has the route looked for again.
	ClearRoute()
}

// Side says whose headers.
type Side uint8

// The sides.
const (
	Request Side = iota
	Response
)

// Filter is a function with its parameters. It is shared by all requests.
type Filter interface {
	// Stream begins a request.
	Stream() Stream
}

// Stream is one request and its response.
type Stream interface {
	// Request sees the head of the request, and reports whether it goes on.
	Request(Host) (proceed bool)
	// Response sees the head of the response.
	Response(Host)
}

// New makes the filter of a configuration; store is where buckets are kept.
func New(config string, store Buckets) (Filter, error) {
	id, lines := Read(config)
	switch id {
	case "noop":
		return nothing{}, nil
	case "header-mutation":
		return newMutation(lines)
	case "ratelimit":
		return newRateLimit(lines, store)
	case "route-context":
		return newRouter(lines)
	}
	return nil, errors.New("no function " + id)
}

// nothing is called at both heads and touches neither.
type nothing struct{}

func (nothing) Stream() Stream    { return nothing{} }
func (nothing) Request(Host) bool { return true }
func (nothing) Response(Host)     {}
