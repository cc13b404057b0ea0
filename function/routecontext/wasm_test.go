package routecontext_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/taremesh/tare/function/routecontext"
)

// The committed module is the one that its digest was taken of.
func TestDigest(t *testing.T) {
	want, err := os.ReadFile("filter/routecontext.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  routecontext.wasm\n", sha256.Sum256(routecontext.Function().Wasm.Module)); got != string(want) {
		t.Errorf("filter/routecontext.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}
