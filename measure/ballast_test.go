package measure

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"
)

func TestBallastSize(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  uint64
	}{
		"much":             {map[string]string{"proc/meminfo": "MemTotal: 99 kB\nMemAvailable: 33554432 kB\n"}, 2 << 30},
		"little":           {map[string]string{"proc/meminfo": "MemAvailable: 1148576 kB\n"}, 1 << 27},
		"a group's limit":  {map[string]string{"proc/meminfo": "MemAvailable: 33554432 kB\n", "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, 1 << 27},
		"a kernel of old":  {map[string]string{"proc/meminfo": "MemTotal: 99 kB\n"}, 0},
		"nothing mounted":  {nil, 0},
		"nothing to spare": {map[string]string{"proc/meminfo": "MemAvailable: 0 kB\n"}, 0},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := ballastSize(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestTakeBallast: the kernel has so much less to give for as long as it is held,
// and this process is no larger for it.
func TestTakeBallast(t *testing.T) {
	const size = 64 << 20
	shared := func() uint64 {
		text, err := os.ReadFile("/proc/meminfo")
		if err != nil {
			t.Fatal(err)
		}
		n, err := parseKB(field(string(text), "Shmem"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	own := func() uint64 {
		m, err := MemoryOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return m.RSS
	}
	before, large := shared(), own()
	b, err := TakeBallast(size)
	if err != nil {
		t.Fatal(err)
	}
	held, with := shared(), own()
	b.Release()
	after := shared()
	if held < before+size*3/4 || after > held-size*3/4 { // others come and go
		t.Errorf("memory files %d, held %d, after %d: want %d more in between", before, held, after, size)
	}
	if with > large+size/2 {
		t.Errorf("this process grew from %d to %d", large, with)
	}
}

func TestNoBallast(t *testing.T) {
	b, err := TakeBallast(0)
	if err != nil {
		t.Error(err)
	}
	b.Release()
	Ballast{}.Release()
}

// TestBallastRefused: a process that may open no file more is told so.
func TestBallastRefused(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := TakeBallast(1 << 20)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "hold 1 MiB of memory beside a block") {
		t.Errorf("got %v", err)
	}
}
