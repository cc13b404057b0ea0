package workload

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
)

// Intake reads the bodies of requests and counts their bytes. The zero value
// is ready to use.
type Intake struct{ received atomic.Int64 }

// Take reads a request's body to its end. It costs nothing where there is none.
func (i *Intake) Take(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	n, err := io.Copy(io.Discard, r.Body)
	i.received.Add(n)
	if err != nil {
		return fmt.Errorf("read the body of a request: %w", err)
	}
	return nil
}

// Received is the bytes read so far.
func (i *Intake) Received() int64 { return i.received.Load() }
