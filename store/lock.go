package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Holder is the run that holds a data directory.
type Holder struct {
	PID        int       `json:"pid"`
	Since      time.Time `json:"since"`
	Experiment string    `json:"experiment"`
	Study      string    `json:"study"`
}

// HeldError is what Acquire returns when another run holds the directory.
type HeldError struct {
	Dir    string
	Holder Holder // zero when the holder could not be read
}

func (e *HeldError) Error() string {
	who := "another process, which has not said who it is,"
	if h := e.Holder; h.PID != 0 {
		who = fmt.Sprintf("process %d has been carrying out experiment %s (study %s) since %s and",
			h.PID, h.Experiment, h.Study, h.Since.UTC().Format(time.DateTime+" UTC"))
	}
	return fmt.Sprintf("start a run in data directory %s: %s holds it; wait until it ends, or choose another directory with --data or TARE_DATA", e.Dir, who)
}

// lockFile stays in the data directory; only the kernel's lock on it counts.
const lockFile = "tare.lock"

// Lock is the right to run in a data directory.
type Lock struct{ file *os.File }

// Acquire takes a data directory for one run, makes it when it is missing, and
// writes there who holds it. The lock is the kernel's (flock), tied to the open
// file, which no child inherits: it ends with the process, however that ends.
// Reading a store needs no lock.
func Acquire(dir, experimentID, study string) (*Lock, error) {
	if err := MakeDir(dir); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w; %s", dir, DiskError(err), remedyDir)
	}
	holder, err := take(f)
	switch {
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("lock data directory %s: %w; %s", dir, err, remedyDir)
	case holder != nil:
		f.Close()
		return nil, &HeldError{Dir: dir, Holder: *holder}
	}
	l := &Lock{file: f}
	if err := l.sign(Holder{PID: os.Getpid(), Since: time.Now().UTC(), Experiment: experimentID, Study: study}); err != nil {
		f.Close()
		return nil, fmt.Errorf("write who holds data directory %s: %w; %s", dir, DiskError(err), remedyDir)
	}
	return l, nil
}

// A holder locks first and signs then: what a second run reads in between is
// empty, or the signature of one that was killed.
const (
	signTries = 20
	signPause = 10 * time.Millisecond
)

// take tries to lock a file; where another has it, it says who.
func take(f *os.File) (*Holder, error) {
	for try := 1; ; try++ {
		held, err := flock(f, syscall.LOCK_EX)
		if err != nil || !held {
			return nil, err
		}
		// In another PID namespace a holder that lives cannot be seen to live.
		if h := readHolder(f); h.lives() || try == signTries {
			return &h, nil
		}
		time.Sleep(signPause)
	}
}

// flock tries to lock a file and reports whether another has it.
func flock(f *os.File, how int) (held bool, err error) {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		switch {
		case err == nil:
			return false, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return true, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}

func (h Holder) lives() bool {
	return h.PID > 0 && !errors.Is(syscall.Kill(h.PID, 0), syscall.ESRCH)
}

// sign writes the holder over what the last one left.
func (l *Lock) sign(h Holder) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err = l.file.WriteAt(append(text, '\n'), 0)
	return err
}

// Release gives the directory free. It may be called again.
func (l *Lock) Release() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	if err := errors.Join(f.Truncate(0), f.Close()); err != nil {
		return fmt.Errorf("release data directory: %w", err)
	}
	return nil
}

func readHolder(f *os.File) Holder {
	var h Holder
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<16))
	if err != nil || json.Unmarshal(text, &h) != nil {
		return Holder{}
	}
	return h
}

const remedyDir = "choose another directory with --data or TARE_DATA"

// MakeDir makes a data directory when it is missing.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make data directory %s: %w; %s", dir, DiskError(err), remedyDir)
	}
	return nil
}
