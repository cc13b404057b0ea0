// Package consul is the testbed on a real Consul mesh.
//
// One Consul agent (development mode, loopback only, everything in memory)
// stands for a block. A treatment without a proxy is its service alone, off
// the mesh. Any other is two services of Consul's: the treatment's own,
// registered behind a sidecar, and the front end that calls it, whose sidecar
// has an upstream listener. The generator plays the front end: its requests go
// into that listener, over mutual TLS to the service's sidecar, and from there
// to the service. Both sidecars are Envoys, started here with the bootstrap
// that Consul writes and configured by Consul alone.
//
// What a topology's proxy shall do becomes Consul's configuration entries:
//
//   - a router is an intention that lets the front end in, where the default is
//     to deny, and the protocol http;
//   - the token check is a jwt-provider that the intention's permissions demand.
//     Consul refuses by intention, so a request without a good token gets 403.
//     It cannot make headers of claims: the token's payload goes on in the
//     header x-token-payload, whose name a module's configuration gets as its
//     field payload_header. Nor can it demand the claim exp;
//   - a proxy-wasm module is the extension builtin/wasm of the service's
//     defaults. Envoy reads it from a file in memory that it inherits.
//
// Whatever else a proxy may be wished to do is refused by name, before anything
// starts. The package talks to Consul over its HTTP interface and links
// nothing of it. It writes nothing to disk, and what it starts dies with tare.
package consul
