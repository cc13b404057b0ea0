// Package split shares requests among services by weight, as for a release
// that is to get a tenth of them.
//
// Each request is drawn by itself: with weights 90 and 10 the second service
// gets one with probability 0.1. With a sticky header the requests with equal
// values of it go to one service, drawn once for the value; requests without it
// are drawn by themselves. Forms need not draw alike: in which service a value
// of the header lands may differ between them.
//
// The library is a round tripper (NewTransport) or, for clients of gRPC, a
// connection over the services' connections (NewGRPC), where the header is
// metadata. Both draw alike.
//
// The judge is an exact binomial test of each service's share, at a level that
// is missed by chance once in ten million times. What it would find is a number,
// not a hope: Power gives the probability that it finds a wrong share. With the
// 800 requests of the trials 80/20 in place of 90/10 is found with a probability
// of 0.997, 82/18 with one of 0.91, and 50/50 for certain.
package split
