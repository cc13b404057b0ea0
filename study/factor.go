package study

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// Factor is a variable of a study with the levels that it is tried at. What
// the factors are is in factorKinds.
type Factor struct {
	Name   string   `json:"name"`
	Levels []string `json:"levels"` // as text: 16, 1KiB, off
}

// Factors are a study's, in the order of the file, where they are a mapping of
// names to lists of levels.
type Factors []Factor

// UnmarshalYAML reads a mapping such as {connections: [4, 16]}.
func (fs *Factors) UnmarshalYAML(n ast.Node) error {
	return eachPair(n, "factors", func(name string, v ast.Node) error {
		list, ok := v.(*ast.SequenceNode)
		if !ok {
			return placeErrorf(v, "factor %s: want a list of levels such as [4, 16]", name)
		}
		f := Factor{Name: name}
		for _, l := range list.Values {
			text, err := scalar(l, "a level of factor "+name)
			if err != nil {
				return err
			}
			f.Levels = append(f.Levels, text)
		}
		*fs = append(*fs, f)
		return nil
	})
}

// Setting is one factor at one level.
type Setting struct {
	Factor string `json:"factor"`
	Level  string `json:"level"`
}

// Settings are factors at levels, in the order of the file, where they are a
// mapping such as {connections: 16, response: 1KiB}.
type Settings []Setting

// UnmarshalYAML reads a mapping of factors to levels.
func (ss *Settings) UnmarshalYAML(n ast.Node) error {
	return eachPair(n, "set", func(name string, v ast.Node) error {
		text, err := scalar(v, "the level of factor "+name)
		if err != nil {
			return err
		}
		*ss = append(*ss, Setting{Factor: name, Level: text})
		return nil
	})
}

// Level returns the level of a factor, and whether it is set.
func (ss Settings) Level(factor string) (string, bool) {
	for _, s := range ss {
		if s.Factor == factor {
			return s.Level, true
		}
	}
	return "", false
}

// with returns the settings with one more, which replaces that of its factor.
func (ss Settings) with(s Setting) Settings {
	out := make(Settings, 0, len(ss)+1)
	for _, old := range ss {
		if old.Factor != s.Factor {
			out = append(out, old)
		}
	}
	return append(out, s)
}

// SettingsOf returns the settings of treatment i: those of its ladder, each
// replaced by a later one of the same factor.
func (s *Study) SettingsOf(i int) Settings {
	var all Settings
	for _, j := range s.Ladder(i) {
		for _, one := range s.Treatments[j].Set {
			all = all.with(one)
		}
	}
	return all
}

// eachPair calls do with the keys and values of a mapping; null has none.
func eachPair(n ast.Node, what string, do func(name string, v ast.Node) error) error {
	switch n.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		return placeErrorf(n, "%s: want a mapping", what)
	}
	return eachField(n, func(f *ast.MappingValueNode) error { return do(f.Key.GetToken().Value, f.Value) })
}

// scalar is a node's text as it is written.
func scalar(n ast.Node, what string) (string, error) {
	if _, ok := n.(ast.ScalarNode); !ok || n.Type() == ast.NullType {
		return "", placeErrorf(n, "%s: want one word or number", what)
	}
	return n.GetToken().Value, nil
}

// placeErrorf is an error at a node; Decode adds the file.
func placeErrorf(n ast.Node, format string, args ...any) error {
	at := n.GetToken().Position
	return &PlaceError{Line: at.Line, Column: at.Column, Err: fmt.Errorf(format, args...)}
}
