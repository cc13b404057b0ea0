package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Tree is the files of a module as the rules see them.
type Tree struct {
	Module   string              // its path, from go.mod
	Requires map[string]string   // module path to version, from go.mod
	Packages map[string][]*File  // by folder, relative to the root; "." is the root
	Text     map[string][]string // lines of every text file, by path
	Broken   []Finding           // files that do not parse

	fset *token.FileSet
}

// File is one parsed Go file.
type File struct {
	Path   string // relative to the root, with slashes
	Folder string
	Test   bool // its name ends in _test.go
	Lines  int
	Syntax *ast.File
}

// Import is one import of a file.
type Import struct {
	Path string // as written
	Name string // given name; empty without
	Line int
}

// Finding is one place that breaks a rule.
type Finding struct {
	Path string
	Line int // 0: the whole file or folder
	Text string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return f.Path + ":" + strconv.Itoa(f.Line) + ": " + f.Text
}

// largestText is the size above which a file is data, not text to be read.
const largestText = 2 << 20

// Load reads the tree of a module from its root.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{Packages: map[string][]*File{}, Text: map[string][]string{}, fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains(unread, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return t.add(root, name, d)
	})
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	if err := t.readMod(); err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	return t, nil
}

// add reads one file of the tree.
func (t *Tree) add(root fs.FS, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Size() > largestText {
		return nil
	}
	content, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	if bytes.IndexByte(content, 0) >= 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	t.Text[name] = lines
	if !strings.HasSuffix(name, ".go") || outsideModule(name) {
		return nil
	}
	syntax, err := parser.ParseFile(t.fset, name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Broken = append(t.Broken, Finding{Path: name, Text: "does not parse: " + err.Error()})
		return nil
	}
	folder := path.Dir(name)
	t.Packages[folder] = append(t.Packages[folder], &File{
		Path: name, Folder: folder, Test: strings.HasSuffix(name, "_test.go"), Lines: len(lines), Syntax: syntax,
	})
	return nil
}

// outsideModule reports whether the go command leaves a file out of the module's packages.
func outsideModule(name string) bool {
	for _, part := range strings.Split(path.Dir(name), "/") {
		if part == "testdata" || part != "." && (part[0] == '.' || part[0] == '_') {
			return true
		}
	}
	return false
}

// readMod takes the module's path and its requirements from go.mod.
func (t *Tree) readMod() error {
	lines, ok := t.Text["go.mod"]
	if !ok {
		return fmt.Errorf("go.mod: %w", fs.ErrNotExist)
	}
	t.Requires = map[string]string{}
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(words) != 2 {
			continue
		}
		if words[0] == "module" {
			t.Module = words[1]
		} else if strings.HasPrefix(words[1], "v") {
			t.Requires[words[0]] = words[1]
		}
	}
	if t.Module == "" {
		return fmt.Errorf("go.mod names no module")
	}
	return nil
}

// folders lists the folders that hold packages, in order.
func (t *Tree) folders() []string {
	all := make([]string, 0, len(t.Packages))
	for folder := range t.Packages {
		all = append(all, folder)
	}
	slices.Sort(all)
	return all
}

// files lists every parsed file, in order.
func (t *Tree) files() []*File {
	var all []*File
	for _, folder := range t.folders() {
		all = append(all, t.Packages[folder]...)
	}
	return all
}

// texts lists the paths of the text files, in order.
func (t *Tree) texts() []string {
	all := make([]string, 0, len(t.Text))
	for name := range t.Text {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

func (t *Tree) line(n ast.Node) int { return t.fset.Position(n.Pos()).Line }

// imports lists a file's imports.
func (t *Tree) imports(f *File) []Import {
	var all []Import
	for _, spec := range f.Syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		i := Import{Path: p, Line: t.line(spec)}
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		all = append(all, i)
	}
	return all
}

// inside turns an import path into a folder of this module.
func (t *Tree) inside(importPath string) (folder string, ok bool) {
	if importPath == t.Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.Module+"/")
}

// generated reports whether a file is generated code in a place where such is allowed.
func generated(f *File) bool {
	return ast.IsGenerated(f.Syntax) && matchAny(generatedFiles, f.Path)
}

// matchAny reports whether one of the patterns (path.Match) fits the name.
func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return err == nil && ok
	})
}
