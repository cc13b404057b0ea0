package fleet

import "time"

// Monotonic is the machine's clock.
func Monotonic() time.Duration { return monotonic() }
