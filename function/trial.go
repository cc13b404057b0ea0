package function

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"time"
)

// Trial is traffic that shows a function at work: requests in order, and how
// the services behind answer them.
type Trial struct {
	Name   string
	Params string // of the function, JSON
	// Replicas are the services there are; none means one that answers 200.
	Replicas []Replica
	Requests []Request
	// Mutants are things that look like the function under Params and are not.
	Mutants []Mutant
	// Only, if set, is the one place where the trial makes sense.
	Only Place
	// Await is how many deliveries are waited for after the last answer, a second
	// at most: copies come behind answers.
	Await int
	// Proxies is how many proxies alike stand before the replicas, all of which
	// ask the same service of a form external; 0 means one.
	Proxies int
	// Mute is that the service of a form external takes no connections.
	Mute bool
	// Settled reports whether all has been collected that will be; the judge waits
	// for it, not for ever. nil: what ends with the proxy is all.
	Settled func(Evidence) bool
}

// What the parameters of a trial may name: a folder of the trial's own, in which
// the lines of the file log are Evidence.Collected, and the address of a
// collector (host:port).
const (
	TrialDir       = "${dir}"
	TrialCollector = "${collector}"
)

// Place is where a trial makes sense.
type Place string

// The places: anywhere, or in proxies alone, or in applications alone.
const (
	Anywhere      Place = ""
	InProxy       Place = "proxy"
	InApplication Place = "application"
)

// Mutant is something that the judge must find fault with: the function under
// other parameters, or evidence that was spoilt. One of Params and Spoil is set.
type Mutant struct {
	Name   string
	Params string          // that the mutant is told, while the judge knows the trial's
	Spoil  func(*Evidence) // changes what was seen in a trial without fault
}

// Replica is how one service answers: its k-th request by the k-th answer, and
// by the last one from there on.
type Replica struct {
	Answers []Answer // none: 200, always
	// Paths answer requests for some paths, counted by themselves.
	Paths map[string][]Answer
	// Down is a service that takes no connections.
	Down bool
	// TLS is how the service shakes hands; nil: it speaks in clear text.
	TLS func() (*tls.Config, error)
}

// Answer is one response of a replica.
type Answer struct {
	Status int           // 0 means 200
	Delay  time.Duration // before anything is sent
	Header http.Header
	Body   string
	Pause  time.Duration // before each byte of the body, after the head
	Reset  bool          // the connection is cut instead
}

// Code is the answer's status.
func (a Answer) Code() int {
	if a.Status == 0 {
		return http.StatusOK
	}
	return a.Status
}

// Request is one request of a trial, or several alike.
type Request struct {
	Method  string // empty: GET
	Target  string // path and query; empty: /
	Host    string // empty: the address
	Header  http.Header
	Body    string
	Chunked bool          // the body's length is not told before it
	Caller  Caller        // sent in the headers that the token check sets
	After   time.Duration // to wait before it
	Times   int           // how often, one after the other; 0 means once
	AtOnce  int           // how many at the same time, each as often; 0 means one
	// Abandon is when the client goes away without its answer; 0: never.
	Abandon time.Duration
	// Change, if set, is parameters, as JSON, that a proxy is given while these
	// requests are under way: when half of them have been sent. It is no
	// observation, but stands in the evidence's Changes.
	Change string
	// From is the address that the client connects from; empty: 127.0.0.1.
	From string
	// Proxy is which of the trial's proxies it is sent to, from 0.
	Proxy int
	// TLS is how the client shakes hands, and with which certificate, whose Leaf
	// is set; nil: it speaks in clear text.
	TLS func() (*tls.Config, error)
}

// Message is a request or a response as one side saw it.
type Message struct {
	Method, Target, Host string // of a request
	Status               int    // of a response
	Header               http.Header
	Body                 []byte
	// From is the client's address in a request of it, and Identities are the
	// URIs of the certificate that it showed.
	From       netip.Addr
	Identities []string
}

// Delivery is a request as it reached a replica.
type Delivery struct {
	// Of is the index of the observation whose request it was; -1: of none,
	// such as a health check. A copy that a mirror sends has its original's.
	Of      int
	Replica int
	At      time.Duration
	Message Message
	// Answered is the status that the replica sent; 0 when it could not.
	Answered int
	// Cancelled is when the replica saw that nobody waits any more; 0: it never did.
	Cancelled time.Duration
}

// TrialHeader carries the number of a trial's request from the client to the
// replicas. Functions leave it alone.
const TrialHeader = "x-tare-trial"

// Reached is what the i-th request of a trial became at the replicas.
func (e Evidence) Reached(i int) (all []Delivery) {
	for _, d := range e.Deliveries {
		if d.Of == i {
			all = append(all, d)
		}
	}
	return all
}

// Replicas are those that deliveries went to, in order.
func Replicas(ds []Delivery) []int {
	all := make([]int, len(ds))
	for i, d := range ds {
		all[i] = d.Replica
	}
	return all
}
