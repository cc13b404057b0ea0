package guest_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/guest"
	"github.com/taremesh/tare/guest/inside"
)

// The committed module is the one that its digest was taken of.
func TestDigest(t *testing.T) {
	want, err := os.ReadFile("guest.wasm.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x  guest.wasm\n", sha256.Sum256(guest.Module)); got != string(want) {
		t.Errorf("guest.wasm is %s, its digest file says %s (make wasm)", got, want)
	}
}

// What Config writes, the filters read.
func FuzzConfig(f *testing.F) {
	f.Add("request", "set", "a\\tb\t\n\\")
	f.Add("", "\\n", "")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		want := [][]string{{a, b}, {c}, {b, a, c}}
		id, got := inside.Read(string(guest.Config("noop", want...)))
		if id != "noop" || !cmp.Equal(got, want) {
			t.Errorf("%q: %s", id, cmp.Diff(want, got))
		}
	})
}
