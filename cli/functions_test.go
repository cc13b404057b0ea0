package cli_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/atlas"
	"github.com/taremesh/tare/catalog"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/study"
)

// The pages of the functions, and the table of all of them, are what the
// catalogue says; -update makes them.
func TestFunctionPages(t *testing.T) {
	b, err := catalog.NewBench("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	planes := b.DataPlanes.Names()
	sources := readSources(t)
	text, err := json.MarshalIndent(sources, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "../sources.json", append(text, '\n'))
	entries := atlas.Catalogue(b.Functions.All(), b.Placements.All(), planes)
	golden.Check(t, "../../docs/functions/README.md", atlas.Table(entries, planes))
	var pages []string
	for i, f := range b.Functions.All() {
		page, err := atlas.Page(f, entries[i], planes, sources)
		if err != nil {
			t.Error(err)
			continue
		}
		golden.Check(t, "../../docs/functions/"+f.Name+".md", page)
		pages = append(pages, f.Name+".md")
	}
	files, err := filepath.Glob("../docs/functions/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); name != "README.md" && !slices.Contains(pages, name) {
			t.Errorf("%s is the page of no function", file)
		}
	}
}

// readSources reads what the source of the functions says of them.
func readSources(t *testing.T) atlas.Sources {
	t.Helper()
	folders, err := filepath.Glob("../function/*")
	if err != nil {
		t.Fatal(err)
	}
	all := atlas.Sources{}
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		s := atlas.Source{Fields: map[string]string{}}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				readSource(t, file, &s)
			}
		}
		if s.Doc != "" {
			all["function/"+filepath.Base(folder)] = s
		}
	}
	return all
}

func readSource(t *testing.T, file string, s *atlas.Source) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if f.Doc != nil {
		s.Doc = f.Doc.Text()
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range body.Fields.List {
			text := strings.TrimSpace(field.Doc.Text() + field.Comment.Text())
			if field.Tag == nil || text == "" {
				continue
			}
			for _, name := range field.Names {
				s.Fields[spec.Name.Name+"."+name.Name] = text
			}
		}
		return true
	})
}

// What the command prints is the catalogue: every function with its forms, and
// a reason for each form that it has not.
func TestFunctions(t *testing.T) {
	r := tare(t, t.TempDir(), "functions", "-o", "json")
	var got []struct {
		Name   string
		Forms  []study.Form
		Planes []string
		Sites  []study.Site
		Places []atlas.Place
	}
	if err := json.Unmarshal([]byte(r.out), &got); r.code != 0 || err != nil {
		t.Fatalf("exit %d: %s; %v", r.code, r.err, err)
	}
	fs, err := catalog.Functions()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(fs.Names()) {
		t.Fatalf("%d functions, want %d", len(got), len(fs.Names()))
	}
	for i, f := range fs.All() {
		e := got[i]
		if e.Name != f.Name || e.Forms == nil || e.Planes == nil || e.Sites == nil {
			t.Errorf("%s: %+v", f.Name, e)
		}
		for k, form := range study.Forms() {
			p := e.Places[k]
			if p.Form != form || (len(p.Sites) > 0) != slices.Contains(e.Forms, form) {
				t.Errorf("%s: form %s: %+v of %v", f.Name, form, p, e.Forms)
			}
			if len(p.Sites) == 0 && len(p.Cannot) == 0 || slices.Contains(slices.Collect(maps.Values(p.Cannot)), "no reason is given") {
				t.Errorf("%s: no form %s, and no reason", f.Name, form)
			}
		}
		page := tare(t, t.TempDir(), "functions", f.Name)
		if page.code != 0 || !strings.HasPrefix(page.out, "# "+f.Name+"\n") {
			t.Errorf("tare functions %s: exit %d: %s", f.Name, page.code, page.err)
		}
		var one struct{ Name string }
		if text := tare(t, t.TempDir(), "functions", f.Name, "-o", "json"); json.Unmarshal([]byte(text.out), &one) != nil || one.Name != f.Name {
			t.Errorf("tare functions %s -o json: %s", f.Name, text.err)
		}
	}
	if table := tare(t, t.TempDir(), "functions"); table.code != 0 || !strings.Contains(table.out, "\nroute-path ") {
		t.Errorf("exit %d: %s", table.code, table.out)
	}
	if r := tare(t, t.TempDir(), "functions", "perpetuum"); r.code != 2 || !strings.Contains(r.err, `unknown function "perpetuum" (known: `) {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}
