package study_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

// A name that is misspelt is answered with the names that exist.
func TestMisspeltFileIsAnsweredWithThoseThatExist(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "imagehbu.yaml")
	if _, err := study.ReadFile(missing); err == nil || !strings.HasSuffix(err.Error(), "no such file or directory") {
		t.Errorf("in a folder without studies: %v", err)
	}
	for _, name := range []string{"imagehub.yaml", "talk.yml", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := "read study: open " + missing + ": no such file or directory; in " + dir + " there are imagehub.yaml, talk.yml"
	if _, err := study.ReadFile(missing); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := study.ReadFile("/nowhere/imagehub.yaml"); err == nil || strings.Contains(err.Error(), "there are") {
		t.Errorf("in no folder: %v", err)
	}
}
