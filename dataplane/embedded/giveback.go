package embedded

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

// giveBack returns what only starting up has used: memory of the heap, and the
// pages of the program itself, which the kernel has in its cache and maps again
// when they are needed. A program in which much is built in, of which a proxy
// uses little, would otherwise weigh as if it used all of it.
func giveBack() {
	debug.FreeOSMemory()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return // it only weighs more
	}
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for line := range bytes.Lines(maps) {
		if start, size, ok := programPages(line, program); ok {
			// Advice: what comes of it is seen in the proxy's memory.
			_, _, _ = syscall.RawSyscall(syscall.SYS_MADVISE, start, size, syscall.MADV_DONTNEED)
		}
	}
}

// programPages finds a mapping that is the program's, and that nothing has
// written to, in a line of /proc/self/maps.
func programPages(line []byte, program string) (start, size uintptr, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) != 6 || string(fields[5]) != program || bytes.IndexByte(fields[1], 'w') >= 0 {
		return 0, 0, false
	}
	from, to, _ := bytes.Cut(fields[0], []byte{'-'})
	a, errA := strconv.ParseUint(string(from), 16, 64)
	b, errB := strconv.ParseUint(string(to), 16, 64)
	return uintptr(a), uintptr(b - a), errA == nil && errB == nil && a < b
}
