package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A place that cannot be written is said before the run begins: nothing is kept.
func TestReportFilesAreCheckedFirst(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no folder", []string{"--html", filepath.Join(dir, "nowhere", "r.html")}, "nowhere/r.html: no such file or directory"},
		{"a folder", []string{"--csv", dir}, "is a directory: name a file"},
		{"one for both", []string{"--csv", filepath.Join(dir, "r"), "--html", filepath.Join(dir, "r")}, "name the same file"},
		{"standard output twice", []string{"--csv", "-", "--html", "-"}, "both want standard output"},
		{"standard output and JSON", []string{"--html", "-", "-o", "json"}, "both want standard output"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := t.TempDir()
			r := tare(t, data, append([]string{"run", write(t, tiny)}, c.args...)...)
			if r.code != 2 || !strings.Contains(r.err, c.want) || strings.Count(r.err, "\n") != 1 {
				t.Errorf("exit %d, %q, want 2 and %q", r.code, r.err, c.want)
			}
			if left, _ := os.ReadDir(data); len(left) > 0 {
				t.Errorf("a run began: %v", left)
			}
		})
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("checking left %v", left)
	}
}

func TestReportFiles(t *testing.T) {
	data, dir := t.TempDir(), t.TempDir()
	page, figures := filepath.Join(dir, "r.html"), filepath.Join(dir, "r.csv")
	run := tare(t, data, "run", write(t, tiny), "--html", page, "--csv", figures)
	if run.code != 0 || !strings.Contains(run.out, "TREATMENT") {
		t.Fatalf("exit %d\n%s%s", run.code, run.out, run.err)
	}
	html, csv := read(t, page), read(t, figures)
	if !strings.HasPrefix(html, "<!DOCTYPE html>") || !strings.HasSuffix(strings.TrimSpace(html), "</html>") || !strings.HasPrefix(csv, "kind,") {
		t.Errorf("html begins %.40q, csv %.40q", html, csv)
	}
	// The kept result gives the same files, on standard output and in place of older ones.
	for _, command := range []string{"report", "show"} {
		if got := tare(t, data, command, "last", "--html", "-"); got.out != html {
			t.Errorf("%s --html - differs from the run's page", command)
		}
		if got := tare(t, data, command, "last", "--csv", "-"); got.out != csv {
			t.Errorf("%s --csv - differs from the run's figures", command)
		}
	}
	link := filepath.Join(dir, "link.html")
	if err := os.WriteFile(page, []byte("an older and much longer report"+strings.Repeat(".", len(html))), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(page, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(page, link); err != nil {
		t.Fatal(err)
	}
	if got := tare(t, data, "report", "--html", link, "--csv", "/dev/null", "-o", "json"); got.code != 0 || !strings.HasPrefix(got.out, "{") {
		t.Errorf("exit %d: %s%.40s", got.code, got.err, got.out)
	}
	info, err := os.Lstat(link)
	if read(t, page) != html || err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("a file behind a link was not replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(page); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Fatalf("/dev/null was replaced: %v, %v", info, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 3 {
		t.Errorf("left behind: %v", left)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
