// Package failover is failover between priorities: replicas of a later one get
// requests only as far as those of the earlier ones cannot bear them.
//
// Every replica has a priority, and the control plane says which are unhealthy.
// A priority bears its healthy part times the overprovisioning factor (140 % by
// default: up to two of seven replicas may fail without any load moving); what it
// cannot bear goes to the next one. Where all together cannot bear it, load goes
// by what each has, and in panic (below a threshold of healthy replicas) health
// is disregarded. Within a priority replicas take turns.
//
// Each priority stands in a locality of its own; the weights of localities,
// which Envoy looks at only when it is told to, are not part of this.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC).
package failover
