// Package load says what traffic is offered and what became of each request.
//
// A Load is a value: from it and a Population, Schedule computes every arrival
// (when, to which target, by which user) without a clock, so that the same
// seed gives the same traffic and a plan can be checked before it runs. A
// closed Load has no schedule: each connection sends when it has its answer, so
// only its users can be computed, by Senders. A Generator offers a Load to
// several targets at once and returns one Sample per request. The package
// offers nothing itself: see load/openloop.
package load

import (
	"context"
	"time"
)

// Arrivals names the process that spaces requests in time.
type Arrivals string

// Poisson arrivals: independent, exponentially distributed gaps.
const Poisson Arrivals = "poisson"

// MaxClosed is how many requests one closed load may make, of all targets
// together: their samples are 400 MB.
const MaxClosed = 1 << 23

// Load is the traffic of one phase.
type Load struct {
	Arrivals Arrivals `json:"arrivals"` // empty: Poisson
	Rate     float64  `json:"rate"`     // requests per second, all targets together
	// Closed, when set, paces the load by the answers: every connection of a
	// target sends its next request as soon as it has the answer to the last.
	// Arrivals and Rate are then unset. Intended is Written by definition, so
	// the lateness is 0 and a stall delays all that would have come after it:
	// response times of a closed load compare with no others. Targets do not
	// wait for each other, so a fast one is asked more often.
	Closed bool `json:"closed,omitempty"`
	// Duration of the schedule; no request of a closed load is taken up after it.
	// Ignored when Each is set.
	Duration time.Duration `json:"duration,omitempty"`
	// Each, when positive, gives every target exactly that many requests, in
	// random order; the duration then follows from the rate, or from the
	// answers.
	Each int `json:"each,omitempty"`
	// Targets are the indices that requests are drawn from; empty means all.
	Targets []int `json:"targets,omitempty"`
	// Weights are how often each of Targets is drawn, relative to the others;
	// empty: with equal probability. A closed load and one with Each have none.
	Weights []float64 `json:"weights,omitempty"`
	// Over, when set, draws a share of the requests from a few users, to push
	// them over a limit.
	Over *Over  `json:"over,omitempty"`
	Seed uint64 `json:"seed"`
	// Timeout of one request, from its intended time; 0 means 5 s.
	Timeout time.Duration `json:"timeout,omitempty"`
}

// Over says which users offer more than their weight.
type Over struct {
	Users []int   `json:"users"` // indices into the Population
	Share float64 `json:"share"` // of all requests, 0 to 1; drawn equally among Users
}

// Population is who sends the requests.
type Population struct {
	Users []User `json:"users"` // empty: one anonymous user
}

// User is one sender.
type User struct {
	Weight float64     `json:"weight"` // relative frequency; 0 never sends
	Header [][2]string `json:"header,omitempty"`
}

// Arrival is one request to be made.
type Arrival struct {
	At     time.Duration // intended time since the start of the phase
	Target int
	User   int
}

// Target is one place that requests go to.
type Target struct {
	Name        string `json:"name"`
	Addr        string `json:"addr"` // host:port
	Method      string `json:"method"`
	Path        string `json:"path"`           // with query
	Host        string `json:"host"`           // the Host header; empty: Addr
	Body        int    `json:"body,omitempty"` // bytes that every request carries, with their length before them
	Connections int    `json:"connections"`
	// MaxConnections is how far the pool may grow when every connection is
	// busy; at the cap requests queue with their intended time.
	MaxConnections int `json:"max_connections"`
}

// Class is the kind of outcome of a request.
type Class uint8

// The classes of outcome.
const (
	OK          Class = iota // status below 400
	Limited                  // status 429
	ClientError              // another 4xx
	ServerError              // 5xx
	Timeout                  // no whole response in time
	Refused                  // no connection
	Reset                    // connection lost in mid-request
	Protocol                 // the response is not HTTP
	classes
)

var classNames = [classes]string{"ok", "limited", "client-error", "server-error", "timeout", "refused", "reset", "protocol"}

func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return "unknown"
}

// Sample is what became of one request. Times are since the session's epoch,
// one clock for all phases of a session; a time that never came is negative.
type Sample struct {
	Intended  time.Duration // when the schedule wanted it sent
	Written   time.Duration // when its first byte was handed to the kernel
	FirstByte time.Duration // when the first byte of the response was read
	LastByte  time.Duration // when the last byte was read
	User      uint32        // index into the Population
	Target    uint16        // index into the session's targets
	Status    uint16        // HTTP status, 0 without one
	Class     Class
}

// Whole says whether a response came to its end, whatever it said.
func (s Sample) Whole() bool { return s.LastByte >= 0 }

// Response is the time that a user waits: from the intended time to the last byte.
func (s Sample) Response() time.Duration { return s.LastByte - s.Intended }

// Service is the time from the first byte written to the last byte read.
func (s Sample) Service() time.Duration { return s.LastByte - s.Written }

// Lateness is how long after its intended time the request was written.
func (s Sample) Lateness() time.Duration { return s.Written - s.Intended }

// Stats is what a generator says of itself after a phase.
type Stats struct {
	Scheduled int           `json:"scheduled"` // arrivals in the schedule; of a closed load its samples
	Sent      int           `json:"sent"`      // requests written
	Began     time.Duration `json:"began"`     // start of the phase since the epoch
	Wall      time.Duration `json:"wall"`      // until the last sample
	CPU       time.Duration `json:"cpu"`       // of the process, spin included
	Spin      time.Duration `json:"spin"`      // CPU time spent waiting for an intended time
	Margin    time.Duration `json:"margin"`    // how long before an intended time the engine wakes
	Opened    int           `json:"opened"`    // connections opened during the phase
	Saturated bool          `json:"saturated"` // a request had to queue at the cap of connections
	// Bytes of requests written and of responses read, heads and bodies; and
	// how many threads offered the load. 0: the generator does not say.
	BytesSent     int64 `json:"bytes_sent,omitempty"`
	BytesReceived int64 `json:"bytes_received,omitempty"`
	Threads       int   `json:"threads,omitempty"`
	// Of a closed load: whole responses per second, whatever their class. With
	// a Duration only those count that came within it.
	Throughput float64 `json:"throughput,omitempty"`
	// Capped says that a closed load ended before its time, at MaxClosed.
	Capped bool `json:"capped,omitempty"`
}

// Generator offers loads.
type Generator interface {
	Name() string
	// Open connects to every target and returns when all pools stand.
	Open(ctx context.Context, targets []Target, p Population) (Session, error)
}

// Session is an opened generator: its connections live across phases.
type Session interface {
	// Generate offers one load and returns a sample for every scheduled
	// arrival, or for every request of a closed load, ordered by intended time.
	// On cancellation it returns what was done, with ctx's error.
	Generate(ctx context.Context, l Load) ([]Sample, Stats, error)
	// PID is the process that offers the load.
	PID() int
	Close() error
}
