// Package ratelimit is the rate limit: a token bucket per user, capacity and
// refill by subscription.
//
// What it means is in model.go, one request after the other and without
// rounding. A bucket belongs to a path, a user and a subscription; it holds as
// many tokens as the rate says, is full at first, and gains them continuously.
// A request takes one token or is refused with 429.
//
//   - A path that is not listed is not limited.
//   - A user who changes subscription has another bucket from then on, full at
//     first; the old one refills meanwhile. (Envoy's bucket belongs to user and
//     subscription too.)
//   - Callers without a listed subscription, or without a name, share the one
//     bucket of Others per path. It is Envoy's default token bucket. Unless
//     set, it holds and gains a token a nanosecond: they go on unlimited, and
//     by the same rule in all forms.
//
// The library form (library.go) and the embedded plane's native form
// (filter.go) share the core: a bucket is one word, the time at which it would
// have been empty, drawn from by compare-and-swap (core.go); buckets are found
// without a lock (shelf.go). The library is a middleware, or interceptors for
// servers of gRPC (NewGRPC), where a path is a full method and the refusal the
// code ResourceExhausted. The native form is told by Envoy's own local rate
// limit message (native.go), whose fields the Go filter honours or refuses by
// name (native_message.go). Envoy, and so the native form, keeps no more than
// Users buckets for each subscription and forgets the least recently used.
//
// The wasm form is a module of its own, in Rust (filter/, wasm.go): the same
// rule in the same units, its buckets in the proxy's shared data, one entry
// each, which stay for ever. docs/formats/ratelimit-wasm.md says what it asks
// of a proxy.
//
// The judge (judge.go) holds what was seen from outside against the model,
// where only an interval is known for the time of a decision: it accuses only
// where no correct history is left.
//
// It counts exactly for 30 days after an instance starts, and refuses rates
// with which it could not. It does not share buckets between processes.
package ratelimit
