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
	"fmt"
	"time"
)

// Arrivals names the process that spaces requests in time.
type Arrivals string

// The processes.
const (
	Poisson Arrivals = "poisson" // independent, exponentially distributed gaps
	Uniform Arrivals = "uniform" // equal gaps, the first arrival anywhere within one
)

// Load is the traffic of one phase.
type Load struct {
	Arrivals Arrivals `json:"arrivals"` // empty: Poisson
	Rate     float64  `json:"rate"`     // requests per second, all targets together; 0 with a Profile or a Trace
	// Profile, when set, is the rate over time. Without a Duration the load ends
	// with it.
	Profile *Profile `json:"profile,omitempty"`
	// Trace, when set, is when requests were made before: Arrivals, Rate and
	// Profile are then unset. A Duration cuts it.
	Trace *Trace `json:"trace,omitempty"`
	// Closed, when set, paces the load by the answers: every connection of a
	// target sends its next request as soon as it has the answer to the last.
	// Arrivals, Rate, Profile and Trace are then unset. Intended is Written by
	// definition, so
	// the lateness is 0 and a stall delays all that would have come after it:
	// response times of a closed load compare with no others. Targets do not
	// wait for each other, so a fast one is asked more often.
	Closed bool `json:"closed,omitempty"`
	// Think is how long, in nanoseconds, a connection of a closed load waits
	// between an answer and its next request; nil: not at all.
	Think *Distribution `json:"think,omitempty"`
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
	// Share is the part of the load that this generator offers, where several
	// offer it together; the zero value is all of it.
	Share Share `json:"share,omitzero"`
	// Begin is when it begins, since the session's epoch, so that generators on
	// several machines begin together; one that is not ready by then fails.
	// 0: as soon as it can.
	Begin time.Duration `json:"begin,omitempty"`
}

// Share is the arrivals whose number, from 0, is K modulo N; in a closed load
// the K-th of N in the order in which requests are taken up.
type Share struct {
	K int `json:"k"`
	N int `json:"n"` // 0: there is one share, the whole
}

// Of is this share of n things that are dealt to all in turn.
func (s Share) Of(n int) int {
	if s.N == 0 {
		return n
	}
	return (n + s.N - 1 - s.K) / s.N
}

func (s Share) check() error {
	if s != (Share{}) && (s.K < 0 || s.K >= s.N) {
		return fmt.Errorf("share %d of %d", s.K, s.N)
	}
	return nil
}

// Over says which users offer more than their weight.
type Over struct {
	Users []int   `json:"users"` // indices into the Population
	Share float64 `json:"share"` // of all requests, 0 to 1; drawn equally among Users
}

// Population is who sends requests and what they ask for. Users and requests
// are drawn independently of each other and of the targets.
type Population struct {
	Users    []User    `json:"users"`              // empty: one anonymous user
	Requests []Request `json:"requests,omitempty"` // empty: GET /
}

// User is one sender.
type User struct {
	Weight float64     `json:"weight"` // relative frequency; 0 never sends
	Header [][2]string `json:"header,omitempty"`
}

// Arrival is one request to be made.
type Arrival struct {
	At      time.Duration // intended time since the start of the phase
	Target  int
	User    int
	Request int // index into the population's requests
	Number  int // of the arrival, from 0, in the order of the whole schedule
}

// Protocol is what a generator speaks to a target.
type Protocol string

// The protocols. A generator refuses by name those that it does not speak.
const (
	HTTP1     Protocol = "http/1.1"
	HTTP2     Protocol = "http/2"
	GRPC      Protocol = "grpc"
	TCP       Protocol = "tcp"       // each request is an echo: bytes sent that must come back
	Connect   Protocol = "connect"   // each request opens a TCP connection and closes it
	WebSocket Protocol = "websocket" // each request is a message that must come back
)

// Target is one place that requests go to.
type Target struct {
	Name     string   `json:"name"`
	Addr     string   `json:"addr"`               // host:port
	Protocol Protocol `json:"protocol,omitempty"` // empty: HTTP1
	TLS      *TLS     `json:"tls,omitempty"`      // nil: in the clear
	Host     string   `json:"host"`               // the Host header, or :authority; empty: Addr
	Body     int      `json:"body,omitempty"`     // bytes that requests carry here; 0: what the request says
	// Connections always stand.
	Connections int `json:"connections"`
	// MaxConnections is how far the pool may grow when every connection is
	// busy; at the cap requests queue with their intended time.
	MaxConnections int `json:"max_connections"`
	// Fresh gives every request a connection of its own, which is opened for it
	// and closed after its answer: Connections then only says how far the pool
	// is split among threads, and none stands. Opening is in the response time.
	Fresh bool `json:"fresh,omitempty"`
	// Churn is how many of the standing connections are closed and opened again
	// per second, evenly in time and one after the other.
	Churn float64 `json:"churn,omitempty"`
	// Streams is how many requests may be under way on one connection of a
	// protocol that multiplexes; 0 means 1. Others have 1.
	Streams int `json:"streams,omitempty"`
}

// TLS is how a target's connections are secured. Certificates and keys are PEM
// text, so that the generator's process reads no files of its parent's.
type TLS struct {
	ServerName string `json:"server_name,omitempty"` // empty: the host of Target.Host
	Roots      string `json:"roots,omitempty"`       // empty: the system's
	Cert       string `json:"cert,omitempty"`        // the client's chain, with Key; empty: none
	Key        string `json:"key,omitempty"`
	Insecure   bool   `json:"insecure,omitempty"` // the server's certificate is not verified
}

// Request is one kind of request.
type Request struct {
	Name   string      `json:"name,omitempty"` // in reports; empty: the method and the path
	Weight float64     `json:"weight"`         // relative frequency; that of a single one does not matter
	Method string      `json:"method"`
	Path   string      `json:"path"` // with query
	Header [][2]string `json:"header,omitempty"`
	Body   int         `json:"body,omitempty"` // bytes that it carries, with their length before them
	// Size, when set, draws the bytes that each request carries. Content, when
	// set, is what they carry. At most one of Body, Size and Content is set.
	Size    *Distribution `json:"size,omitempty"`
	Content []byte        `json:"content,omitempty"`
	// Messages is how many messages a gRPC call sends, each of them the body;
	// 0: one. The answer is whole when the server has ended the call, however
	// many messages it sends. Other protocols have one.
	Messages int `json:"messages,omitempty"`
	// Template says that Path, the values of Header and Content are templates:
	// see Template.
	Template bool `json:"template,omitempty"`
}

// Ask is the population of one anonymous user who makes one kind of request.
func Ask(r Request) Population { return Population{Requests: []Request{r}} }

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
	Malformed                // the response is not of the protocol
	Handshake                // no TLS session
	Classes                  // how many there are
)

var classNames = [Classes]string{"ok", "limited", "client-error", "server-error", "timeout", "refused", "reset", "protocol", "tls"}

func (c Class) String() string {
	if c < Classes {
		return classNames[c]
	}
	return "unknown"
}

// GRPCStatus is added to the status of a gRPC call, so that it is no status of
// HTTP: 1000 is OK.
const GRPCStatus = 1000

// Sample is what became of one request. Times are since the session's epoch,
// one clock for all phases of a session; a time that never came is negative.
type Sample struct {
	Intended  time.Duration // when the schedule wanted it sent
	Written   time.Duration // when its first byte was handed to the kernel
	FirstByte time.Duration // when the first byte of the response was read
	LastByte  time.Duration // when the last byte was read
	// Failed is when a request was settled that has no whole response: when its
	// connection was refused or lost, its time had run out, or what came was not of
	// the protocol. 0: it has one, or nobody knows (records before tare-samples/3).
	Failed  time.Duration
	User    uint32 // index into the Population
	Target  uint16 // index into the session's targets
	Request uint16 // index into the population's requests
	Status  uint16 // of HTTP; of gRPC from GRPCStatus on; 0 without one
	Class   Class
}

// Whole says whether a response came to its end, whatever it said.
func (s Sample) Whole() bool { return s.LastByte >= 0 }

// Response is the time that a user waits: from the intended time to the last byte.
func (s Sample) Response() time.Duration { return s.LastByte - s.Intended }

// Service is the time from the first byte written to the last byte read.
func (s Sample) Service() time.Duration { return s.LastByte - s.Written }

// Failure is how long after its intended time a request failed; false: it did
// not, or nobody knows when. It is no response time: a refused request is quick.
func (s Sample) Failure() (time.Duration, bool) {
	return s.Failed - s.Intended, s.Failed != 0 && !s.Whole()
}

// Lateness is how long after its intended time the request was written.
func (s Sample) Lateness() time.Duration { return s.Written - s.Intended }

// Stats is what a generator says of itself after a phase.
type Stats struct {
	// Scheduled is how many arrivals the schedule has, of a canceled load up to
	// its end; of a closed load its samples.
	Scheduled int           `json:"scheduled"`
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
	// Capped is of records from when closed loads had a greatest number of
	// requests: this one ended there, before its time.
	Capped bool `json:"capped,omitempty"`
	// Parts is what each of several generators did; none of a load that one
	// offered alone.
	Parts []Part `json:"parts,omitempty"`
}

// Part is what one of several generators did of a load that they offered together.
type Part struct {
	Name   string        `json:"name"`
	Offset time.Duration `json:"offset_ns"`      // its machine's clock less that which the samples are on
	Bound  time.Duration `json:"bound_ns"`       // the offset is right to ± this
	Stats  Stats         `json:"stats"`          // of its share; the zero value of one that was lost
	Lost   string        `json:"lost,omitempty"` // why nothing more was heard of it; empty: it was not lost
	// Missing is the arrivals of its share of which nothing was heard.
	Missing int `json:"missing,omitempty"`
}

// Generator offers loads.
type Generator interface {
	Name() string
	// Open connects to every target and returns when all pools stand.
	Open(ctx context.Context, targets []Target, p Population) (Session, error)
}

// Session is an opened generator: its connections live across phases.
type Session interface {
	// Generate offers one load and hands the sink a sample for every scheduled
	// arrival, or for every request of a closed load, ordered by intended time.
	// On cancellation it hands over what was done and returns ctx's error.
	Generate(ctx context.Context, l Load, sink Sink) (Stats, error)
	// PID is the process that offers the load.
	PID() int
	Close() error
}

// Sink takes what comes of a load.
type Sink struct {
	// Samples takes the next samples, while the load runs or after it, as the
	// generator's memory makes it. The slice is valid during the call only. An
	// error ends the load.
	Samples func([]Sample) error
	// Progress is told about once a second how far the load is; nil: it is not.
	Progress func(Progress)
}

// Progress is how far a load is.
type Progress struct {
	Elapsed time.Duration `json:"elapsed"`
	Sent    int           `json:"sent"`   // requests written
	Done    int           `json:"done"`   // requests with an outcome
	Failed  int           `json:"failed"` // of those: not OK and not Limited
	// P50 and P99 are about those of all response times so far; 0: too few, or
	// the generator does not say. Of several generators the greatest.
	P50 time.Duration `json:"p50,omitempty"`
	P99 time.Duration `json:"p99,omitempty"`
}

// Collect offers one load and returns all its samples: for loads whose samples
// fit into memory.
func Collect(ctx context.Context, s Session, l Load) ([]Sample, Stats, error) {
	var all []Sample
	stats, err := s.Generate(ctx, l, Sink{Samples: func(part []Sample) error {
		all = append(all, part...)
		return nil
	}})
	return all, stats, err
}
