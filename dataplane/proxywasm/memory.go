package proxywasm

import (
	"context"
	"fmt"
	"runtime"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// mapped makes the engine map the linear memory of an instance instead of
// taking it from the heap: all that the limit allows is reserved, and only
// pages that the guest has touched are there. Growing copies nothing then, and
// a module of which an instance claims a megabyte and uses a tenth of it costs
// that tenth.
var mapped = experimental.WithMemoryAllocator(context.Background(), experimental.MemoryAllocatorFunc(reserve))

// mapping is the linear memory of one instance.
type mapping struct{ all []byte }

func reserve(_, most uint64) experimental.LinearMemory {
	if most == 0 {
		return &mapping{}
	}
	all, err := unix.Mmap(-1, 0, int(most), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		panic(fmt.Errorf("%w: reserve %d bytes: %w", ErrMemory, most, err)) // start recovers it
	}
	m := &mapping{all}
	// An instance whose start function traps is dropped by the engine unclosed.
	runtime.SetFinalizer(m, (*mapping).Free)
	return m
}

// Reallocate is the first bytes of what is reserved; none beyond it.
func (m *mapping) Reallocate(size uint64) []byte {
	if size > uint64(len(m.all)) {
		return nil
	}
	return m.all[:size]
}

// Free unmaps it. The engine calls it when the instance is closed.
func (m *mapping) Free() {
	if m.all != nil {
		_ = unix.Munmap(m.all) // of what was mapped: it cannot fail
		m.all = nil
	}
}
