package embedded

import (
	"context"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/taremesh/tare/internal/balance"
)

// cluster is endpoints to choose from. Those that are all alike take turns;
// what else there is to choose by is the group's, which goes on through changes
// of the configuration, as the breaker does: a request that began before one may
// be sent to an endpoint that has come with it.
type cluster struct {
	name      string
	endpoints []*endpoint
	turn      atomic.Uint64
	group     *balance.Group   // nil: they take turns
	breaker   *balance.Breaker // nil: there are no limits

	how balanceSpec // what it was made of
	of  assignment
}

// choice is what a cluster may choose an endpoint by.
type choice struct {
	hash   uint64
	hashed bool        // there is a hash
	tried  []*endpoint // by earlier attempts of the same request
	// patience is how long it may wait for a connection, where those are
	// limited; 0: as long as for a response.
	patience time.Duration
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
	noRefusal     refusal = iota
	noEndpoint            // none is there, or none is healthy
	overloaded            // a circuit breaker
	waitedTooLong         // for a connection
)

// choose gives an endpoint for an attempt; nil and why when there is none. Each
// one that it gives is given back by done, once.
func (c *cluster) choose(by choice) (*endpoint, refusal) {
	if c.breaker != nil {
		switch c.breaker.Enter(by.wait) {
		case balance.Overflow:
			return nil, overloaded
		case balance.Waited:
			return nil, waitedTooLong
		}
	}
	e := c.next(by)
	if e != nil {
		return e, noRefusal
	}
	if c.breaker != nil {
		c.breaker.Leave()
	}
	return nil, noEndpoint
}

// wait is a context as long as the patience.
func (by choice) wait() (context.Context, context.CancelFunc) {
	if by.patience == 0 {
		by.patience = envoyLimits.waiting
	}
	return context.WithTimeout(context.Background(), by.patience)
}

// next is the endpoint whose turn it is, another one than those tried before
// where there is one.
func (c *cluster) next(by choice) *endpoint {
	if c.group != nil {
		return c.picked(by)
	}
	n := uint64(len(c.endpoints))
	switch n {
	case 0:
		return nil
	case 1:
		return c.endpoints[0]
	}
	e := c.endpoints[(c.turn.Add(1)-1)%n]
	for again := uint64(1); again < n && slices.Contains(by.tried, e); again++ {
		e = c.endpoints[(c.turn.Add(1)-1)%n]
	}
	return e
}

func (c *cluster) picked(by choice) *endpoint {
	key := balance.Key{Hash: by.hash, Hashed: by.hashed, Attempt: len(by.tried)}
	for again := 0; ; again++ {
		h := c.group.Pick(key)
		if h == nil {
			return nil
		}
		e := h.Owner.(*endpoint)
		if again == mostPicks || !slices.Contains(by.tried, e) {
			return e
		}
		c.group.Release(h)
		key.Attempt++
	}
}

// mostPicks bounds the search for an endpoint that was not tried: with two of
// which one is tried, chance fails so many times once in 4 billion.
const mostPicks = 32

// done says what became of an attempt.
func (c *cluster) done(e *endpoint, o outcome) {
	if c.breaker != nil {
		c.breaker.Leave()
	}
	if c.group == nil {
		return
	}
	if h := c.group.Host(e.addr); h != nil {
		c.group.Done(h, o.status, faults[o.fault])
	}
}

// faults are what they say of an endpoint.
var faults = [...]balance.Fault{
	noFault: balance.NoFault, connectFailed: balance.Unreachable, wasReset: balance.Unreachable,
	tookTooLong: balance.Slow, givenUp: balance.NoConclusion,
}

// glance is an endpoint for a request that is not carried here.
func (c *cluster) glance() *endpoint {
	e, _ := c.choose(choice{})
	if e != nil {
		c.done(e, outcome{fault: givenUp})
	}
	return e
}

// retry asks for the right to try a request once more: the circuit breaker of
// retries. Each right that it gives is given back by retried, when that attempt
// has ended.
func (c *cluster) retry() bool { return c.breaker == nil || c.breaker.Retry() }

func (c *cluster) retried() {
	if c.breaker != nil {
		c.breaker.EndRetry()
	}
}

// cluster makes the cluster of that name, which goes on with what the old one
// knows; one that has not changed is the old one.
func (c *config) cluster(p *proxy, name string, old *cluster) *cluster {
	made := &cluster{name: name, how: c.how[name], of: c.members[name]}
	made.how.config.Overprovision = made.of.overprovision
	for _, m := range made.of.members {
		made.endpoints = append(made.endpoints, p.endpointBy(m.Addr, c.by[name]))
	}
	if old != nil && slices.Equal(old.endpoints, made.endpoints) && reflect.DeepEqual(old.how, made.how) && slices.Equal(old.of.members, made.of.members) {
		return old
	}
	if l := made.how.limits; l != nil {
		if old != nil && old.breaker != nil {
			made.breaker = old.breaker
			made.breaker.Limit(*l)
		} else {
			made.breaker = balance.NewBreaker(*l)
		}
	}
	if !made.how.plain(made.of) {
		made.join(old)
	}
	return made
}

// join puts the endpoints into the old cluster's group, or into one of their
// own. As Envoy does, a cluster that is new waits for its first checks.
func (c *cluster) join(old *cluster) {
	fresh := old == nil || old.group == nil
	if fresh {
		c.group = balance.NewGroup(nil)
	} else {
		c.group = old.group
	}
	members := slices.Clone(c.of.members)
	for i := range members {
		members[i].Owner = c.endpoints[i]
	}
	c.group.Set(c.how.config, members)
	if k := c.how.config.Check; k != nil && fresh {
		ctx, cancel := context.WithTimeout(context.Background(), k.Timeout+time.Second)
		defer cancel()
		// Who has not answered by then is unhealthy until it does.
		_ = c.group.Settled(ctx)
	}
}

// retire ends what old clusters have that the new ones do not go on with.
func retire(old, now map[string]*cluster) {
	for name, c := range old {
		if c.group != nil && (now[name] == nil || now[name].group != c.group) {
			c.group.Close()
		}
	}
}
