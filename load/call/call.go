package call

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Method is a method of a service.
type Method struct {
	// ClientStream says that a call may send several messages, ServerStream that
	// several may answer it.
	ClientStream, ServerStream bool

	takes protoreflect.MessageDescriptor
	files *protoregistry.Files
}

// FromFile finds a method, given as a call's path (/package.Service/Method), in
// a file of descriptors.
func FromFile(file, path string) (Method, error) {
	m, err := fromFile(file, path)
	if err != nil {
		return Method{}, fmt.Errorf("find %s in %s: %w", path, file, err)
	}
	return m, nil
}

func fromFile(file, path string) (Method, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return Method{}, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(raw, &set); err != nil {
		return Method{}, fmt.Errorf("it is no set of descriptors (protoc --include_imports --descriptor_set_out=FILE makes one): %w", err)
	}
	return find(&set, path)
}

// find looks a method up in a whole set of descriptors.
func find(set *descriptorpb.FileDescriptorSet, path string) (Method, error) {
	service, method, err := split(path)
	if err != nil {
		return Method{}, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return Method{}, fmt.Errorf("the descriptors do not fit together: %w", err)
	}
	found, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return Method{}, fmt.Errorf("there is no service %s", service)
	}
	s, is := found.(protoreflect.ServiceDescriptor)
	if !is {
		return Method{}, fmt.Errorf("%s is no service", service)
	}
	m := s.Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return Method{}, fmt.Errorf("%s has no method %s; it has %s", service, method, names(s))
	}
	return Method{ClientStream: m.IsStreamingClient(), ServerStream: m.IsStreamingServer(), takes: m.Input(), files: files}, nil
}

func names(s protoreflect.ServiceDescriptor) string {
	var all []string
	for i := range s.Methods().Len() {
		all = append(all, string(s.Methods().Get(i).Name()))
	}
	return strings.Join(all, ", ")
}

// split takes a call's path apart.
func split(path string) (service, method string, err error) {
	service, method, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !found || !protoreflect.FullName(service).IsValid() || !protoreflect.Name(method).IsValid() {
		return "", "", errors.New("the path is no /package.Service/Method")
	}
	return service, method, nil
}

// Message is the bytes of the message that JSON stands for.
func (m Method) Message(json []byte) ([]byte, error) {
	message := dynamicpb.NewMessage(m.takes)
	types := dynamicpb.NewTypes(m.files)
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal(json, message); err != nil {
		return nil, fmt.Errorf("read the JSON of a %s: %w", m.takes.FullName(), err)
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode a %s: %w", m.takes.FullName(), err)
	}
	return b, nil
}
