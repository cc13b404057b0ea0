// Package protofield refuses what a message says beyond what its reader
// understands.
//
// A reader of a large foreign message, such as Envoy's, honours some of its
// fields. Check walks everything that is set, through nested messages, lists
// and maps, and reports the first field that the reader did not declare, by
// its path; fields that this binary's generated code does not know are refused
// by their number. It does not judge values. Messages of google.protobuf, which
// have no fields of their own interest, count as values.
package protofield

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Honoured is the fields that a reader understands, by message name and then
// field name as in the .proto file.
type Honoured map[protoreflect.FullName][]protoreflect.Name

// Check returns an error that names the first field set in the message that is
// not honoured.
func Check(m proto.Message, honoured Honoured) error {
	return check("", m.ProtoReflect(), honoured)
}

func check(path string, m protoreflect.Message, honoured Honoured) error {
	name := m.Descriptor().FullName()
	if strings.HasPrefix(string(name), "google.protobuf.") {
		return nil
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		number, _, _ := protowire.ConsumeTag(unknown)
		return fmt.Errorf("field %s: not known in message %s", join(path, fmt.Sprintf("#%d", number)), name)
	}
	var err error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		at := join(path, string(f.Name()))
		if !has(honoured[name], f.Name()) {
			err = fmt.Errorf("field %s: not supported", at)
			return false
		}
		err = checkValue(at, f, v, honoured)
		return err == nil
	})
	return err
}

func checkValue(path string, f protoreflect.FieldDescriptor, v protoreflect.Value, honoured Honoured) error {
	switch {
	case f.IsMap():
		if f.MapValue().Message() == nil {
			return nil
		}
		var err error
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			err = check(fmt.Sprintf("%s[%q]", path, k.String()), v.Message(), honoured)
			return err == nil
		})
		return err
	case f.Message() == nil:
		return nil
	case f.IsList():
		for i := range v.List().Len() {
			if err := check(fmt.Sprintf("%s[%d]", path, i), v.List().Get(i).Message(), honoured); err != nil {
				return err
			}
		}
		return nil
	}
	return check(path, v.Message(), honoured)
}

func has(names []protoreflect.Name, name protoreflect.Name) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
