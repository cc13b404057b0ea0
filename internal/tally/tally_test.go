package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func lines(events ...string) string { return strings.Join(events, "\n") + "\n" }

func TestTally(t *testing.T) {
	for _, c := range []struct {
		name   string
		events string
		want   count
		prints []string
		hides  []string
	}{
		{
			name: "passed, failed and skipped",
			events: lines(
				`{"Action":"start","Package":"p"}`,
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"run","Package":"p","Test":"TestB"}`,
				`{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}`,
				`{"Action":"output","Package":"p","Test":"TestB","Output":"b_test.go:3: wrong\n"}`,
				`{"Action":"fail","Package":"p","Test":"TestB"}`,
				`{"Action":"run","Package":"p","Test":"TestC"}`,
				`{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: no moon\n"}`,
				`{"Action":"skip","Package":"p","Test":"TestC"}`,
				`{"Action":"fail","Package":"p","Elapsed":1.5}`),
			want:   count{passed: 1, failed: 1, skipped: 1},
			prints: []string{"b_test.go:3: wrong", "skipped: p.TestC: c_test.go:9: no moon", "FAIL"},
			hides:  []string{"quiet", "==="},
		},
		{
			name: "does not build",
			events: lines(
				`{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}`,
				`{"ImportPath":"p","Action":"build-fail"}`,
				`{"Action":"start","Package":"p"}`,
				`{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}`,
				`{"Action":"fail","Package":"p","FailedBuild":"p"}`),
			want:   count{failed: 1},
			prints: []string{"undefined: x", "build failed"},
		},
		{
			name: "left the process in mid-test",
			events: lines(
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"about to leave\n"}`,
				`{"Action":"output","Package":"p","Output":"exit status 3\n"}`,
				`{"Action":"fail","Package":"p"}`),
			want:   count{failed: 1},
			prints: []string{"about to leave", "exit status 3"},
		},
		{
			name: "no test files, and a test that prints an event",
			events: lines(
				`{"Action":"skip","Package":"empty"}`,
				`{"Action":"run","Package":"p","Test":"TestA"}`,
				`{"Action":"output","Package":"p","Test":"TestA","Output":"{\"Action\":\"fail\",\"Package\":\"p\",\"Test\":\"TestA\"}\n"}`,
				`{"Action":"pass","Package":"p","Test":"TestA"}`,
				`{"Action":"pass","Package":"p"}`),
			want:   count{passed: 1},
			prints: []string{"ok"},
			hides:  []string{"empty", "FAIL"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			got, err := tally(strings.NewReader(c.events), &out, "all")
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
			for _, want := range c.prints {
				if !strings.Contains(out.String(), want) {
					t.Errorf("did not print %q:\n%s", want, out.String())
				}
			}
			for _, not := range c.hides {
				if strings.Contains(out.String(), not) {
					t.Errorf("printed %q:\n%s", not, out.String())
				}
			}
		})
	}
}

func TestTallyRefusesWhatIsNoEvent(t *testing.T) {
	if _, err := tally(strings.NewReader("ok p 0.1s\n"), &strings.Builder{}, "all"); err == nil {
		t.Error("read plain text as events")
	}
}

// TestRun puts a go command of its own in the way and holds the closing line
// and the exit code against what that command does.
func TestRun(t *testing.T) {
	const pass = `echo '{"Action":"pass","Package":"p","Test":"TestA"}'; echo '{"Action":"pass","Package":"p"}'`
	groups := []group{
		{name: "all", args: []string{"./..."}},
		{name: "race", needs: []need{{program: "gcc"}}},
	}
	const skip = `echo '{"Action":"skip","Package":"p","Test":"TestB"}'; echo '{"Action":"pass","Package":"p"}'`
	for _, c := range []struct {
		name, script string
		compiler     bool
		strict       bool
		code         int
		last         string
	}{
		{"all pass", pass, true, true, 0, "2 passed, 0 failed"},
		{"go test fails after passing tests", pass + "; exit 1", true, false, 1, "2 passed, 2 failed"},
		{"nothing ran", "true", true, false, 1, "0 passed, 1 failed"},
		{"no compiler", pass, false, false, 0, "1 passed, 0 failed"},
		{"no compiler, in CI", pass, false, true, 1, "1 passed, 1 failed"},
		{"skipped", pass + ";" + skip, true, false, 0, "2 passed, 0 failed"},
		{"skipped, in CI", pass + ";" + skip, true, true, 1, "2 passed, 2 failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir()
			program(t, filepath.Join(path, "go"), c.script)
			if c.compiler {
				program(t, filepath.Join(path, "gcc"), "true")
			}
			t.Setenv("PATH", path)
			var out strings.Builder
			code := run(groups, &out, &strings.Builder{}, c.strict)
			if !strings.HasSuffix(out.String(), "\n"+c.last+"\n") || code != c.code {
				t.Errorf("code %d, want %d; last line not %q:\n%s", code, c.code, c.last, out.String())
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	path := t.TempDir()
	program(t, filepath.Join(path, "opt"), "echo opt version 108")
	program(t, filepath.Join(path, "broken"), "echo opt version 108; exit 1")
	t.Setenv("PATH", path)
	for _, c := range []struct {
		needs []need
		lacks string
	}{
		{nil, ""},
		{[]need{{"opt", ""}}, ""},
		{[]need{{"opt", "opt version 108"}}, ""},
		{[]need{{"opt", ""}, {"gone", ""}}, "gone"},
		{[]need{{"opt", "opt version 109"}}, `opt that is "opt version 109"`},
		{[]need{{"broken", "opt version 108"}}, `broken that is "opt version 108"`},
	} {
		if got := (group{needs: c.needs}).lacks(); got != c.lacks {
			t.Errorf("%v: lacks %q, want %q", c.needs, got, c.lacks)
		}
	}
}

func program(t *testing.T, name, script string) {
	t.Helper()
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}
