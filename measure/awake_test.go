package measure

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeepAwakeAsksForNoLatency(t *testing.T) {
	path := filepath.Join(t.TempDir(), "limit")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := keepAwake(path)
	if err != nil {
		t.Fatal(err)
	}
	if a.String() != "kept awake" {
		t.Errorf("got %q", a)
	}
	if err := a.Release(); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) != 4 || binary.NativeEndian.Uint32(b) != 0 {
		t.Errorf("wrote %v, %v: want 32 bits of 0", b, err)
	}
}

func TestKeepAwakeRefused(t *testing.T) {
	for name, path := range map[string]string{"no /": "/nowhere/limit", "is a directory": t.TempDir()} {
		a, err := keepAwake(path)
		if err == nil || !strings.Contains(err.Error(), "keep idle cores awake") {
			t.Errorf("%s: got error %v", name, err)
		}
		if a.String() != "sleep" || a.Release() != nil {
			t.Errorf("%s: got %q", name, a)
		}
	}
}

// TestKeepAwakeOnThisHost: the kernel has the limit as long as it is held, and
// says so to who may ask.
func TestKeepAwakeOnThisHost(t *testing.T) {
	before, err := kernelLimit()
	if err != nil {
		if a, err := KeepAwake(); err == nil {
			t.Errorf("nobody can read the limit, but it is held: %v", a.Release())
		}
		return
	}
	a, err := KeepAwake()
	if errors.Is(err, fs.ErrPermission) {
		return // nothing was held
	}
	if err != nil {
		t.Fatal(err)
	}
	if held, err := kernelLimit(); err != nil || held != 0 {
		t.Errorf("the kernel's limit is %d µs, %v: want 0", held, err)
	}
	if err := a.Release(); err != nil {
		t.Error(err)
	}
	if after, err := kernelLimit(); err != nil || before != 0 && after == 0 {
		t.Errorf("released, the limit is %d µs, %v: it was %d", after, err, before)
	}
}

func kernelLimit() (uint32, error) {
	f, err := os.Open(latencyLimit)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, 4)
	if _, err := f.Read(b); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint32(b), nil
}
