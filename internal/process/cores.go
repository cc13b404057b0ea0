package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// affinity is the cores that the calling thread may run on.
func affinity() (set unix.CPUSet, err error) {
	if err = unix.SchedGetaffinity(0, &set); err != nil {
		return set, fmt.Errorf("read the allowed cores: %w", err)
	}
	return set, nil
}

// first is the n lowest of the cores.
func first(n int, of unix.CPUSet) (unix.CPUSet, error) {
	var chosen unix.CPUSet
	for core := 0; core < 64*len(of) && chosen.Count() < n; core++ {
		if of.IsSet(core) {
			chosen.Set(core)
		}
	}
	if n < 1 || chosen.Count() < n {
		return chosen, fmt.Errorf("%d cores are wanted, and %d are allowed", n, of.Count())
	}
	return chosen, nil
}

// onCores does something on the first n of this thread's cores, which a child
// that is forked meanwhile inherits, and gives the thread its own back. With 0
// nothing changes.
func onCores(n int, do func() error) error {
	if n == 0 {
		return do()
	}
	own, err := affinity()
	if err != nil {
		return err
	}
	chosen, err := first(n, own)
	if err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &chosen); err != nil {
		return fmt.Errorf("choose %d cores: %w", n, err)
	}
	failed := do()
	if err := unix.SchedSetaffinity(0, &own); err != nil && failed == nil {
		return fmt.Errorf("give the launcher its cores back: %w", err)
	}
	return failed
}
