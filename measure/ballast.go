package measure

import (
	"fmt"
	"io/fs"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// The most that ballast is: much more than the processes of a block use, so that
// what they get does not follow those that ended before; and what share of the
// memory to be had.
const (
	mostBallast  = 2 << 30
	ballastShare = 8
)

// Ballast is memory that is held for its place alone. The kernel gives single
// pages from the smallest pieces of its free memory first, and the latest
// freed: what starts early after other programs have ended gets the scattered
// pages that they left, what starts later gets pages that lie together, and is
// faster by some percent, for as long as it runs. Who holds enough of the pieces
// first leaves the same to all.
//
// The kernel takes it back with the process, however that ends. The zero value
// holds nothing.
type Ballast struct{ fd int } // of a file in memory, plus one

// BallastSize is how much this host can spare, in bytes: 2 GiB, but at most an
// eighth of the memory that is available, and of the control group's; a power of
// two, so that it seldom changes.
func BallastSize() uint64 { return ballastSize(os.DirFS("/")) }

func ballastSize(root fs.FS) uint64 {
	spare, err := parseKB(field(readText(root, "proc/meminfo"), "MemAvailable"))
	if err != nil {
		return 0
	}
	if limit := memoryLimit(root); limit > 0 {
		spare = min(spare, limit)
	}
	spare = min(spare/ballastShare, mostBallast)
	if spare == 0 {
		return 0
	}
	return 1 << (bits.Len64(spare) - 1)
}

// TakeBallast holds so many bytes of memory, in about 0.2 s for 2 GiB; 0: none.
func TakeBallast(size uint64) (Ballast, error) {
	if size == 0 {
		return Ballast{}, nil
	}
	fail := func(err error) (Ballast, error) {
		return Ballast{}, fmt.Errorf("hold %d MiB of memory beside a block: %w", size>>20, err)
	}
	fd, err := unix.MemfdCreate("ballast", unix.MFD_CLOEXEC)
	if err != nil {
		return fail(err)
	}
	b := Ballast{fd + 1}
	for at := uint64(0); at < size; at += ballastStep {
		if err := allocate(fd, at, min(ballastStep, size-at)); err != nil {
			b.Release()
			return fail(err)
		}
	}
	return b, nil
}

// ballastStep is taken at a time: a signal undoes one step, not all.
const ballastStep = 16 << 20

func allocate(fd int, at, size uint64) error {
	for {
		if err := unix.Fallocate(fd, 0, int64(at), int64(size)); err != unix.EINTR {
			return err
		}
	}
}

// Release gives the memory back.
func (b Ballast) Release() {
	if b.fd > 0 {
		_ = unix.Close(b.fd - 1) // of memory: nothing is written
	}
}
