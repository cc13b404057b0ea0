package process_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/taremesh/tare/internal/process"
)

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abc")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The example of FIPS 180-2, appendix B.1.
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got, err := process.Digest(path); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := process.Digest(path + "d"); err == nil {
		t.Error("a file that is not there has a digest")
	}
}
