package study

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	nodeType = reflect.TypeFor[interface{ UnmarshalYAML(ast.Node) error }]()
)

// checkFields walks a tree beside the type that it will be decoded into and
// refuses the first field that the type lacks, listing those it has. (The YAML
// library's own strict mode finds them too, but cannot list.)
func checkFields(file string, n ast.Node, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch p := reflect.PointerTo(t); {
	case p.Implements(nodeType):
		return nil
	case p.Implements(textType):
		return checkText(file, n, t)
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkStruct(file, n, t)
	case reflect.Map:
		return eachField(n, func(f *ast.MappingValueNode) error { return checkFields(file, f.Value, t.Elem()) })
	case reflect.Int:
		if f, ok := n.(*ast.FloatNode); ok { // the decoder would cut it off
			at := f.GetToken().Position
			return &PlaceError{File: file, Line: at.Line, Column: at.Column, Err: fmt.Errorf("%s: want a whole number", f.GetToken().Value)}
		}
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			return nil // the decoder says what it expected
		}
		for _, v := range list.Values {
			if err := checkFields(file, v, t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkText tries a scalar: the YAML library loses the place of such an error.
func checkText(file string, n ast.Node, t reflect.Type) error {
	if _, ok := n.(ast.ScalarNode); !ok {
		return nil // the decoder says what it expected
	}
	v := reflect.New(t).Interface().(encoding.TextUnmarshaler)
	if err := v.UnmarshalText([]byte(n.GetToken().Value)); err != nil {
		at := n.GetToken().Position
		return &PlaceError{File: file, Line: at.Line, Column: at.Column, Err: err}
	}
	return nil
}

func checkStruct(file string, n ast.Node, t reflect.Type) error {
	known := fieldsOf(t)
	return eachField(n, func(f *ast.MappingValueNode) error {
		name := f.Key.GetToken().Value
		for _, k := range known {
			if k.name == name {
				return checkFields(file, f.Value, k.typ)
			}
		}
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = k.name
		}
		at := f.Key.GetToken().Position
		return &PlaceError{File: file, Line: at.Line, Column: at.Column,
			Err: fmt.Errorf("unknown field %q (known: %s)", name, strings.Join(names, ", "))}
	})
}

type field struct {
	name string
	typ  reflect.Type
}

// fieldsOf lists a struct's fields by the name that the YAML decoder uses.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("yaml")
		if tag == "" {
			tag = f.Tag.Get("json")
		}
		name, _, _ := strings.Cut(tag, ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		fs = append(fs, field{name, f.Type})
	}
	return fs
}

func eachField(n ast.Node, do func(*ast.MappingValueNode) error) error {
	switch m := n.(type) {
	case *ast.MappingNode:
		for _, f := range m.Values {
			if err := do(f); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return do(m)
	}
	return nil
}
