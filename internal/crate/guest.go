package crate

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// goVersion is what the committed module was built with: another Go makes
// another file.
const goVersion = "go1.26.8"

// CheckGo holds a module that is written in Go against what its package makes.
func CheckGo(t testing.TB, program, module string) {
	t.Helper()
	if v := runtime.Version(); v != goVersion {
		t.Fatalf("this is %s; the committed module is made by %s (GOTOOLCHAIN=%s)", v, goVersion, goVersion)
	}
	out := filepath.Join(t.TempDir(), module)
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, program)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWASM=", "GOEXPERIMENT=")
	if err := run(cmd); err != nil {
		t.Fatalf("build %s: %v", program, err)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("build %s: %v", program, err)
	}
	hold(t, module, built)
}
