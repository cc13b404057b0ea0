// Package balanceroundrobin is round robin: the replicas of a service get
// requests in turn, or by weights.
//
// Without weights every replica gets every n-th request. With weights the one
// whose next turn is due first is next (earliest deadline first), so that a
// replica of weight 3 of 10 gets 3 of any 10 requests in a row, spread out; where
// turns are due at the same time, rounding may put one off to the next ten.
// Where the turns begin is not said: proxies that are started together should not
// all begin with the same replica. Health is not looked at.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC).
package balanceroundrobin
