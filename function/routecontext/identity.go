package routecontext

import (
	"context"
	"strings"
)

type identityKey struct{}

// WithIdentity returns a context that carries the URIs of the certificate that
// the caller showed and that was verified. The library finds them there.
func WithIdentity(ctx context.Context, uris ...string) context.Context {
	return context.WithValue(ctx, identityKey{}, uris)
}

func identityFrom(ctx context.Context) []string {
	uris, _ := ctx.Value(identityKey{}).([]string)
	return uris
}

// IdentitiesOf are the URIs that the last element of a header
// x-forwarded-client-cert names: elements are parted by commas, their pairs
// (URI=spiffe://mesh/web) by semicolons, and a value may be in quotes, which
// hide both. The last element is the nearest client.
func IdentitiesOf(xfcc string) (uris []string) {
	for xfcc != "" {
		pair, end := cutPair(xfcc)
		if k, v, _ := strings.Cut(pair, "="); k == "URI" {
			uris = append(uris, v)
		}
		if end == len(xfcc) {
			break
		}
		if xfcc[end] == ',' {
			uris = nil
		}
		xfcc = xfcc[end+1:]
	}
	return uris
}

// cutPair is the first pair, and where it ends.
func cutPair(s string) (pair string, end int) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == ';'):
			return s[:i], i
		}
	}
	return s, len(s)
}
