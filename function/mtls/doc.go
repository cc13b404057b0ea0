// Package mtls is mutual TLS between services that are known by SPIFFE ids: who
// calls must show a certificate of the same trust domain, with an id that is
// allowed, and the service learns the id.
//
// An Authority is a small certificate authority of one trust domain. It issues
// identities: short-lived X.509 certificates whose one URI name is a SPIFFE id.
// In a proxy they travel over SDS, so that a new one is used by new handshakes
// at once and no connection is dropped; the id of the caller goes to the service
// in x-forwarded-client-cert. Servers and clients in Go ask a Source for their
// identity at every handshake, which rotates them too: see ServerTLS, ClientTLS
// and Middleware.
//
// It distributes identities to nobody but the proxies of this process, revokes
// none (they expire), and knows one trust domain: no federation.
package mtls
