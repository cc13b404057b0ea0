package study

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

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
// lacks is an error with file and line that lists the fields there are.
func (p Params) Decode(into any) error {
	if p.node == nil {
		return nil
	}
	if err := checkFields(p.file, p.node, reflect.TypeOf(into)); err != nil {
		return err
	}
	if err := yaml.NodeToValue(p.node, into, yaml.Strict()); err != nil {
		return placed(p.file, err)
	}
	return nil
}

// IsZero reports whether there are no parameters.
func (p Params) IsZero() bool { return p.node == nil }

// MarshalJSON gives the parameters as JSON; none are null.
func (p Params) MarshalJSON() ([]byte, error) {
	if p.node == nil {
		return []byte("null"), nil
	}
	text, err := yaml.YAMLToJSON([]byte(p.node.String()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	var v any // re-marshalled, so that keys are in one order
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", p.file, err)
	}
	return json.Marshal(v)
}

// UnmarshalJSON takes back what MarshalJSON gave.
func (p *Params) UnmarshalJSON(text []byte) error {
	q, err := JSONParams("parameters", text)
	if err == nil {
		*p = q
	}
	return err
}

// UnmarshalYAML keeps the part of the file for its owner.
func (p *Params) UnmarshalYAML(n ast.Node) error {
	if n != nil && n.Type() != ast.NullType {
		p.node = n
	}
	return nil
}

// JSONParams makes parameters of JSON text; source names where it came from.
func JSONParams(source string, text []byte) (Params, error) {
	if !json.Valid(text) {
		return Params{}, fmt.Errorf("%s: not JSON", source)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return Params{}, placed(source, err)
	}
	if len(f.Docs) == 0 || f.Docs[0].Body == nil || f.Docs[0].Body.Type() == ast.NullType {
		return Params{}, nil
	}
	return Params{file: source, node: f.Docs[0].Body}, nil
}

// placed turns a YAML error into one line that begins with file:line:column.
func placed(file string, err error) error {
	var own *PlaceError // of a node that read itself, and does not know its file
	if errors.As(err, &own) && own.File == "" {
		return &PlaceError{File: file, Line: own.Line, Column: own.Column, Err: own.Err}
	}
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	at := y.GetToken().Position
	return &PlaceError{File: file, Line: at.Line, Column: at.Column, Err: errors.New(y.GetMessage())}
}

// PlaceError is an error at a place of a file.
type PlaceError struct {
	File         string
	Line, Column int
	Err          error
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Column, e.Err)
}

func (e *PlaceError) Unwrap() error { return e.Err }
