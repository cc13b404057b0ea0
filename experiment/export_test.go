package experiment

// Counter is counter, for the tests outside.
type Counter = counter

// CountWith replaces what counts instructions.
func (r *Runner) CountWith(f func(pid int) (Counter, bool, error)) { r.counter = f }

// PrimaryWidths is what stopping looks at.
var PrimaryWidths = (*Analysis).primaryWidths
