package sqlite

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
	"github.com/taremesh/tare/storetest"
)

// childEnv marks the test binary started again by inChild.
const childEnv = "TARE_SQLITE_CHILD"

func isChild() bool { return os.Getenv(childEnv) != "" }

// inChild runs the calling test again in a process with other attributes and
// fails when that fails. An error means that there can be no such process here.
func inChild(t *testing.T, attributes *syscall.SysProcAttr) error {
	t.Helper()
	// Through /proc, since another user may not reach the binary by its path.
	c := exec.Command("/proc/self/exe", "-test.v", "-test.run=^"+strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^")+"$")
	c.Env = append(os.Environ(), childEnv+"=1")
	c.SysProcAttr = attributes
	output, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return err
	case err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()):
		t.Errorf("%v\n%s", err, output)
	default:
		t.Logf("in a child:\n%s", output)
	}
	return nil
}

// smallDisk is a place with little space.
type smallDisk struct {
	open    func() (*Store, error)
	relieve func() // makes space
	want    error
}

// fill appends until the disk is full, and holds what is kept against that.
func fill(t *testing.T, disk smallDisk) {
	s, err := disk.open()
	must(t, err)
	must(t, s.Begin(t.Context(), storetest.Experiment(t, "one", started)))
	kept := 0
	for ; kept < 1000 && err == nil; kept++ {
		err = s.Append(t.Context(), "one", storetest.Block(kept, 1, blockSamples))
	}
	kept--
	refused(t, fmt.Sprintf("block %d on a full disk", kept), err, disk.want, s.path, fmt.Sprintf("block %d,", kept), "intact")
	if kept < 2 {
		t.Fatalf("only %d blocks were kept before the disk was full", kept)
	}
	intact(t, s, kept)                                             // the same handle
	must(t, s.End(t.Context(), "one", experiment.Failed, started)) // the failed block's space is free again
	must(t, s.Close())

	r, err := Read(t.Context(), filepath.Dir(s.path))
	must(t, err)
	intact(t, r, kept)
	must(t, r.Close())

	disk.relieve()
	s, err = disk.open()
	must(t, err)
	must(t, s.Append(t.Context(), "one", storetest.Block(kept, 1, blockSamples)))
	intact(t, s, kept+1)
	must(t, s.Close())
}

const smallSize = 1 << 18

func TestFullDatabase(t *testing.T) {
	dir := t.TempDir()
	limit := fmt.Sprintf("max_page_count(%d)", smallSize/4096)
	fill(t, smallDisk{
		open:    func() (*Store, error) { return open(t.Context(), dir, limit) },
		relieve: func() { limit = "max_page_count(1000000)" },
		want:    store.ErrFull,
	})
}

func TestFileLimit(t *testing.T) {
	if !isChild() {
		must(t, inChild(t, nil))
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	setLimit := func(l syscall.Rlimit) { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)) }
	setLimit(syscall.Rlimit{Cur: smallSize, Max: was.Max})
	dir := t.TempDir()
	fill(t, smallDisk{
		open:    func() (*Store, error) { return Open(t.Context(), dir) },
		relieve: func() { setLimit(was) },
		want:    store.ErrDisk,
	})
}

// A file system of its own, seen by a child alone. Where none may be mounted,
// TestFullDatabase stands for it: to SQLite both are the same error.
func TestFullFileSystem(t *testing.T) {
	if !isChild() {
		err := inChild(t, ownMounts())
		if refused := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC); refused && os.Getenv("CI") != "true" {
			t.Logf("no file system may be mounted here (%v): held by TestFullDatabase alone", err)
		} else {
			must(t, err)
		}
		return
	}
	dir := t.TempDir()
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", 2*smallSize)))
	t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, smallSize), 0o666))
	fill(t, smallDisk{
		open:    func() (*Store, error) { return Open(t.Context(), dir) },
		relieve: func() { must(t, os.Remove(ballast)) },
		want:    store.ErrFull,
	})

	// Not a byte left for a new file either.
	f, err := os.Create(ballast)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	must(t, f.Close())
	s := openAt(t, dir)
	refused(t, "an end on a disk without a byte", s.End(t.Context(), "one", experiment.Done, started), store.ErrFull, s.path)
	r, err := Read(t.Context(), dir)
	must(t, err)
	blocks, err := r.Blocks(t.Context(), "one")
	must(t, err)
	intact(t, r, len(blocks))
	must(t, r.Close())
	_, err = store.Acquire(dir, "two", "s")
	refused(t, "a lock on a disk without a byte", err, store.ErrFull, dir)
}

// ownMounts are the attributes of a process that may mount what only it sees.
func ownMounts() *syscall.SysProcAttr {
	if os.Geteuid() == 0 {
		return &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
}

// readOnlyEnv tells the child which directory it may not write.
const readOnlyEnv = "TARE_SQLITE_READ_ONLY"

func TestReadOnlyDirectory(t *testing.T) {
	if isChild() {
		readOnlyDirectory(t, os.Getenv(readOnlyEnv))
		return
	}
	dir := t.TempDir()
	filled(t, dir, 2)
	for _, d := range []string{"empty", "hot"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	leaveHot(t, filepath.Join(dir, "hot"))
	must(t, os.Chmod(filepath.Dir(dir), 0o755)) // above, so that another user reaches it
	for _, d := range []string{"empty", "hot"} {
		must(t, os.Chmod(filepath.Join(dir, d), 0o555))
		defer func() { must(t, os.Chmod(filepath.Join(dir, d), 0o755)) }()
	}
	must(t, os.Chmod(filepath.Join(dir, File), 0o444))
	must(t, os.Chmod(dir, 0o555))
	defer func() { must(t, os.Chmod(dir, 0o755)) }()
	t.Setenv(readOnlyEnv, dir)
	attributes := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // whom no mode stops
		attributes.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	must(t, inChild(t, attributes))
}

func readOnlyDirectory(t *testing.T, dir string) {
	_, err := Open(t.Context(), dir)
	refused(t, "a read-only data directory", err, store.ErrReadOnly, filepath.Join(dir, File), "--data")
	empty := filepath.Join(dir, "empty")
	_, err = Open(t.Context(), empty)
	refused(t, "an empty read-only data directory", err, store.ErrReadOnly, empty, "permission denied", "--data")
	_, err = Open(t.Context(), filepath.Join(empty, "new"))
	refused(t, "a directory that cannot be made", err, store.ErrReadOnly, filepath.Join(empty, "new"), "permission denied", "--data")
	_, err = store.Acquire(dir, "two", "s")
	refused(t, "a lock in a read-only data directory", err, store.ErrReadOnly, dir, "permission denied", "--data")

	s, err := Read(t.Context(), dir)
	must(t, err)
	intact(t, s, 2)
	must(t, s.Close())

	// A half block cannot be taken out here, and is not shown either.
	hot := filepath.Join(dir, "hot")
	_, err = Read(t.Context(), hot)
	refused(t, "reading what a kill left in a read-only directory", err, store.ErrReadOnly, hot, "killed", "once")
}
