package atlas

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

// Parameter is one field of a function's parameters.
type Parameter struct {
	Name    string `json:"name"` // with its path: rules[].prefix
	Type    string `json:"type"`
	Default string `json:"default,omitempty"` // as JSON
	Needed  bool   `json:"needed,omitempty"`  // the function refuses to be without it
	Doc     string `json:"doc,omitempty"`
}

// Source is what the source says of one package: its comment, and those of the
// fields of its types, as TYPE.FIELD.
type Source struct {
	Doc    string            `json:"doc"`
	Fields map[string]string `json:"fields,omitempty"`
}

// Sources are those of packages by their path below the module.
type Sources map[string]Source

const module = "github.com/taremesh/tare/"

func (s Sources) of(t reflect.Type) Source { return s[strings.TrimPrefix(t.PkgPath(), module)] }

// Parameters lists what the function can be told. One that works only with
// parameters, and has no example of them, cannot be asked: that is an error.
func Parameters(f function.Function, s Sources) ([]Parameter, error) {
	spec, err := example(f)
	if err != nil {
		return nil, err
	}
	t := typeOf(spec)
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("list the parameters of %s: %v is no struct", f.Name, t)
	}
	ps := s.fields(t, "", 0)
	for i, p := range ps {
		if !strings.ContainsAny(p.Name, ".[") {
			ps[i].Default, ps[i].Needed = without(f, p.Name)
		}
	}
	return ps, nil
}

func typeOf(spec function.Spec) reflect.Type {
	t := reflect.TypeOf(spec)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// example decodes the function's example.
func example(f function.Function) (function.Spec, error) {
	text := f.Example
	if text == "" {
		text = "{}"
	}
	params, err := study.JSONParams("example of "+f.Name, []byte(text))
	if err != nil {
		return nil, err
	}
	spec, err := f.Decode(params)
	if err != nil {
		return nil, fmt.Errorf("decode the example of %s: %w", f.Name, err)
	}
	return spec, nil
}

// without is the value of a parameter that the function fills in where its
// example has it not; or whether the function refuses that.
func without(f function.Function, name string) (value string, needed bool) {
	given := map[string]json.RawMessage{}
	if f.Example != "" && json.Unmarshal([]byte(f.Example), &given) != nil {
		return "", false
	}
	delete(given, name)
	text, err := json.Marshal(given)
	if err != nil {
		return "", false
	}
	f.Example = string(text)
	spec, err := example(f)
	if err != nil {
		return "", true
	}
	text, err = json.Marshal(spec)
	fields := map[string]json.RawMessage{}
	if err != nil || json.Unmarshal(text, &fields) != nil {
		return "", false
	}
	switch v := string(fields[name]); v {
	case "", "null", `""`, "0", "false", "[]", "{}":
		return "", false
	default:
		var out bytes.Buffer
		if json.Compact(&out, fields[name]) != nil {
			return v, false
		}
		return out.String(), false
	}
}

// deepest is how many levels of parameters are listed.
const deepest = 5

func (s Sources) fields(t reflect.Type, prefix string, depth int) []Parameter {
	var all []Parameter
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case options == "inline" && field.Type.Kind() == reflect.Struct:
			all = append(all, s.fields(field.Type, prefix, depth)...)
			continue
		case !field.IsExported() || name == "-":
			continue
		case name == "":
			name = strings.ToLower(field.Name)
		}
		all = append(all, Parameter{Name: prefix + name, Type: typeWord(field.Type), Doc: s.of(t).Fields[t.Name()+"."+field.Name]})
		if inner, path := within(field.Type); inner != nil && depth < deepest {
			all = append(all, s.fields(inner, prefix+name+path+".", depth+1)...)
		}
	}
	return all
}

// within is the struct whose fields a value of the type has, and how its path
// goes on; nil: it has none.
func within(t reflect.Type) (inner reflect.Type, path string) {
	for !scalar(t) {
		switch t.Kind() {
		case reflect.Pointer:
			t = t.Elem()
		case reflect.Slice:
			t, path = t.Elem(), path+"[]"
		case reflect.Map:
			t, path = t.Elem(), path+".NAME"
		case reflect.Struct:
			return t, path
		default:
			return nil, ""
		}
	}
	return nil, ""
}

// scalar reports whether the type is written as one word.
func scalar(t reflect.Type) bool {
	if t == reflect.TypeFor[time.Duration]() {
		return true
	}
	text := reflect.TypeFor[encoding.TextUnmarshaler]()
	if t.Implements(text) || reflect.PointerTo(t).Implements(text) {
		return true
	}
	for _, method := range []string{"UnmarshalYAML", "UnmarshalJSON"} {
		if _, own := reflect.PointerTo(t).MethodByName(method); own {
			return true
		}
	}
	return false
}

// typeWord is what people call the type.
func typeWord(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "duration"
	}
	if scalar(t) {
		return strings.ToLower(t.Name())
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWord(t.Elem())
	case reflect.Slice:
		return "list of " + typeWord(t.Elem())
	case reflect.Map:
		return "mapping to " + typeWord(t.Elem())
	case reflect.Struct:
		return "mapping"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "whole number"
	}
	return t.String()
}
