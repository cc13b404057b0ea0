package proxywasm

import (
	"errors"
	"fmt"
	"strings"
)

// What Stream and a guest's failure can be, beside the words of the engine.
var (
	// ErrClosed: the plugin was closed.
	ErrClosed = errors.New("plugin is closed")
	// ErrBusy: every instance that the limit allows serves a stream.
	ErrBusy = errors.New("all instances are busy: raise Limits.Instances")
	// ErrStreamClosed: the guest closed its stream. It did not fail.
	ErrStreamClosed = errors.New("the guest closed the stream")
	// ErrDeadline: a call of the guest ran for longer than its deadline.
	ErrDeadline = errors.New("the guest ran for longer than its deadline")
	// ErrMemory: the guest failed with all of the memory that its limit allows.
	ErrMemory = errors.New("the guest used up its memory")
	// ErrExit: the guest asked to end its process.
	ErrExit = errors.New("the guest called proc_exit")
	// ErrTrap: the guest trapped.
	ErrTrap = errors.New("the guest trapped")

	errReentry = errors.New("the guest's allocator called a host function that allocates")
)

// Failure is what became of a guest that failed: one of the errors above, and
// the engine's own words.
type Failure struct {
	Plugin string
	// In is the function of the guest that the host had called.
	In     string
	Reason error
	Cause  error
}

// Error says all of it on one line.
func (f *Failure) Error() string {
	cause, _, _ := strings.Cut(f.Cause.Error(), "\n")
	cause = strings.TrimSuffix(cause, " (recovered by wazero)")
	if cause == f.Reason.Error() {
		return fmt.Sprintf("plugin %s: in %s: %s", f.Plugin, f.In, cause)
	}
	return fmt.Sprintf("plugin %s: in %s: %v: %s", f.Plugin, f.In, f.Reason, cause)
}

// Unwrap gives the reason and the cause to errors.Is.
func (f *Failure) Unwrap() []error { return []error{f.Reason, f.Cause} }
