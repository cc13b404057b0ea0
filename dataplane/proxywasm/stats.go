package proxywasm

import "errors"

// Stats count what became of a plugin's instances.
type Stats struct {
	// Started is how many instances were started; Instances how many there are,
	// and Idle how many of them serve nobody.
	Started         uint64
	Instances, Idle int
	// Deadlines, Memory, Exits and Traps count failures by reason.
	Deadlines, Memory, Exits, Traps uint64
}

// Failures is how many guests have failed.
func (s Stats) Failures() uint64 { return s.Deadlines + s.Memory + s.Exits + s.Traps }

// reasons are why guests fail; a failure's place is its counter.
var reasons = [...]error{ErrDeadline, ErrMemory, ErrExit, ErrTrap}

const failureKinds = len(reasons)

// failed counts and logs a failure.
func (p *Plugin) failed(f *Failure) {
	for i, r := range reasons {
		if errors.Is(f.Reason, r) {
			p.failures[i].Add(1)
		}
	}
	p.log(Critical, f.Error())
}

// Stats says how the plugin's instances fare.
func (p *Plugin) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{
		Started:   p.started.Load(),
		Instances: p.count,
		Idle:      len(p.idle),
		Deadlines: p.failures[0].Load(),
		Memory:    p.failures[1].Load(),
		Exits:     p.failures[2].Load(),
		Traps:     p.failures[3].Load(),
	}
}
