package store

import (
	"errors"
	"fmt"
	"syscall"
)

// What can be wrong with a store. Errors of a Store wrap these, and say on
// which path, and what to do.
var (
	ErrUnknown   = errors.New("no such experiment")
	ErrAmbiguous = errors.New("more than one experiment has an id that begins so")
	ErrExists    = errors.New("it is kept already, and what is kept is never changed")
	ErrNothing   = errors.New("no experiment is kept here")
	ErrReadOnly  = errors.New("it cannot be opened or written")
	ErrFull      = errors.New("the disk is full")
	ErrDisk      = errors.New("the disk refused")
	ErrDamaged   = errors.New("damaged")
	ErrNewer     = errors.New("it was written by a newer tare")
	ErrBusy      = errors.New("another process keeps it locked")

	ErrNoBaseline = errors.New("no baseline has that name")
	ErrGone       = errors.New("the baseline is gone")
	ErrHeld       = errors.New("it is held")
	ErrVersion    = errors.New("another version of the format")
)

// DiskError puts an error of the file system under what it means to a store.
func DiskError(err error) error {
	for _, m := range meanings {
		for _, number := range m.numbers {
			if errors.Is(err, number) {
				return fmt.Errorf("%w: %w", m.err, err)
			}
		}
	}
	return err
}

var meanings = []struct {
	err     error
	numbers []syscall.Errno
}{
	{ErrFull, []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT}},
	{ErrReadOnly, []syscall.Errno{syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR}},
	{ErrDisk, []syscall.Errno{syscall.EIO, syscall.EFBIG}},
}
