package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// runs is a sequence of commands, each with what it must end with and say.
type runs []struct {
	args string // without tare; words by blanks, 'in one' in quotes
	code int
	out  string // that standard output holds
	err  string // that standard error holds
}

func (rs runs) in(t *testing.T, dir string) {
	t.Helper()
	for _, r := range rs {
		got := tare(t, dir, words(r.args)...)
		if got.code != r.code || !strings.Contains(got.out, r.out) || !strings.Contains(got.err, r.err) {
			t.Errorf("tare %s: exit %d, want %d\n%s%s\nwant %q and %q", r.args, got.code, r.code, got.out, got.err, r.out, r.err)
		}
		if r.code != 0 && strings.Count(got.err, "\n") != 1+strings.Count(got.err, "\n  ") {
			t.Errorf("tare %s: an error of many lines: %q", r.args, got.err)
		}
	}
}

func words(args string) []string {
	var out []string
	for i, part := range strings.Split(args, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

func TestLabels(t *testing.T) {
	dir := t.TempDir()
	runs{
		{"list", 0, "ID", ""},
		{"baseline list", 0, "NAME", ""},
		{"baseline set main last", 2, "", "no experiment is kept here"},
		{"note last x", 2, "", "no experiment is kept here"},
	}.in(t, dir)
	keep(t, dir, keptResult{id: "r1", study: "same", age: 3 * day}, keptResult{id: "r2", study: "same", age: 2 * day})
	runs{
		{"baseline set main r1 --why 'release 1.4'", 0, "baseline main is r1", ""},
		{"baseline set main r2", 0, "baseline main is r2", ""},
		{"baseline set other baseline:main", 0, "baseline other is r2", ""},
		{"baseline set main r3", 2, "", "no such experiment"},
		{"baseline set Main r1", 2, "", `baseline "Main"`},
		{"baseline list", 0, "main", ""},
		{"baseline list -o json", 0, `"experiment": "r2"`, ""},
		{"baseline remove other", 0, "", ""},
		{"baseline remove other", 2, "", "no baseline has that name"},
		{"baseline", 2, "", "takes a subcommand"},
		{"note r1 'after the upgrade'", 0, "", ""},
		{"note r1 'a\x1bb'", 2, "", "control characters"},
		{"tag r1 nightly keep", 0, "", ""},
		{"tag r1 --remove nightly", 0, "", ""},
		{"tag r1", 2, "", "takes an id"},
		{"tag r1 'b d'", 2, "", `tag "b d"`},
		{"list", 0, "keep “after the upgrade”", ""},
		{"list --tag keep", 0, "r1", ""},
		{"list --tag keep,nightly -o json", 0, "[]", ""},
	}.in(t, dir)
	if out := tare(t, dir, "list", "--tag", "keep").out; strings.Contains(out, "r2") {
		t.Errorf("a result without the tag is listed:\n%s", out)
	}
	if out := tare(t, dir, "__complete", "gate", "--baseline", "m").out; !strings.HasPrefix(out, "main\t") {
		t.Errorf("completion of a baseline: %q", out)
	}
	if out := tare(t, dir, "__complete", "history", "").out; !strings.HasPrefix(out, "gate-same\n") {
		t.Errorf("completion of a study: %q", out)
	}
}

func TestPrune(t *testing.T) {
	dir := t.TempDir()
	var results []keptResult
	for i, age := range []time.Duration{50 * day, 40 * day, 30*day + time.Hour, 20 * day, day} {
		results = append(results, keptResult{id: "r" + string(rune('1'+i)), study: "same", age: age, blocks: 1})
	}
	keep(t, dir, append(results, keptResult{id: "c1", study: "cpu", age: 60 * day, blocks: 1})...)
	runs{
		{"baseline set main r1", 0, "", ""},
		{"tag r2 keep", 0, "", ""},
		{"prune", 2, "", "say what goes"},
		{"prune --keep 0", 2, "", "--keep 0"},
		{"prune --older 3x", 2, "", "--older 3x"},
		{"prune --keep 1 r1", 2, "", "not both"},
		{"prune --keep 1 --force", 2, "", "--force"},
		{"prune --keep 2 --dry-run", 0, "would go", ""},
		{"prune --older 30d --dry-run -o json", 0, `"held": "tag keep"`, ""},
		{"prune r1", 2, "", "it is held by baseline main"},
		{"prune r4 r2", 2, "", "it is held by tag keep"},
		{"prune r9", 2, "", "no such experiment"},
	}.in(t, dir)
	ids := func() string {
		t.Helper()
		var es []struct{ ID string }
		if err := json.Unmarshal([]byte(tare(t, dir, "list", "-o", "json").out), &es); err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range es {
			all = append(all, e.ID)
		}
		return strings.Join(all, " ")
	}
	if got := ids(); got != "r5 r4 r3 r2 r1 c1" {
		t.Fatalf("refusals and dry runs left %s", got)
	}
	file := filepath.Join(dir, "tare.db")
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	runs{{"prune --older 25d", 0, "r3", ""}}.in(t, dir) // and c1; r1 and r2 are held
	if got := ids(); got != "r5 r4 r2 r1" {
		t.Fatalf("--older 25d left %s", got)
	}
	after, err := os.Stat(file)
	if err != nil || after.Size() >= before.Size() {
		t.Errorf("the file has %d bytes after pruning, before %d (%v)", after.Size(), before.Size(), err)
	}
	runs{
		{"prune --keep 1 --older 3d", 0, "r4", ""},
		{"prune --keep 1", 0, "stays: baseline main", ""},
		{"prune r1 --force", 0, "removed", ""},
		{"baseline list", 0, "(gone)", ""},
		{"gate --baseline main", 2, "", "the baseline is gone: it names experiment r1"},
		{"compare baseline:main last", 2, "", "the baseline is gone"},
		{"prune --keep 5", 0, "nothing goes", ""},
	}.in(t, dir)
	if got := ids(); got != "r5 r2" {
		t.Errorf("in the end there is %s", got)
	}
}

func TestTransfer(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	keep(t, from, keptResult{id: "r1", study: "cpu", age: day, cpu: 12})
	file := filepath.Join(t.TempDir(), "r1.tare")
	runs{
		{"note r1 'from there'", 0, "", ""},
		{"tag r1 nightly", 0, "", ""},
		{"export last " + file, 0, "", ""},
		{"export r2 " + file, 2, "", "no such experiment"},
		{"export r1 /nowhere/x", 2, "", "/nowhere"},
	}.in(t, from)
	runs{
		{"import " + file, 0, "imported r1", ""},
		{"import " + file, 0, "kept already, the same", ""},
		{"list", 0, "nightly “from there”", ""},
		{"import /nowhere/x", 2, "", "no such file"},
	}.in(t, to)
	if a, b := tare(t, from, "report", "r1", "-o", "json"), tare(t, to, "report", "r1", "-o", "json"); a.out != b.out || a.code != 0 {
		t.Errorf("the result reports otherwise there: exit %d and %d", a.code, b.code)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.tare")
	fresh := t.TempDir()
	for name, content := range map[string][]byte{"cut off": text[:len(text)/2], "foreign": []byte("PK\x03\x04"), "empty": nil} {
		if err := os.WriteFile(broken, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := tare(t, fresh, "import", broken); r.code != 2 || !strings.Contains(r.err, "damaged") {
			t.Errorf("%s: exit %d, %s", name, r.code, r.err)
		}
	}
	if r := tare(t, fresh, "list", "-o", "json"); strings.TrimSpace(r.out) != "[]" {
		t.Errorf("broken imports left %s%s", r.out, r.err)
	}
	keep(t, fresh, keptResult{id: "r1", study: "cpu", age: 2 * day})
	if r := tare(t, fresh, "import", file); r.code != 2 || !strings.Contains(r.err, "never changed") {
		t.Errorf("another result of that id: exit %d, %s", r.code, r.err)
	}
}

func TestCompareCommand(t *testing.T) {
	dir := t.TempDir()
	keep(t, dir,
		keptResult{id: "r1", study: "cpu", age: 4 * day}, keptResult{id: "r2", study: "cpu", age: 3 * day, cpu: 12},
		keptResult{id: "other", study: "cpu", age: 2 * day, host: "another CPU"}, keptResult{id: "one", study: "cpu", age: day, blocks: 1}, keptResult{id: "none", study: "cpu", blocks: -1})
	runs{
		{"compare r1 r2", 0, "material, worse", ""},
		{"compare r1 r2 -o markdown", 0, "| after | before | cpu |", ""},
		{"compare r1 r2 -o json", 0, `"tare": "comparison/1"`, ""},
		{"compare r1 r2 -o xml", 2, "", "known: table, json, markdown"},
		{"compare r1 r2 --margin cpu=9%", 0, "judged anew", ""},
		{"compare r1 r2 --margin cpu=nine", 2, "", "--margin cpu=nine"},
		{"compare r1 r2 --margin p90=1%", 2, "", "--margin p90=1%"},
		{"compare r1 r2 --margin cpu=1%,cpu=2%", 2, "", "twice"},
		{"compare r1 r2 --map after", 2, "", "old=new"},
		{"compare r1 r2 --map nobody=after", 2, "", `no treatment "nobody"`},
		{"compare r1 r1", 2, "", "its own report compares them"},
		{"compare r1", 2, "", "takes two results"},
		{"compare r1 other", 2, "", "host: cpu: a CPU, now another CPU"},
		{"compare r1 other --force", 0, "FORCED", ""},
		{"compare r1 one", 2, "", "screening"},
		{"compare r1 one --force", 0, "has one block", ""},
		{"compare r1 none", 2, "", "no block that counts has finished"},
		{"gate none", 2, "", "no block that counts has finished"},
		{"gate one", 4, "one block", "undecided"},
		{"compare baseline:main r1", 2, "", "no baseline has that name"},
		{"report baseline:main", 2, "", "no baseline has that name"},
		{"baseline set main r2", 0, "", ""},
		{"show baseline:main -o json", 0, `"id": "r2"`, ""},
		{"history gate-cpu", 0, "not comparable with those before: host: cpu", ""},
		{"history gate-cpu --treatment after --endpoint cpu -o json", 0, `"tare": "history/1"`, ""},
		{"history gate-cpu", 0, "left out: none: no block that counts", ""},
		{"history nothing", 2, "", `no result of a study "nothing" is kept (there are: gate-cpu)`},
		{"history gate-cpu --endpoint p95", 2, "", `"p95"`},
	}.in(t, dir)
	if out := tare(t, dir, "compare", "r1", "one", "--force", "-o", "json").out; strings.Contains(out, "NaN") || !json.Valid([]byte(out)) {
		t.Errorf("a result of one block: %s", out)
	}
}
