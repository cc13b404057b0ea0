package function

import "context"

// Caller is who makes a request, as established by a token check.
type Caller struct {
	User         string `json:"user"`
	Subscription string `json:"subscription"`
}

// The headers that hand a Caller from the token check to what stands behind
// it. A client's own copies are always removed.
const (
	UserHeader         = "x-user"
	SubscriptionHeader = "x-subscription"
)

// PayloadHeaderField is the field of a filter's configuration, a JSON object,
// that names the header with the whole payload of the token, in base64url:
// where the token check can hand on that and no headers of claims. The filter
// then reads the Caller there and nowhere else.
const PayloadHeaderField = "payload_header"

type callerKey struct{}

// WithCaller returns a context that carries the caller.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller that the context carries.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}
