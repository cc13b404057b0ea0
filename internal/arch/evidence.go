package arch

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// States of a claim.
const (
	shown   = "shown"
	notDone = "not done"
)

// none is what stands in a cell that has nothing to say.
const none = "–"

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	// testName is a test by its folder and name, with a subtest or not:
	// stat.TestPairedT/ties
	testName = regexp.MustCompile(`^(?:([a-z0-9_/-]+)\.)?((?:Test|Benchmark|Fuzz|Example)[A-Z_]\w*|Example)(?:/\S+)?$`)
	command  = regexp.MustCompile(`^(?:[A-Z]+=\S+ )*(make|go|tare|bin/tare|\.ci/run)(?: |$)`)
)

// evidence holds docs/EVIDENCE.md against the tree. Its tables have the
// columns claim, shown by, figure and state.
func evidence(t *Tree) []Finding {
	if _, ok := t.Text[evidenceFile]; !ok {
		return []Finding{{Path: evidenceFile, Text: "is missing"}}
	}
	rows := t.table(evidenceFile, "claim")
	if len(rows) == 0 {
		return []Finding{{Path: evidenceFile, Text: "holds no claims"}}
	}
	var found []Finding
	lines := map[string]int{}
	for _, r := range rows {
		if len(r.cells) != 4 {
			found = append(found, Finding{evidenceFile, r.line, fmt.Sprintf("has %d cells, not claim, shown by, figure, state", len(r.cells))})
			continue
		}
		if before, twice := lines[r.cells[0]]; twice {
			found = append(found, Finding{evidenceFile, r.line, fmt.Sprintf("repeats the claim of line %d", before)})
		}
		lines[r.cells[0]] = r.line
		for _, text := range t.claim(r) {
			found = append(found, Finding{evidenceFile, r.line, text})
		}
	}
	return found
}

// claim checks one row.
func (t *Tree) claim(r row) []string {
	claim, by, figure, state := r.cells[0], r.cells[1], r.cells[2], r.cells[3]
	var wrong []string
	if claim == "" || claim == none {
		wrong = append(wrong, "has no claim")
	}
	witnesses := 0
	for _, q := range quoted.FindAllStringSubmatch(by, -1) {
		witnesses++
		if text := t.witness(q[1]); text != "" {
			wrong = append(wrong, text)
		}
	}
	empty := figure == "" || figure == none
	switch {
	case state == shown && witnesses == 0:
		wrong = append(wrong, "is shown by no test, benchmark or command")
	case state == notDone && !empty:
		wrong = append(wrong, fmt.Sprintf("is not done and gives a figure: %s", figure))
	case state != shown && state != notDone:
		wrong = append(wrong, fmt.Sprintf("has the state %q, not %q or %q", state, shown, notDone))
	}
	return wrong
}

// witness says what is wrong with a test or command named in a row; empty when it is there.
func (t *Tree) witness(name string) string {
	if m := testName.FindStringSubmatch(name); m != nil {
		switch {
		case m[1] == "":
			return fmt.Sprintf("names %s without its folder: write folder.%s", name, name)
		case !t.declares(m[1], m[2]):
			return fmt.Sprintf("names %s, and there is no such test", name)
		}
		return ""
	}
	if !command.MatchString(name) {
		return fmt.Sprintf("names %q, which is neither folder.TestName nor a command (make, go, tare, .ci/run)", name)
	}
	return t.ran(name)
}

// ran says what a command needs that is not there.
func (t *Tree) ran(name string) string {
	words := strings.Fields(name)
	for i, w := range words {
		if w == "make" && i+1 < len(words) && !slices.Contains(t.targets(), words[i+1]) {
			return fmt.Sprintf("names %s, and the Makefile has no target %s", name, words[i+1])
		}
		if _, there := t.Text[w]; strings.HasSuffix(w, ".yaml") && !there {
			return fmt.Sprintf("names %s, and there is no file %s", name, w)
		}
	}
	return ""
}

// declares reports whether a folder's tests declare a function.
func (t *Tree) declares(folder, name string) bool {
	for _, f := range t.Packages[folder] {
		if !f.Test {
			continue
		}
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == name {
				return true
			}
		}
	}
	return false
}
