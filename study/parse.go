package study

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// source is where a study was read from, for errors with a place.
type source struct {
	file string
	tree *ast.File
}

// ReadFile reads and checks a study file.
func ReadFile(path string) (*Study, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read study: %w%s", err, beside(path))
	}
	return Parse(path, text)
}

// beside names the study files in a path's folder, for one that cannot be read.
func beside(path string) string {
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("; in %s there are %s", folder, strings.Join(names, ", "))
}

// Parse reads and checks the text of a study file; file names it in errors.
func Parse(file string, text []byte) (*Study, error) {
	if err := CheckNesting(text); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, placed(file, err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: want one YAML document with a study, found %d", file, documents(tree))
	}
	s := &Study{}
	root := Params{file: file, node: tree.Docs[0].Body}
	if err := root.Decode(s); err != nil {
		return nil, err
	}
	s.source = source{file, tree}
	s.setDefaults()
	for _, p := range s.params() {
		p.file = file
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

func documents(tree *ast.File) (n int) {
	for _, d := range tree.Docs {
		if d.Body != nil {
			n++
		}
	}
	return n
}

// params lists every part of the study that its owner decodes.
func (s *Study) params() []*Params {
	ps := []*Params{&s.Workload.Params, &s.SMP}
	if s.Function != nil {
		ps = append(ps, &s.Function.Params)
	}
	for i := range s.Treatments {
		ps = append(ps, &s.Treatments[i].Workload)
		if f := s.Treatments[i].Function; f != nil {
			ps = append(ps, &f.Params)
		}
	}
	return ps
}

// Errorf makes an error at the place of a field, given as a YAML path such as
// $.treatments[3].form. A study that came from no file gives the path instead.
func (s *Study) Errorf(path, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if s.source.tree == nil {
		return fmt.Errorf("study %s: %s: %w", s.Name, path, err)
	}
	if n := s.nodeAt(path); n != nil {
		at := n.GetToken().Position
		return &PlaceError{File: s.source.file, Line: at.Line, Column: at.Column, Err: err}
	}
	return fmt.Errorf("%s: %s: %w", s.source.file, path, err)
}

// nodeAt finds the node of a path, or nil.
func (s *Study) nodeAt(path string) ast.Node {
	p, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	n, err := p.FilterFile(s.source.tree)
	if err != nil || n == nil {
		return nil
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		return m.Values[0].Key
	}
	return n
}

// ErrFormat is a study file of another version.
var ErrFormat = errors.New("not a study file of this version")
