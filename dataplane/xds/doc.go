// Package xds translates a wanted proxy into Envoy's v3 resources and serves
// them to proxies over delta ADS.
//
// Resources is the translation, a pure function. A Server hands one proxy to
// each node id: Set gives every resource the number of its snapshot as version,
// pushes secrets, clusters, endpoints, listeners and routes, and returns
// when the node has acknowledged each one, or with the words of its refusal.
//
// The server listens on loopback without encryption, keeps nothing on disk, and
// speaks delta ADS only. It does not ask whether a listener serves: an
// acknowledgement says that a configuration was taken.
package xds
