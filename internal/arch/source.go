package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

func initFunctions(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.files() {
		if generated(f) {
			continue
		}
		for _, d := range f.Syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, Finding{f.Path, t.line(fn), "has a func init: build the value where it is needed and pass it"})
			}
		}
	}
	return found
}

func packageNames(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.files() {
		name := f.Syntax.Name.Name
		if f.Test {
			name = strings.TrimSuffix(name, "_test")
		}
		at := t.line(f.Syntax.Name)
		base := path.Base(f.Folder)
		switch {
		case name == "main" && slices.Contains(programs, f.Folder):
		case name == "main":
			found = append(found, Finding{f.Path, at, "is a program, and this folder is none of " + strings.Join(programs, ", ")})
		case slices.Contains(bannedNames, name):
			found = append(found, Finding{f.Path, at, "package " + name + ": a name that says nothing of what is in it"})
		case slices.Contains(standardNames, name):
			found = append(found, Finding{f.Path, at, "package " + name + ": a name of the standard library"})
		case name != base:
			found = append(found, Finding{f.Path, at, "package " + name + " in folder " + base})
		}
	}
	return found
}

func packageDocs(t *Tree) []Finding {
	var found []Finding
	for _, folder := range t.folders() {
		found = append(found, t.packageDoc(folder)...)
	}
	return found
}

// packageDoc checks the package comment of one folder. Where a package has
// nothing but tests, theirs counts.
func (t *Tree) packageDoc(folder string) []Finding {
	files := t.Packages[folder]
	bound := slices.DeleteFunc(slices.Clone(files), func(f *File) bool { return f.Test })
	if len(bound) == 0 {
		bound = files
	}
	var found []Finding
	documented := ""
	for _, f := range bound {
		if f.Syntax.Doc == nil {
			continue
		}
		if documented != "" {
			found = append(found, Finding{f.Path, t.line(f.Syntax.Doc), "a second package comment, beside that of " + documented})
		}
		documented = f.Path
		want := "Package " + f.Syntax.Name.Name + " "
		if f.Syntax.Name.Name == "main" {
			want = "Command " + path.Base(folder) + " "
		}
		if !strings.HasPrefix(f.Syntax.Doc.Text(), want) {
			found = append(found, Finding{f.Path, t.line(f.Syntax.Doc), fmt.Sprintf("the package comment does not begin with %q", want)})
		}
	}
	if documented == "" {
		found = append(found, Finding{Path: folder, Text: "no package comment"})
	}
	return found
}

func sizes(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.files() {
		limit := longestFile
		if f.Path == mainFile {
			limit = longestMain
		}
		if f.Lines > limit && !generated(f) {
			found = append(found, Finding{Path: f.Path, Text: fmt.Sprintf("has %d lines, more than %d: one subject a file", f.Lines, limit)})
		}
	}
	return found
}

// testing lists the files that are tests or hold what tests call.
func (t *Tree) testing() []*File {
	var all []*File
	for _, f := range t.files() {
		if f.Test || t.localName(f, "testing") != "" {
			all = append(all, f)
		}
	}
	return all
}

func sleeping(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.testing() {
		clock := t.localName(f, "time")
		if clock == "" {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" && isIdent(s.X, clock) {
				found = append(found, Finding{f.Path, t.line(s), "a test sleeps: wait for the event, or use testing/synctest"})
			}
			return true
		})
	}
	return found
}

func skipping(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.testing() {
		tests := testParameters(f.Syntax, t.localName(f, "testing"))
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, s.Sel.Name) {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && tests[x.Name] {
				found = append(found, Finding{f.Path, t.line(s), "a test skips itself: with CI=true nothing may be skipped"})
			}
			return true
		})
	}
	return found
}

// testParameters finds the names under which a file's functions take a test,
// benchmark or fuzz target.
func testParameters(file *ast.File, testing string) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		kind := field.Type
		if star, ok := kind.(*ast.StarExpr); ok {
			kind = star.X
		}
		s, ok := kind.(*ast.SelectorExpr)
		if !ok || !isIdent(s.X, testing) {
			return true
		}
		for _, name := range field.Names {
			names[name.Name] = true
		}
		return true
	})
	return names
}

func isIdent(e ast.Expr, name string) bool {
	i, ok := e.(*ast.Ident)
	return ok && i.Name == name
}
