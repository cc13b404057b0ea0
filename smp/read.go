package smp

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/taremesh/tare/study"
)

// maxDepth is how deep a file may be nested: the messages need six levels.
const maxDepth = 20

// reader fills messages from the tree of one file.
type reader struct {
	file string
	// places are of the fields and elements that were read, by path such as
	// test.clients[0].rps, so that what is found wrong later has its place too.
	places map[string]ast.Node
	// later is told of fields that the messages have only in later versions.
	later func(path, value string)
}

// text is a scalar's text; what a terminal or a header could take for a
// command is refused.
func (r *reader) text(n ast.Node, path, want string) (string, error) {
	s, ok := scalarText(n)
	if !ok {
		return "", r.errorf(n, "%s: want %s, found %s", path, want, kindOf(n))
	}
	if i := strings.IndexFunc(s, isControl); i >= 0 {
		return "", r.errorf(n, "%s: the text %.40q holds control characters", path, s)
	}
	return s, nil
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// document parses a file that is one YAML or JSON document.
func (r *reader) document(text []byte) (ast.Node, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%s: the file is not UTF-8 text", r.file)
	}
	if err := study.CheckNesting(text); err != nil {
		return nil, fmt.Errorf("%s: %w", r.file, err)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, r.placed(err)
	}
	var bodies []ast.Node
	for _, d := range tree.Docs {
		if d.Body != nil && d.Body.Type() != ast.NullType {
			bodies = append(bodies, d.Body)
		}
	}
	if len(bodies) != 1 {
		return nil, fmt.Errorf("%s: want one YAML or JSON document, found %d", r.file, len(bodies))
	}
	return bodies[0], nil
}

// placed gives an error of the YAML library its place.
func (r *reader) placed(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	at := y.GetToken().Position
	return &study.PlaceError{File: r.file, Line: at.Line, Column: at.Column, Err: errors.New(y.GetMessage())}
}

// errorf makes an error at a node.
func (r *reader) errorf(n ast.Node, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if n == nil || n.GetToken() == nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	at := n.GetToken().Position
	return &study.PlaceError{File: r.file, Line: at.Line, Column: at.Column, Err: err}
}

// at makes an error at the place of what was read under a path, or of the
// nearest thing around it.
func (r *reader) at(path, format string, args ...any) error {
	for p := path; p != ""; {
		if n, ok := r.places[p]; ok {
			return r.errorf(n, "%s: %w", path, fmt.Errorf(format, args...))
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			break
		}
		p = p[:cut]
	}
	return fmt.Errorf("%s: %s: %w", r.file, path, fmt.Errorf(format, args...))
}

// members lists the fields of a mapping; each key is a text, and there once,
// which the parser sees to.
func (r *reader) members(n ast.Node, path string) ([]*ast.MappingValueNode, error) {
	var fields []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		fields = m.Values
	case *ast.MappingValueNode:
		fields = []*ast.MappingValueNode{m}
	default:
		return nil, r.errorf(n, "%s: want fields, found %s", path, kindOf(n))
	}
	for _, f := range fields {
		if _, err := r.key(f); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

func (r *reader) key(f *ast.MappingValueNode) (string, error) {
	return r.text(f.Key, "the key of a field", "a word")
}

// message fills m from a mapping.
func (r *reader) message(n ast.Node, m protoreflect.Message, path string) error {
	if strings.Count(path, ".")+strings.Count(path, "[") > maxDepth {
		return r.errorf(n, "%s: nested too deep", path)
	}
	if ts, ok := m.Interface().(*timestamppb.Timestamp); ok {
		return r.timestamp(n, ts, path)
	}
	members, err := r.members(n, path)
	if err != nil {
		return err
	}
	for _, f := range members {
		name, err := r.key(f)
		if err != nil {
			return err
		}
		here := path + "." + name
		d := fieldOf(m.Descriptor(), name)
		switch {
		case d == nil && isLater(m.Descriptor(), name):
			text, err := r.text(f.Value, here, "text")
			if err != nil {
				return err
			}
			r.later(here, text)
		case d == nil:
			return r.errorf(f.Key, "unknown field %q of %s (known: %s)", name, path, strings.Join(fieldNames(m.Descriptor()), ", "))
		case m.Has(d):
			return r.errorf(f.Key, "%s is given twice, as %q too", path+"."+string(d.Name()), name)
		case f.Value == nil || f.Value.Type() == ast.NullType:
		default:
			at := path + "." + string(d.Name())
			r.places[at] = f.Value
			if err := r.field(f.Value, m, d, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldOf finds a field by its name or its JSON name.
func fieldOf(d protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if f := d.Fields().ByName(protoreflect.Name(name)); f != nil {
		return f
	}
	return d.Fields().ByJSONName(name)
}

func fieldNames(d protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	return names
}

// laterFields are those that files have and the messages of v0.3.4 have not.
var laterFields = map[protoreflect.Name][]string{
	"Client": {"ssl_certificate", "SSL_certificate", "sslCertificate", "SSLCertificate", "additional_options", "additionalOptions"},
}

func isLater(d protoreflect.MessageDescriptor, name string) bool {
	return slices.Contains(laterFields[d.Name()], name)
}

func (r *reader) field(n ast.Node, m protoreflect.Message, d protoreflect.FieldDescriptor, path string) error {
	switch {
	case d.IsMap():
		return r.mapping(n, m.Mutable(d).Map(), path)
	case d.IsList():
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			return r.errorf(n, "%s: want a list, found %s", path, kindOf(n))
		}
		into := m.Mutable(d).List()
		for i, e := range list.Values {
			at := fmt.Sprintf("%s[%d]", path, i)
			r.places[at] = e
			if err := r.element(e, into, d, at); err != nil {
				return err
			}
		}
		return nil
	case d.Kind() == protoreflect.MessageKind:
		return r.message(n, m.Mutable(d).Message(), path)
	}
	v, err := r.scalar(n, d, path)
	if err != nil {
		return err
	}
	m.Set(d, v)
	return nil
}

func (r *reader) element(n ast.Node, into protoreflect.List, d protoreflect.FieldDescriptor, path string) error {
	if d.Kind() == protoreflect.MessageKind {
		e := into.NewElement()
		if err := r.message(n, e.Message(), path); err != nil {
			return err
		}
		into.Append(e)
		return nil
	}
	v, err := r.scalar(n, d, path)
	if err != nil {
		return err
	}
	into.Append(v)
	return nil
}

// mapping fills a map of texts.
func (r *reader) mapping(n ast.Node, into protoreflect.Map, path string) error {
	members, err := r.members(n, path)
	if err != nil {
		return err
	}
	for _, f := range members {
		key, err := r.key(f)
		if err != nil {
			return err
		}
		text, err := r.text(f.Value, path+"."+key, "text")
		if err != nil {
			return err
		}
		into.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(text))
	}
	return nil
}

// scalar reads one word or number of a field's kind.
func (r *reader) scalar(n ast.Node, d protoreflect.FieldDescriptor, path string) (protoreflect.Value, error) {
	none := protoreflect.Value{}
	text, err := r.text(n, path, wanted(d))
	if err != nil {
		return none, err
	}
	switch d.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			return none, r.errorf(n, "%s: want true or false, found %q", path, text)
		}
		return protoreflect.ValueOfBool(b.Value), nil
	case protoreflect.Int32Kind:
		v, err := wholeNumber(text, math.MinInt32, math.MaxInt32)
		if err != nil {
			return none, r.errorf(n, "%s: %w", path, err)
		}
		return protoreflect.ValueOfInt32(int32(v)), nil
	case protoreflect.Int64Kind:
		v, err := wholeNumber(text, math.MinInt64, math.MaxInt64)
		if err != nil {
			return none, r.errorf(n, "%s: %w", path, err)
		}
		return protoreflect.ValueOfInt64(v), nil
	case protoreflect.DoubleKind:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return none, r.errorf(n, "%s: want a number, found %q", path, text)
		}
		return protoreflect.ValueOfFloat64(v), nil
	case protoreflect.EnumKind:
		v, err := enumValue(d.Enum(), text)
		if err != nil {
			return none, r.errorf(n, "%s: %w", path, err)
		}
		return protoreflect.ValueOfEnum(v), nil
	}
	return none, r.errorf(n, "%s: fields of kind %v are not read", path, d.Kind())
}

// wholeNumber reads 100, and 1e2, which JSON allows.
func wholeNumber(text string, least, most int64) (int64, error) {
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ok := new(big.Rat).SetString(text)
		if len(text) > 24 || !ok || !f.IsInt() || !f.Num().IsInt64() {
			return 0, fmt.Errorf("want a whole number, found %q", text)
		}
		v = f.Num().Int64()
	}
	if v < least || v > most {
		return 0, fmt.Errorf("%d is not between %d and %d", v, least, most)
	}
	return v, nil
}

// enumValue reads the number or the name of an enum's value; the name also
// without the prefix that all of them have, and in any case.
func enumValue(d protoreflect.EnumDescriptor, text string) (protoreflect.EnumNumber, error) {
	number, err := strconv.ParseInt(text, 10, 32)
	var known []string
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		name := string(v.Name())
		if strings.EqualFold(text, name) || strings.EqualFold(text, strings.TrimPrefix(name, "PROTOCOL_")) || err == nil && v.Number() == protoreflect.EnumNumber(number) {
			return v.Number(), nil
		}
		if v.Number() != 0 {
			known = append(known, fmt.Sprintf("%d %s", v.Number(), name))
		}
	}
	return 0, fmt.Errorf("unknown %s %q (known: %s)", d.Name(), text, strings.Join(known, ", "))
}

// timestamp reads RFC 3339, or the seconds and nanos of the message itself.
func (r *reader) timestamp(n ast.Node, into *timestamppb.Timestamp, path string) error {
	if text, ok := scalarText(n); ok {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return r.errorf(n, "%s: %q is not a time such as 2020-03-17T14:53:05Z", path, text)
		}
		proto.Merge(into, timestamppb.New(t))
	} else {
		members, err := r.members(n, path)
		if err != nil {
			return err
		}
		for _, f := range members {
			name, _ := r.key(f)
			d := into.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
			if d == nil {
				return r.errorf(f.Key, "unknown field %q of %s (known: seconds, nanos)", name, path)
			}
			v, err := r.scalar(f.Value, d, path+"."+name)
			if err != nil {
				return err
			}
			into.ProtoReflect().Set(d, v)
		}
	}
	if err := into.CheckValid(); err != nil {
		return r.errorf(n, "%s: %w", path, err)
	}
	return nil
}

// scalarText is a scalar as it is written, without its quotes.
func scalarText(n ast.Node) (string, bool) {
	switch v := n.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NanNode, *ast.InfinityNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which are not read here: write the value out"
	case *ast.TagNode:
		return "a tag"
	}
	return fmt.Sprintf("%q", n.GetToken().Value)
}

func wanted(d protoreflect.FieldDescriptor) string {
	switch d.Kind() {
	case protoreflect.StringKind:
		return "text"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return "a name or number of " + string(d.Enum().Name())
	}
	return "a number"
}
