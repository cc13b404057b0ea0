// Package retry sends a request again when the service did not do it: on which
// answers, how often, after how long, and how many at a time.
//
// Conditions are Envoy's: 5xx (any such status, and no answer at all),
// gateway-error (502, 503, 504, and no answer at all), reset (no answer at all:
// the connection was cut or the attempt took too long), connect-failure; and
// statuses by number. All methods are tried again, with their bodies: whether
// that does harm is for whoever asks for it to know.
//
// Before the n-th further attempt passes a time drawn evenly from nothing to
// base·2^(n−1), at most the longest: full jitter. An attempt may have a time of
// its own. A budget bounds the further attempts that are waiting or under way at
// once, to a share of all requests under way, or to a least number if that is
// more; what has no place in it is not tried again. Who has no attempts left
// gets the last answer: 504 if there was none in time, else 503.
//
// A request that cannot be kept whole is not tried again: proxies keep bodies of
// up to 1 MiB, the library keeps all.
//
// The library is a round tripper for clients; each further attempt goes to the
// next of the service's addresses. The loop is go-retryablehttp's. For gRPC the
// parameters become a service config, and the attempts are gRPC's own.
package retry
