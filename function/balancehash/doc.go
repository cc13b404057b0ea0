// Package balancehash is balancing by a hash: requests of one key reach one
// replica, as long as it is there.
//
// The key is a header, a cookie or a parameter of the query; a request without
// one goes anywhere. The ring (ketama) has points of every replica and takes the
// first at or after the key's hash; Maglev has a table whose places the replicas
// fill in turn. Both are made of the replicas' addresses, as Envoy makes them,
// so that all proxies and the library agree. When a replica leaves, its keys
// move; of the others' keys Maglev moves few, and the ring some, since Envoy
// gives the replicas that stay more points to keep its least size.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC), where headers are metadata.
package balancehash
