package golden

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// recorder is a test that is looked at instead of failing.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.said = fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	panic(r)
}

func check(t *testing.T, name, got string) (said string) {
	r := &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		said = r.said
	}()
	Check(r, name, []byte(got))
	return r.said
}

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	if said := check(t, "a/b.txt", "one\n"); !strings.Contains(said, "-update") {
		t.Errorf("without a file it says %q", said)
	}
	*update = true
	if said := check(t, "a/b.txt", "one\n"); said != "" {
		t.Errorf("writing the file it says %q", said)
	}
	*update = false
	if b, err := os.ReadFile("testdata/a/b.txt"); err != nil || string(b) != "one\n" {
		t.Errorf("it wrote %q, %v", b, err)
	}
	if said := check(t, "a/b.txt", "one\n"); said != "" {
		t.Errorf("the same: it says %q", said)
	}
	if said := check(t, "a/b.txt", "two\n"); !strings.Contains(said, "two") {
		t.Errorf("another: it says %q", said)
	}
}
