package process

import (
	"context"
	"fmt"
	"time"
)

// Finish waits for the end of a child that ends by itself, and returns the CPU
// time, user and system, that it used in all, with the children that it waited
// for. A status other than 0 is an error that shows its last lines. When the
// context is done first the child is killed.
func (p *Process) Finish(ctx context.Context) (time.Duration, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Stop(0)
		return 0, fmt.Errorf("wait for the end of %s: %w", p.Name, ctx.Err())
	}
	if p.err != nil {
		return 0, fmt.Errorf("%s ended: %w", p.Name, p.failure())
	}
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), nil
}
