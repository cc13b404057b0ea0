// Package workload says which services are under test, how they are started
// and what requests to them look like.
//
// A Workload is a struct value, one folder each: workload/echo the smallest
// service, workload/imagehub the sample application. Its service runs as a
// process of its own: the arguments in Command start it, a Config arrives on
// its standard input, and its first line on standard output is a Ready.
package workload

import (
	"encoding/json"

	"github.com/taremesh/tare/study"
)

// Workload is one service under test.
type Workload struct {
	Name string
	Doc  string
	// Command is the arguments of tare that run the service.
	Command []string
	// Prepare makes what all services and requests of a run share: keys,
	// tokens. It is called once a run.
	Prepare func(users []User) (*Prepared, error)
	// Service decodes the workload's parameters for one treatment into what
	// the service process is told.
	Service func(p *Prepared, params study.Params) (json.RawMessage, error)
}

// User is a user of the workload.
type User struct {
	Name, Subscription string
}

// Prepared is what a run's services and requests share.
type Prepared struct {
	Method, Path, Host string
	// Tokens holds one bearer token per user, in their order; empty when the
	// workload has no token check.
	Tokens []string
	// Check says how a proxy verifies the tokens; nil when there are none.
	Check *TokenCheck
	// Secret is the workload's own; it is never printed.
	Secret any `json:"-"`
}

// TokenCheck is how tokens are verified.
type TokenCheck struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	JWKS     string `json:"jwks"` // a JSON Web Key Set, public keys only
	// Open are paths that need no token.
	Open []string `json:"open,omitempty"`
}

// Config is what a service process reads, as JSON, from standard input.
type Config struct {
	Listen string `json:"listen"` // host:port; port 0: any free one
	// Workers is GOMAXPROCS; 0 means 1.
	Workers int `json:"workers"`
	// Service is the workload's own part, from Workload.Service.
	Service json.RawMessage `json:"service"`
	// Functions are the functions in library form, outermost first.
	Functions []Placed `json:"functions,omitempty"`
}

// Placed is a function in library form with its parameters.
type Placed struct {
	Name string          `json:"name"`
	Spec json.RawMessage `json:"spec"`
}

// Ready is the first line that a service prints.
type Ready struct {
	Addr string `json:"addr"`
}

// StatsPath is where a service answers with its Stats. Proxies never route it.
const StatsPath = "/-/stats"

// Stats is a service's own count, since its start.
type Stats struct {
	Served  int64 `json:"served"`  // requests answered by the service's own handler
	Worked  int64 `json:"worked"`  // of these, with planted work
	WorkCPU int64 `json:"work_ns"` // thread CPU time of the planted work, ns
	// Received is the bytes of the bodies of requests.
	Received int64 `json:"received,omitempty"`
}

// Plus adds another process's count.
func (s Stats) Plus(o Stats) Stats {
	return Stats{Served: s.Served + o.Served, Worked: s.Worked + o.Worked, WorkCPU: s.WorkCPU + o.WorkCPU, Received: s.Received + o.Received}
}
