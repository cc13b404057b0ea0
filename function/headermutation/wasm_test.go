package headermutation_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/taremesh/tare/function/headermutation"
)

// The committed module is the one that its digest was taken of.
func TestDigest(t *testing.T) {
	want, err := os.ReadFile("filter/headermutation.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  headermutation.wasm\n", sha256.Sum256(headermutation.Function().Wasm.Module)); got != string(want) {
		t.Errorf("filter/headermutation.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}
