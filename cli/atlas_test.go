package cli_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// smallAtlas is two batches of two or more blocks, each of about ten seconds.
func smallAtlas(more ...string) []string {
	return append([]string{"atlas", "--dataplane", "embedded", "--only", "header-mutation,library,lua", "--time", "2s"}, more...)
}

// atlased is what a printed atlas holds of cells and batches.
type atlased struct {
	Speeds []struct {
		Function, Form, Plane, Result string
		CPU                           *struct{ Estimate float64 } `json:"cpu_us_per_request"`
	}
	Unweighed []struct{ Function, Form, Plane, Why string }
	Batches   []struct {
		Study, Result string
	}
}

func (a atlased) cells() (all []string) {
	for _, s := range a.Speeds {
		all = append(all, fmt.Sprint(s.Function, " ", s.Form, " ", s.Plane))
	}
	return all
}

func parseAtlas(t *testing.T, text string) (a atlased) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return a
}

// listedResult is a line of tare list.
type listedResult struct {
	ID, Study, State, Digest string
	Blocks                   int
}

func listed(t *testing.T, dir string) []listedResult {
	t.Helper()
	r := tare(t, dir, "list", "-o", "json")
	var all []listedResult
	if err := json.Unmarshal([]byte(r.out), &all); r.code != 0 || err != nil {
		t.Fatalf("list: exit %d, %v, %s", r.code, err, r.err)
	}
	slices.SortFunc(all, func(a, b listedResult) int { return strings.Compare(a.Study, b.Study) })
	return all
}

// endAtlas runs the small atlas as a process and ends it when a line with the
// words has come after one with those before.
func endAtlas(t *testing.T, dir string, signal os.Signal, before, words string) (said string, code int) {
	t.Helper()
	mark := fmt.Sprintf("atlas-%d-%v", os.Getpid(), signal)
	c := command(t, dir, mark, smallAtlas()...)
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	begun := false
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		begun = begun || strings.Contains(lines.Text(), before)
		if begun && strings.Contains(lines.Text(), words) {
			break
		}
	}
	if err := c.Process.Signal(signal); err != nil {
		t.Fatalf("%v after\n%s", err, all.String())
	}
	rest, _ := io.ReadAll(pipe)
	_ = c.Wait()
	eventually(t, patienceWithProcesses, gone(t, mark))
	return all.String() + string(rest), c.ProcessState.ExitCode()
}

const (
	firstBlock            = " · 1 of " // on a line of progress
	patienceWithProcesses = 1e10       // 10 s
)

// An atlas that was killed in its first batch and interrupted in its second goes
// on by the same command: nothing that was finished is measured again, and in
// the end it holds what an atlas holds that nobody ended: the same cells, by the
// same plans (what a stop cost of the time may cost blocks). Then --kept prints it,
// and weighs nothing.
func TestAtlasGoesOn(t *testing.T) {
	t.Parallel()
	dir, whole := t.TempDir(), t.TempDir()
	undisturbed := make(chan result, 1)
	go func() { undisturbed <- tare(t, whole, smallAtlas("-o", "json")...) }()

	if said, code := endAtlas(t, dir, syscall.SIGKILL, "batch 1 of 2", firstBlock); code != -1 || !strings.Contains(said, "2 places in 2 batches; about ") {
		t.Fatalf("exit %d\n%s", code, said)
	}
	killed := listed(t, dir)
	if len(killed) != 1 || killed[0].State == "done" || killed[0].Blocks < 1 {
		t.Fatalf("after kill -9: %+v", killed)
	}
	early := journal(t, dir).Journal
	said, code := endAtlas(t, dir, os.Interrupt, "batch 2 of 2", firstBlock)
	if code != 130 || !strings.Contains(said, "the same command goes on from there") {
		t.Fatalf("exit %d\n%s", code, said)
	}
	stopped := listed(t, dir)
	k := slices.IndexFunc(stopped, func(r listedResult) bool { return r.ID == killed[0].ID })
	if len(stopped) != 2 || k < 0 || stopped[k].State != "done" {
		t.Fatalf("after Ctrl-C: %+v", stopped)
	}
	late := journal(t, dir).Journal

	r := tare(t, dir, smallAtlas("-o", "json")...)
	if r.code != 0 || !strings.Contains(r.err, "2 batches, 1 of them kept already") || !strings.Contains(r.err, "batch 1 of 2, kept") {
		t.Fatalf("exit %d, %s", r.code, r.err)
	}
	made := parseAtlas(t, r.out)
	other := <-undisturbed
	if other.code != 0 {
		t.Fatalf("undisturbed: exit %d, %s", other.code, other.err)
	}
	if want := parseAtlas(t, other.out); !slices.Equal(made.cells(), want.cells()) || len(made.Speeds) != 2 || len(made.Unweighed) != 0 {
		t.Errorf("cells %q, undisturbed %q, not weighed %v, undisturbed %v", made.cells(), want.cells(), made.Unweighed, want.Unweighed)
	}
	done, undone := listed(t, dir), listed(t, whole)
	if len(done) != 2 || len(undone) != 2 {
		t.Fatalf("%+v, undisturbed %+v", done, undone)
	}
	for i := range done {
		if done[i].ID != stopped[i].ID || done[i].Digest != undone[i].Digest || done[i].Blocks < stopped[i].Blocks || done[i].State != "done" {
			t.Errorf("%+v was %+v, undisturbed %+v", done[i], stopped[i], undone[i])
		}
	}
	for id, blocks := range map[string][]journalledBlock{killed[0].ID: early, stopped[1-k].ID: late} {
		now := journalOf(t, dir, id)
		for i, b := range blocks {
			if now[i] != b {
				t.Errorf("%s: block %d was %+v, is %+v", id, i, b, now[i])
			}
		}
	}
	testKept(t, dir, made)
}

type journalledBlock = struct {
	Block   int
	ID      string
	Started string
	SHA256  string
}

func journalOf(t *testing.T, dir, id string) []journalledBlock {
	t.Helper()
	r := tare(t, dir, "show", id, "-o", "json")
	var j journalled
	if err := json.Unmarshal([]byte(r.out), &j); err != nil {
		t.Fatalf("show %s: %v, %s", id, err, r.err)
	}
	return j.Journal
}

// testKept prints what is kept, as a page, as JSON, and in part.
func testKept(t *testing.T, dir string, made atlased) {
	before := listed(t, dir)
	page := filepath.Join(t.TempDir(), "atlas.html")
	r := tare(t, dir, "atlas", "--kept", "-o", "json", "--html", page, "--weights", "state=1")
	if r.code != 0 {
		t.Fatalf("exit %d, %s", r.code, r.err)
	}
	if again := parseAtlas(t, r.out); !slices.Equal(again.cells(), made.cells()) || again.Speeds[0].CPU.Estimate != made.Speeds[0].CPU.Estimate || len(again.Batches) != 2 {
		t.Errorf("%+v, was %+v", again, made)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range made.Speeds {
		if !strings.Contains(html.UnescapeString(string(text)), fmt.Sprintf("%+.1f", s.CPU.Estimate)) {
			t.Errorf("the page lacks %s as %s", s.Function, s.Form)
		}
	}
	for args, want := range map[string]int{"--only lua": 1, "--only cors": 0, "--dataplane envoy": 1} {
		r := tare(t, dir, append([]string{"atlas", "--kept", "-o", "json"}, strings.Fields(args)...)...)
		switch {
		case want == 0 && (r.code != 2 || !strings.Contains(r.err, "no finished batch of an atlas is kept")):
			t.Errorf("%s: exit %d, %s", args, r.code, r.err)
		case want > 0 && (r.code != 0 || len(parseAtlas(t, r.out).Speeds) != want):
			t.Errorf("%s: exit %d, %s, want %d cells", args, r.code, r.err, want)
		}
	}
	if r := tare(t, dir, "atlas", "advice", "header-mutation"); r.code != 0 || !strings.Contains(r.out, "if only speed counts:") || !strings.Contains(r.out, "lua on embedded") {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
	if after := listed(t, dir); !slices.Equal(after, before) {
		t.Errorf("--kept changed what is kept: %+v, was %+v", after, before)
	}
}

// A cell that does not come up is left out with the plane's words, and the
// others of its batch are weighed.
func TestAtlasLeavesOut(t *testing.T) {
	t.Parallel()
	dir, modules := t.TempDir(), t.TempDir()
	for _, name := range []string{"noop", "headermutation"} {
		file := "libtare_" + name + ".so"
		text, err := os.ReadFile(filepath.Join("../.cache/modules", file))
		if err != nil {
			t.Fatalf("%v: make dynmod", err)
		}
		if err := os.WriteFile(filepath.Join(modules, file), text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := command(t, dir, "left", "atlas", "--dataplane", "envoy", "--only", "header-mutation,ratelimit,dynmod", "--time", "2s", "-o", "json")
	c.Env = append(c.Env, "TARE_MODULES="+modules)
	var out, errOut strings.Builder
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errOut.String())
	}
	a := parseAtlas(t, out.String())
	if len(a.Speeds) != 1 || a.Speeds[0].Function != "header-mutation" || len(a.Unweighed) != 1 || a.Unweighed[0].Function != "ratelimit" ||
		a.Unweighed[0].Plane != "envoy" || !strings.Contains(a.Unweighed[0].Why, "tare_ratelimit") {
		t.Errorf("%+v, not weighed %+v", a.Speeds, a.Unweighed)
	}
	if !strings.Contains(errOut.String(), "1 not weighed") {
		t.Error(errOut.String())
	}
}

// What cannot be weighed at all is refused before anything starts, with reasons.
func TestAtlasRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"--only cors,dynmod":                             "nothing there can be weighed: cors as dynmod: ",
		"--only noop,native":                             "it is the control of every batch",
		"--only header-mutation,wasm --dataplane envoy@": `--dataplane envoy@`,
		"--only corn":                                    `"corn" is neither a function`,
		"--abreast 21":                                   "want 1 to 20",
		"--time -1s":                                     "want a time above 0",
		"--weights speed=1":                              "--weights",
		"-o xml":                                         "unknown output format",
		"--kept":                                         "no finished batch of an atlas is kept",
	} {
		dir := t.TempDir()
		r := tare(t, dir, append([]string{"atlas"}, strings.Fields(args)...)...)
		if r.code != 2 || !strings.Contains(r.err, want) || r.out != "" {
			t.Errorf("%s: exit %d, %s%s", args, r.code, r.out, r.err)
		}
		if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
			t.Errorf("%s: left %v, %v", args, made, err)
		}
	}
}
