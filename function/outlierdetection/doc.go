// Package outlierdetection is outlier detection: a replica that fails several
// times in a row is left out for a while, without anybody asking it.
//
// A failure is an answer of 500 or above, or none. After so many in a row the
// replica is ejected for a time that grows with every ejection, unless too many
// are out already; it comes back at the next review. Rows begin anew with a
// success. The other replicas get requests in turn.
//
// Nothing is tried again: those who met the failures see them. Success rates,
// which Envoy also compares, are switched off.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over those to the replicas (NewGRPC), where codes count as the
// statuses that Envoy takes them for.
package outlierdetection
