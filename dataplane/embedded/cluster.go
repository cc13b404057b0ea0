package embedded

import (
	"sync/atomic"
	"time"
)

// cluster is endpoints that take turns.
type cluster struct {
	endpoints []*endpoint
	turn      atomic.Uint64
}

// choice is what a cluster may choose an endpoint by.
type choice struct {
	hash   uint64
	hashed bool        // there is a hash
	tried  []*endpoint // by earlier attempts of the same request
}

// outcome is what became of one attempt at an endpoint.
type outcome struct {
	status int           // of the response; 0: none came
	fault  fault         // why none came, or not all of it
	took   time.Duration // 0: not known
}

// fault is how an attempt failed below HTTP.
type fault uint8

const (
	noFault       fault = iota
	connectFailed       // no connection
	wasReset            // it ended before the response, or in it
	tookTooLong         // its time was over
	givenUp             // the client went away, or another attempt was faster
)

// refusal is why a cluster gave no endpoint.
type refusal uint8

const (
	noRefusal  refusal = iota
	noEndpoint         // none is there, or none is healthy
	overloaded         // a circuit breaker
)

// choose gives an endpoint for an attempt; nil and why when there is none. Each
// one that it gives is given back by done, once.
func (c *cluster) choose(choice) (*endpoint, refusal) {
	switch len(c.endpoints) {
	case 0:
		return nil, noEndpoint
	case 1:
		return c.endpoints[0], noRefusal
	}
	return c.endpoints[(c.turn.Add(1)-1)%uint64(len(c.endpoints))], noRefusal
}

// done says what became of an attempt.
func (c *cluster) done(*endpoint, outcome) {}

// retry asks for the right to try a request once more: the circuit breaker of
// retries. Each right that it gives is given back by retried, when that attempt
// has ended.
func (c *cluster) retry() bool { return true }

func (c *cluster) retried() {}
