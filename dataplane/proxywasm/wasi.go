package proxywasm

import (
	"crypto/rand"
	"time"
)

// errno is what a function of WASI preview 1 answers.
type errno uint32

// The error numbers of WASI that this host uses.
const (
	errnoSuccess errno = 0
	errnoBadFile errno = 8
	errnoFault   errno = 21
	errnoInvalid errno = 28
	errnoNoEntry errno = 44
	errnoNoSys   errno = 52
	errnoNotSup  errno = 58
)

func wasi(letters string, f func(*instance, []uint64) errno) hostFunction {
	return hostFunction{types(letters), types("i"), func(in *instance, s []uint64) {
		in.watch.charge(0)
		s[0] = uint64(f(in, s))
	}}
}

func refuses(letters string, e errno) hostFunction {
	return wasi(letters, func(*instance, []uint64) errno { return e })
}

// wasiFunctions are what toolchains for WASI make modules import. There is no
// file, no argument, no environment, no socket and no process behind them.
func wasiFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"args_get":                refuses("ii", errnoSuccess),
		"args_sizes_get":          wasi("ii", sizesNone),
		"environ_get":             refuses("ii", errnoSuccess),
		"environ_sizes_get":       wasi("ii", sizesNone),
		"clock_res_get":           wasi("ii", clockResolution),
		"clock_time_get":          wasi("ili", clockTime),
		"random_get":              wasi("ii", randomGet),
		"fd_write":                wasi("iiii", fdWrite),
		"fd_read":                 refuses("iiii", errnoNoSys),
		"fd_pread":                refuses("iiili", errnoNoSys),
		"fd_pwrite":               refuses("iiili", errnoNoSys),
		"fd_seek":                 refuses("ilii", errnoBadFile),
		"fd_tell":                 refuses("ii", errnoBadFile),
		"fd_close":                wasi("i", standardOnly),
		"fd_sync":                 wasi("i", standardOnly),
		"fd_datasync":             wasi("i", standardOnly),
		"fd_advise":               wasi("illi", standardOnly),
		"fd_allocate":             refuses("ill", errnoNotSup),
		"fd_fdstat_get":           wasi("ii", fdStat),
		"fd_fdstat_set_flags":     wasi("ii", standardOnly),
		"fd_fdstat_set_rights":    wasi("ill", standardOnly),
		"fd_filestat_get":         refuses("ii", errnoBadFile),
		"fd_filestat_set_size":    refuses("il", errnoBadFile),
		"fd_filestat_set_times":   refuses("illi", errnoBadFile),
		"fd_prestat_get":          refuses("ii", errnoBadFile),
		"fd_prestat_dir_name":     refuses("iii", errnoBadFile),
		"fd_readdir":              refuses("iiili", errnoBadFile),
		"fd_renumber":             refuses("ii", errnoNotSup),
		"path_create_directory":   refuses("iii", errnoNotSup),
		"path_filestat_get":       refuses("iiiii", errnoNoEntry),
		"path_filestat_set_times": refuses("iiiilli", errnoNotSup),
		"path_link":               refuses("iiiiiii", errnoNotSup),
		"path_open":               refuses("iiiiillii", errnoNoEntry),
		"path_readlink":           refuses("iiiiii", errnoNotSup),
		"path_remove_directory":   refuses("iii", errnoNotSup),
		"path_rename":             refuses("iiiiii", errnoNotSup),
		"path_symlink":            refuses("iiiii", errnoNotSup),
		"path_unlink_file":        refuses("iii", errnoNotSup),
		"poll_oneoff":             wasi("iiii", pollNothing),
		"sched_yield":             refuses("", errnoSuccess),
		"sock_accept":             refuses("iii", errnoNotSup),
		"sock_recv":               refuses("iiiiii", errnoNotSup),
		"sock_send":               refuses("iiiii", errnoNotSup),
		"sock_shutdown":           refuses("ii", errnoNotSup),
		"proc_raise":              refuses("i", errnoNotSup),
		"proc_exit":               {types("i"), nil, func(*instance, []uint64) { panic(ErrExit) }},
	}
}

func sizesNone(in *instance, s []uint64) errno {
	if !in.putWord(s[0], 0) || !in.putWord(s[1], 0) {
		return errnoFault
	}
	return errnoSuccess
}

// The clocks: that of the world, and the one that never goes back.
const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func clockResolution(in *instance, s []uint64) errno {
	switch {
	case uint32(s[0]) > clockMonotonic:
		return errnoNotSup
	case !in.putLong(s[1], 1):
		return errnoFault
	}
	return errnoSuccess
}

func clockTime(in *instance, s []uint64) errno {
	var now int64
	switch uint32(s[0]) {
	case clockRealtime:
		now = time.Now().UnixNano()
	case clockMonotonic:
		now = int64(time.Since(in.plugin.loaded))
	default:
		return errnoNotSup
	}
	if !in.putLong(s[2], uint64(now)) {
		return errnoFault
	}
	return errnoSuccess
}

// mostRandom is how many random bytes may be asked for at once, as in Envoy.
const mostRandom = 64 << 10

func randomGet(in *instance, s []uint64) errno {
	if uint32(s[1]) > mostRandom {
		return errnoInvalid
	}
	b, ok := in.bytes(s[0], s[1])
	if !ok {
		return errnoFault
	}
	_, _ = rand.Read(b) // it never fails
	return errnoSuccess
}

// standardOnly succeeds for standard output and standard error.
func standardOnly(_ *instance, s []uint64) errno {
	if fd := uint32(s[0]); fd == 1 || fd == 2 {
		return errnoSuccess
	}
	return errnoBadFile
}

// fdStat says of the standard files that they are character devices which can
// be written to.
func fdStat(in *instance, s []uint64) errno {
	const size, characterDevice, mayWrite = 24, 2, 1 << 6
	if uint32(s[0]) > 2 {
		return errnoBadFile
	}
	b, ok := in.bytes(s[1], size)
	if !ok {
		return errnoFault
	}
	clear(b)
	b[0], b[8] = characterDevice, mayWrite
	return errnoSuccess
}

func pollNothing(in *instance, s []uint64) errno {
	if !in.putWord(s[3], 0) {
		return errnoFault
	}
	return errnoSuccess
}

// fdWrite logs what is written to standard output as "info", and to standard
// error as "error".
func fdWrite(in *instance, s []uint64) errno {
	level := Info
	switch uint32(s[0]) {
	case 1:
	case 2:
		level = Error
	default:
		return errnoBadFile
	}
	in.scratch = in.scratch[:0]
	written := uint32(0)
	vectors, ok := in.bytes(s[1], min(s[2]&0xffffffff, mostPairs)*8)
	if !ok {
		return errnoFault
	}
	for ; len(vectors) > 0; vectors = vectors[8:] {
		b, ok := in.bytes(uint64(word(vectors)), uint64(word(vectors[4:])))
		if !ok {
			return errnoFault
		}
		written += uint32(len(b))
		in.scratch = append(in.scratch, b[:min(len(b), max(0, longestLine-len(in.scratch)))]...)
	}
	if !in.putWord(s[3], written) {
		return errnoFault
	}
	if n := len(in.scratch); n > 0 && in.scratch[n-1] == '\n' {
		in.scratch = in.scratch[:n-1]
	}
	if written > 0 {
		in.print(level, in.scratch)
	}
	return errnoSuccess
}

func word(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
