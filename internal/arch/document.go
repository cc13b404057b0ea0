package arch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func foreignStrings(t *Tree) []Finding {
	pattern := regexp.MustCompile(foreign)
	var found []Finding
	for _, name := range t.texts() {
		if strings.HasSuffix(name, ".sum") {
			continue
		}
		for i, line := range t.Text[name] {
			if at := pattern.FindString(line); at != "" {
				found = append(found, Finding{name, i + 1, fmt.Sprintf("names %q", at)})
			}
		}
	}
	return found
}

// The documents that the rules read.
const (
	architectureFile = "docs/ARCHITECTURE.md"
	evidenceFile     = "docs/EVIDENCE.md"
	rationaleFile    = "docs/RATIONALE.md"
	makeFile         = "Makefile"
)

// mapped holds the map against the house: every package is named in it, in
// backticks.
func mapped(t *Tree) []Finding {
	text, ok := t.Text[architectureFile]
	if !ok {
		return []Finding{{Path: architectureFile, Text: "is missing"}}
	}
	whole := strings.Join(text, "\n")
	var found []Finding
	for _, folder := range t.folders() {
		if !strings.Contains(whole, "`"+folder+"`") {
			found = append(found, Finding{Path: architectureFile, Text: "does not name `" + folder + "`"})
		}
	}
	return found
}

// rationale holds the table of dependencies against go.mod: each one that is
// required and has a home stands there with its version.
func rationale(t *Tree) []Finding {
	if _, ok := t.Text[rationaleFile]; !ok {
		return []Finding{{Path: rationaleFile, Text: "is missing"}}
	}
	given := map[string]string{}
	var found []Finding
	for _, row := range t.table(rationaleFile, "module") {
		module := strings.Trim(row.cells[0], "`")
		if _, ok := t.Requires[module]; !ok {
			found = append(found, Finding{rationaleFile, row.line, "lists " + module + ", which go.mod does not require"})
		}
		given[module] = row.cells[1]
	}
	for _, module := range t.imported() {
		want := t.Requires[module]
		switch got, ok := given[module]; {
		case !ok:
			found = append(found, Finding{Path: rationaleFile, Text: "has no row for " + module})
		case got != want:
			found = append(found, Finding{Path: rationaleFile, Text: fmt.Sprintf("gives %s as %s, go.mod as %s", module, got, want)})
		}
	}
	return found
}

// imported lists the required modules that the tree's own files import.
func (t *Tree) imported() []string {
	seen := map[string]bool{}
	for _, f := range t.files() {
		for _, i := range t.imports(f) {
			if m := t.moduleOf(i.Path); m != "" {
				seen[m] = true
			}
		}
	}
	all := make([]string, 0, len(seen))
	for m := range seen {
		all = append(all, m)
	}
	slices.Sort(all)
	return all
}

// moduleOf finds the required module that an import belongs to.
func (t *Tree) moduleOf(importPath string) string {
	best := ""
	for m := range t.Requires {
		if of(importPath, m) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

// row is one line of a table.
type row struct {
	line  int
	cells []string
}

// table reads the rows of the tables of a document whose first heading is the given one.
func (t *Tree) table(name, heading string) []row {
	var rows []row
	wanted, inside := false, false
	for i, line := range t.Text[name] {
		cells, is := cellsOf(line)
		switch {
		case !is:
			inside, wanted = false, false
		case !inside:
			inside = true
			wanted = cells[0] == heading
		case wanted && strings.Trim(cells[0], ":- ") != "":
			rows = append(rows, row{i + 1, cells})
		case wanted && !strings.Contains(line, "--"):
			rows = append(rows, row{i + 1, cells}) // a row whose first cell is empty
		}
	}
	return rows
}

// cellsOf splits a line of a table; a bar in a cell is written as \|.
func cellsOf(line string) ([]string, bool) {
	line = strings.TrimSpace(line)
	if len(line) < 2 || line[0] != '|' || line[len(line)-1] != '|' {
		return nil, false
	}
	const bar = "\x00"
	cells := strings.Split(strings.ReplaceAll(line[1:len(line)-1], `\|`, bar), "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, bar, "|"))
	}
	return cells, true
}

var targetLine = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]*):(?:[^=].*)?$`)

func makeTargets(t *Tree) []Finding {
	lines, ok := t.Text[makeFile]
	if !ok {
		return []Finding{{Path: makeFile, Text: "is missing"}}
	}
	var found []Finding
	for i, line := range lines {
		if targetLine.MatchString(line) && !strings.Contains(line, "## ") {
			found = append(found, Finding{makeFile, i + 1, "a target without its line of help (## …)"})
		}
	}
	if n := len(t.targets()); n > mostTargets {
		found = append(found, Finding{Path: makeFile, Text: fmt.Sprintf("has %d targets, more than %d", n, mostTargets)})
	}
	return found
}

// targets lists the Makefile's targets.
func (t *Tree) targets() []string {
	var names []string
	for _, line := range t.Text[makeFile] {
		if m := targetLine.FindStringSubmatch(line); m != nil {
			names = append(names, m[1])
		}
	}
	return names
}
