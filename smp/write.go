package smp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Encoding is how a file is written.
type Encoding string

// The encodings.
const (
	YAML Encoding = "yaml"
	JSON Encoding = "json"
)

// Encodings lists all encodings.
func Encodings() []Encoding { return []Encoding{YAML, JSON} }

// node is a value of a file to be written: text, literal, list or fields.
type node any

// literal is written as it is: a number, true or false.
type literal string

type list []node

// fields are written in their order.
type fields []member

type member struct {
	name  string
	value node
}

// nodeOf makes a message a value: set fields in the order of their numbers,
// under the names that they have in the message. Enums and 64-bit integers are
// numbers, which protojson and encoding/json both read.
func nodeOf(m protoreflect.Message) node {
	if ts, ok := m.Interface().(*timestamppb.Timestamp); ok {
		return ts.AsTime().Format(time.RFC3339Nano)
	}
	out := fields{}
	for i := range m.Descriptor().Fields().Len() {
		d := m.Descriptor().Fields().Get(i)
		if m.Has(d) {
			out = append(out, member{string(d.Name()), fieldNode(m.Get(d), d)})
		}
	}
	return out
}

func fieldNode(v protoreflect.Value, d protoreflect.FieldDescriptor) node {
	switch {
	case d.IsMap():
		out := fields{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			out = append(out, member{k.String(), v.String()})
			return true
		})
		slices.SortFunc(out, func(a, b member) int { return strings.Compare(a.name, b.name) })
		return out
	case d.IsList():
		out := list{}
		for i := range v.List().Len() {
			out = append(out, scalarNode(v.List().Get(i), d))
		}
		return out
	}
	return scalarNode(v, d)
}

func scalarNode(v protoreflect.Value, d protoreflect.FieldDescriptor) node {
	switch d.Kind() {
	case protoreflect.MessageKind:
		return nodeOf(v.Message())
	case protoreflect.StringKind:
		return v.String()
	case protoreflect.EnumKind:
		return literal(strconv.FormatInt(int64(v.Enum()), 10))
	case protoreflect.DoubleKind:
		return number(v.Float())
	}
	return literal(fmt.Sprint(v.Interface()))
}

// number is written so that reading it gives the same number.
func number(x float64) literal {
	text, err := json.Marshal(x)
	if err != nil {
		return literal(strconv.Quote(strconv.FormatFloat(x, 'g', -1, 64))) // NaN or an infinity, as protojson writes them
	}
	return literal(text)
}

// writeNode writes a value as a whole document.
func writeNode(w io.Writer, n node, as Encoding) error {
	var b bytes.Buffer
	switch as {
	case JSON:
		jsonNode(&b, n, "\n")
		b.WriteByte('\n')
	case YAML:
		yamlNode(&b, n, 0)
	default:
		return fmt.Errorf("unknown encoding %q (known: %s, %s)", as, YAML, JSON)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func jsonNode(b *bytes.Buffer, n node, newline string) {
	deeper := newline + "  "
	switch v := n.(type) {
	case literal:
		b.WriteString(string(v))
	case string:
		b.WriteString(quoted(v))
	case list:
		b.WriteByte('[')
		for i, e := range v {
			separate(b, i, deeper)
			jsonNode(b, e, deeper)
		}
		closeWith(b, ']', len(v), newline)
	case fields:
		b.WriteByte('{')
		for i, m := range v {
			separate(b, i, deeper)
			b.WriteString(quoted(m.name) + ": ")
			jsonNode(b, m.value, deeper)
		}
		closeWith(b, '}', len(v), newline)
	}
}

func separate(b *bytes.Buffer, i int, newline string) {
	if i > 0 {
		b.WriteByte(',')
	}
	b.WriteString(newline)
}

func closeWith(b *bytes.Buffer, end byte, members int, newline string) {
	if members > 0 {
		b.WriteString(newline)
	}
	b.WriteByte(end)
}

// yamlNode writes a value in block style, indented by so many steps. The
// cursor stands at the beginning of a line.
func yamlNode(b *bytes.Buffer, n node, depth int) {
	switch v := n.(type) {
	case list:
		for _, e := range v {
			indent(b, depth)
			b.WriteString("- ")
			yamlItem(b, e, depth)
		}
	case fields:
		for _, m := range v {
			indent(b, depth)
			yamlMember(b, m, depth)
		}
	default:
		b.WriteString(inline(n) + "\n")
	}
}

// yamlItem writes an element behind its dash.
func yamlItem(b *bytes.Buffer, n node, depth int) {
	if f, ok := n.(fields); ok && len(f) > 0 {
		for i, m := range f {
			if i > 0 {
				indent(b, depth+1)
			}
			yamlMember(b, m, depth+1)
		}
		return
	}
	b.WriteString(inline(n) + "\n")
}

func yamlMember(b *bytes.Buffer, m member, depth int) {
	b.WriteString(word(m.name) + ":")
	if v, ok := m.value.(fields); ok && len(v) > 0 {
		b.WriteByte('\n')
		yamlNode(b, v, depth+1)
		return
	}
	if v, ok := m.value.(list); ok && len(v) > 0 {
		b.WriteByte('\n')
		yamlNode(b, v, depth+1)
		return
	}
	b.WriteString(" " + inline(m.value) + "\n")
}

func indent(b *bytes.Buffer, depth int) { b.WriteString(strings.Repeat("  ", depth)) }

// inline writes a value that needs no lines of its own; a list in a list, which
// no message has, is written in flow style.
func inline(n node) string {
	switch v := n.(type) {
	case literal:
		return string(v)
	case string:
		return word(v)
	case list:
		var parts []string
		for _, e := range v {
			parts = append(parts, inline(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case fields:
		var parts []string
		for _, m := range v {
			parts = append(parts, word(m.name)+": "+inline(m.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return ""
}

// plain are the words that YAML reads as text without quotes.
var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// taken are plain words that some reader of YAML takes for something else.
var taken = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"}

func word(s string) string {
	if plain.MatchString(s) && !slices.Contains(taken, strings.ToLower(s)) {
		return s
	}
	return quoted(s)
}

// quoted is a text in double quotes, the same in JSON and in YAML.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return strconv.Quote(s) // cannot be: a string encodes
	}
	return escapeUnprintable(strings.TrimSuffix(b.String(), "\n"))
}

// escapeUnprintable escapes what JSON may hold as it is and YAML may not.
func escapeUnprintable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == 0x7f, r >= 0x80 && r < 0xa0, r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
