package named_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/named"
)

func self(s string) string { return s }

func ExampleSet() {
	forms, _ := named.NewSet("form", self, "library", "native")
	_, err := forms.Get("wasn")
	fmt.Println(err)
	// Output: no form is named "wasn" (known: library, native)
}

func TestSetKeepsOrderAndValues(t *testing.T) {
	s, err := named.NewSet("form", self, "b", "a")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.Names(), " "); got != "b a" {
		t.Errorf("names %q, want %q", got, "b a")
	}
	if v, err := s.Get("a"); err != nil || v != "a" {
		t.Errorf("Get(a) = %q, %v", v, err)
	}
	s.Names()[0] = "changed"
	if s.All()[0] != "b" {
		t.Error("the caller changed the set through Names")
	}
}

func TestSetRefusesBadNames(t *testing.T) {
	for _, names := range [][]string{{""}, {"a", "a"}} {
		if _, err := named.NewSet("form", self, names...); err == nil {
			t.Errorf("NewSet(%q): no error", names)
		}
	}
	var unknown *named.UnknownError
	if _, err := (named.Set[string]{}).Get("x"); !errors.As(err, &unknown) {
		t.Errorf("empty set: got %v, want an UnknownError", err)
	}
}
