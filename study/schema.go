package study

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Known are the names that a schema offers where a study names something that
// is built in. Without names any is taken.
type Known struct {
	Workloads, Functions, DataPlanes, Testbeds, Generators []string
}

// Schema writes the JSON Schema (2020-12) of study files. It is made of the
// types that Parse decodes into, so a field that they have is in it. It knows
// fields, words, units and bounds; what one field says of another (that a
// baseline stands above its treatment) only Parse knows.
func Schema(k Known) ([]byte, error) {
	m := &schemaMaker{known: k, defs: map[string]*schema{}, used: map[string]bool{}}
	root, err := m.object(reflect.TypeFor[Study]())
	if err != nil {
		return nil, fmt.Errorf("make the schema of %s: %w", Format, err)
	}
	for name := range fieldNotes {
		if !m.used[name] {
			return nil, fmt.Errorf("make the schema of %s: %s is described, and there is no such field", Format, name)
		}
	}
	root.Dialect, root.Title = "https://json-schema.org/draft/2020-12/schema", "A study of tare, "+Format
	root.Defs = m.defs
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make the schema of %s: %w", Format, err)
	}
	return append(text, '\n'), nil
}

// schema is the part of JSON Schema that is needed here.
type schema struct {
	Dialect     string     `json:"$schema,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Ref         string     `json:"$ref,omitempty"`
	Type        string     `json:"type,omitempty"`
	Const       string     `json:"const,omitempty"`
	Enum        []string   `json:"enum,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Minimum     *float64   `json:"minimum,omitempty"`
	Maximum     *float64   `json:"maximum,omitempty"`
	MinItems    int        `json:"minItems,omitempty"`
	Items       *schema    `json:"items,omitempty"`
	AnyOf       []*schema  `json:"anyOf,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	// Patterns are properties by a pattern of their names.
	Patterns   properties         `json:"patternProperties,omitempty"`
	Required   []string           `json:"required,omitempty"`
	Additional *bool              `json:"additionalProperties,omitempty"`
	Defs       map[string]*schema `json:"$defs,omitempty"`
}

// properties are written in the order of the fields.
type properties []property

type property struct {
	name   string
	schema *schema
}

func (ps properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.schema)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// The patterns of quantities. They are what the units' own UnmarshalText
// reads, but for spellings that nobody writes.
const (
	number           = `(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?`
	ratePattern      = `^` + number + `/(s|min)$`
	percentPattern   = `^` + number + `%$`
	timePattern      = `((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+`
	durationPattern  = `^` + timePattern + `$`
	objectivePattern = `^` + oneCondition + `( *, *` + oneCondition + `)*$`
	oneCondition     = `(p` + plain + ` *< *` + timePattern + `|errors *< *` + number + `%)`
	plain            = `\d+(\.\d*)?`
	marginPattern    = `^(` + number + `%|` + timePattern + `)$`
)

// quantities are the types that text becomes, by the name of their definition.
var quantities = map[reflect.Type]struct {
	name string
	schema
}{
	reflect.TypeFor[Rate]():          {"rate", schema{Type: "string", Pattern: ratePattern, Description: "requests per second or minute: 500/s, 30/min"}},
	reflect.TypeFor[Percent]():       {"percent", schema{Type: "string", Pattern: percentPattern, Description: "a share: 20%"}},
	reflect.TypeFor[time.Duration](): {"duration", schema{Type: "string", Pattern: durationPattern, Description: "a time with its unit: 700ms, 1m30s"}},
	reflect.TypeFor[Margin]():        {"margin", schema{Type: "string", Pattern: marginPattern, Description: "a share of the baseline or a time: 2%, 5us"}},
	reflect.TypeFor[Level]():         {"level", schema{AnyOf: []*schema{{Const: ClosedLevel}, {Type: "string", Pattern: ratePattern}}, Description: "a rate for each treatment, or closed: as much as it answers"}},
	reflect.TypeFor[Objective]():     {"objective", schema{Type: "string", Pattern: objectivePattern, Description: "conditions that all must hold: p99<5ms,errors<0.1%"}},
	reflect.TypeFor[Form]():          {"form", schema{Enum: words(Forms()), Description: "a way to realise a function"}},
	reflect.TypeFor[Site]():          {"site", schema{Enum: words(Sites()), Description: "where on the path a function runs"}},
	reflect.TypeFor[Control]():       {"control", schema{Enum: words(Controls()), Description: "a treatment that belongs to the apparatus of comparison"}},
	reflect.TypeFor[Factors]():       {"factors", factorSchema(factorKinds(), "names of factors, each with a list of levels", func(level *schema) *schema { return &schema{Type: "array", Items: level, MinItems: 2} })},
	reflect.TypeFor[Settings]():      {"settings", factorSchema(settable(), "a factor with a level", func(level *schema) *schema { return level })},
	reflect.TypeFor[Headers]():       {"headers", headersSchema()},
	reflect.TypeFor[Params]():        {"params", schema{Type: "object", Description: "parameters that only their owner knows"}},
}

// factorSchema has a property for each factor, of what is made of a level.
func factorSchema(kinds []factorKind, about string, of func(level *schema) *schema) schema {
	closed := false
	o := schema{Type: "object", Description: about, Additional: &closed}
	for _, k := range kinds {
		if k.single {
			continue
		}
		v := of(&schema{AnyOf: []*schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}})
		v.Description = k.doc
		if strings.HasSuffix(k.name, ".") {
			o.Patterns = append(o.Patterns, property{"^" + strings.ReplaceAll(k.name, ".", `\.`) + parameterPattern + "$", v})
		} else {
			o.Properties = append(o.Properties, property{k.name, v})
		}
	}
	return o
}

// settable are the kinds of factors that a treatment can set.
func settable() []factorKind {
	return slices.DeleteFunc(factorKinds(), func(k factorKind) bool { return k.field != "" })
}

func words[T ~string](all []T) []string {
	ws := make([]string, len(all))
	for i, w := range all {
		ws[i] = string(w)
	}
	return ws
}

type schemaMaker struct {
	known Known
	defs  map[string]*schema
	used  map[string]bool // notes
}

// of makes the schema of a type; what has a name is a reference to it.
func (m *schemaMaker) of(t reflect.Type) (*schema, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if q, ok := quantities[t]; ok {
		m.defs[q.name] = &q.schema
		return &schema{Ref: "#/$defs/" + q.name}, nil
	}
	if t == reflect.TypeFor[Planes]() {
		one := m.word(m.known.DataPlanes)
		return &schema{AnyOf: []*schema{one, {Type: "array", Items: one, MinItems: 1}}}, nil
	}
	if p := reflect.PointerTo(t); p.Implements(nodeType) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil, fmt.Errorf("type %v reads its own text, and nothing says how it is written", t)
	}
	switch t.Kind() {
	case reflect.String:
		return &schema{Type: "string"}, nil
	case reflect.Bool:
		return &schema{Type: "boolean"}, nil
	case reflect.Int:
		return &schema{Type: "integer"}, nil
	case reflect.Float64:
		return &schema{Type: "number"}, nil
	case reflect.Slice:
		items, err := m.of(t.Elem())
		return &schema{Type: "array", Items: items}, err
	case reflect.Struct:
		return m.definition(t)
	}
	return nil, fmt.Errorf("type %v is of no kind that a study file holds", t)
}

func (m *schemaMaker) definition(t reflect.Type) (*schema, error) {
	name := strings.ToLower(t.Name())
	if m.defs[name] == nil {
		m.defs[name] = &schema{} // for a type that holds itself
		o, err := m.object(t)
		if err != nil {
			return nil, err
		}
		m.defs[name] = o
	}
	return &schema{Ref: "#/$defs/" + name}, nil
}

func (m *schemaMaker) object(t reflect.Type) (*schema, error) {
	closed := false
	o := &schema{Type: "object", Additional: &closed}
	for _, f := range fieldsOf(t) {
		key := t.Name() + "." + f.name
		n, described := fieldNotes[key]
		if !described {
			return nil, fmt.Errorf("field %s is not described", key)
		}
		m.used[key] = true
		s, err := m.of(f.typ)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", key, err)
		}
		if n.names != nil {
			s = m.named(s, n.names(m.known))
		}
		s.Description = n.about
		if n.bounded {
			s.Minimum, s.Maximum = &n.least, &n.most
		}
		if n.pattern != "" {
			s.Pattern = n.pattern
		}
		s.MinItems = max(s.MinItems, n.items)
		if n.needed {
			o.Required = append(o.Required, f.name)
		}
		o.Properties = append(o.Properties, property{f.name, s})
	}
	return o, nil
}

// named narrows a field to some names: a Part by that of its own name.
func (m *schemaMaker) named(s *schema, names []string) *schema {
	switch {
	case s.Type == "array":
		s.Items = m.word(names)
		return s
	case s.Ref == "":
		return m.word(names)
	}
	if len(names) > 0 {
		s.Properties = properties{{"name", m.word(names)}}
	}
	return s
}

// word is one of some names, or any where none are known.
func (m *schemaMaker) word(names []string) *schema {
	if len(names) == 0 {
		return &schema{Type: "string"}
	}
	return &schema{Enum: slices.Clone(names)}
}
