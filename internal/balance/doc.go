// Package balance spreads requests over the hosts of a cluster as Envoy does:
// which host is next, which are fit to be asked, and how much may be under way.
//
// A Group holds the hosts of one cluster through all changes of its
// configuration. Set says what they are and how they are chosen: in turn, by
// weights (earliest deadline first), the less busy of some, by a hash (ring or
// Maglev table), or at random; by priorities with Envoy's spill and its panic.
// Pick gives a host, and Done says what became of the request. What changes
// seldom (who is healthy, rings, loads of priorities) is made anew into a view,
// which Pick finds through one atomic pointer; Pick allocates nothing. Hosts are
// judged by what they answer (Outlier) and by asking them (Check); the goroutines
// of both end with Close. A Breaker counts what is under way. Transport and Conn
// put all that into clients of net/http and of gRPC.
//
// The package opens no connection but those of checks, and knows no protocol
// but theirs. It has no zone awareness, no subsets, no slow start and no
// degraded hosts.
package balance
