package study

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Params are parameters not yet decoded: a part of a study file that only its
// owner (a function, a workload) understands. The zero value has none.
type Params struct {
	file string
	node ast.Node
}

// Decode reads the parameters into a struct, strictly: a field that the struct
// lacks is an error with file and line.
func (p Params) Decode(into any) error {
	if p.node == nil {
		return nil
	}
	if err := yaml.NodeToValue(p.node, into, yaml.Strict()); err != nil {
		return placed(p.file, err)
	}
	return nil
}

// IsZero reports whether there are no parameters.
func (p Params) IsZero() bool { return p.node == nil }

// JSONParams makes parameters of JSON text; source names where it came from.
func JSONParams(source string, text []byte) (Params, error) {
	if !json.Valid(text) {
		return Params{}, fmt.Errorf("%s: not JSON", source)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Params{}, placed(source, err)
	}
	if len(f.Docs) == 0 {
		return Params{}, nil
	}
	return Params{file: source, node: f.Docs[0].Body}, nil
}

// placed turns a YAML error into one line that begins with file:line:column.
func placed(file string, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	at := y.GetToken().Position
	return fmt.Errorf("%s:%d:%d: %s", file, at.Line, at.Column, y.GetMessage())
}
