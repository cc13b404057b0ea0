// Package golden holds what a test makes against a file kept beside it.
//
// Check compares with testdata/NAME and shows the first line that differs. With the flag
// -update the file is written instead, to be read over before it is committed:
//
//	go test ./dataplane/xds -update
//
// It compares bytes: what is not made the same way every time has to be put in
// order first. Tests only.
package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of the tests that run")

// Check holds got against testdata/name.
func Check(t testing.TB, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("read golden file: %v (make it with -update)", err)
	}
	if line, a, b := difference(string(want), string(got)); line > 0 {
		t.Errorf("%s differs from line %d on: want %q, got %q", file, line, a, b)
	}
}

// difference is the first line in which two texts differ, from 1; 0 for none.
func difference(want, got string) (line int, a, b string) {
	if want == got {
		return 0, "", ""
	}
	for {
		line++
		var moreA, moreB bool
		a, want, moreA = strings.Cut(want, "\n")
		b, got, moreB = strings.Cut(got, "\n")
		if a != b || moreA != moreB {
			return line, a, b
		}
	}
}
