package embedded

import "sync/atomic"

// entrance is how connections come in under one configuration of a listener.
// When that changes, new connections come in by another entrance, and those of
// the old one end after their next response.
type entrance struct {
	draining atomic.Bool
}
