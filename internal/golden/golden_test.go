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

func TestDifference(t *testing.T) {
	for _, c := range []struct {
		want, got string
		line      int
	}{
		{"", "", 0},
		{"a\nb\n", "a\nb\n", 0},
		{"a\nb\n", "a\nc\n", 2},
		{"a\nb\n", "a\nb", 2},
		{"a\nb", "a\nb\n", 2},
		{"a\n", "a\nb\n", 2},
		{"", "\n", 1},
	} {
		if line, _, _ := difference(c.want, c.got); line != c.line {
			t.Errorf("%q and %q: got line %d, want %d", c.want, c.got, line, c.line)
		}
	}
}
