package measure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// latencyLimit is the kernel's file of the latency that CPUs may have to wake:
// a limit in µs, written as 32 bits in the machine's order, holds as long as the
// file is open (Documentation/admin-guide/pm/cpuidle.rst, "Power Management
// Quality of Service for CPUs").
const latencyLimit = "/dev/cpu_dma_latency"

// Awake keeps the CPUs of this host from sleeping when they have nothing to do:
// they wait in a loop instead, as they do under cyclictest. A CPU that sleeps
// wakes late, by some and not always the same time; that of a virtual machine
// leaves the machine to do so. A request meets this at every hop.
//
// The kernel ends it with the process, however that ends. The zero value lets
// CPUs sleep.
type Awake struct{ file *os.File }

// KeepAwake begins it. The error says what the host refuses, and the remedy.
func KeepAwake() (Awake, error) { return keepAwake(latencyLimit) }

func keepAwake(path string) (Awake, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Awake{}, fmt.Errorf("keep idle cores awake: this kernel, or this container, has no %s", path)
	case err != nil:
		return Awake{}, fmt.Errorf("keep idle cores awake: %w (root may, and who is given access to that file)", err)
	}
	if _, err := f.Write(binary.NativeEndian.AppendUint32(nil, 0)); err != nil {
		return Awake{}, errors.Join(fmt.Errorf("keep idle cores awake: %w", err), f.Close())
	}
	return Awake{f}, nil
}

// String says what idle cores do.
func (a Awake) String() string {
	if a.file == nil {
		return "sleep"
	}
	return "kept awake"
}

// Release lets CPUs sleep again.
func (a Awake) Release() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
