package call

import (
	"context"
	"errors"
	"fmt"

	"github.com/taremesh/tare/load"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The methods of reflection, the newest first. Both speak the same messages.
var reflections = []string{
	reflection.ServerReflection_ServerReflectionInfo_FullMethodName,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

// maxFiles bounds what a server may say of itself.
const maxFiles = 10_000

// FromServer asks a target what a method takes, given as a call's path.
func FromServer(ctx context.Context, t load.Target, path string) (Method, error) {
	m, err := fromServer(ctx, t, path)
	if err != nil {
		return Method{}, fmt.Errorf("ask %s for %s by reflection: %w", t.Addr, path, err)
	}
	return m, nil
}

func fromServer(ctx context.Context, t load.Target, path string) (Method, error) {
	service, _, err := split(path)
	if err != nil {
		return Method{}, err
	}
	secured, err := t.Security()
	if err != nil {
		return Method{}, err
	}
	how := insecure.NewCredentials()
	if secured != nil {
		how = credentials.NewTLS(secured)
	}
	options := []grpc.DialOption{grpc.WithTransportCredentials(how)}
	if t.Host != "" {
		options = append(options, grpc.WithAuthority(t.Host))
	}
	conn, err := grpc.NewClient("passthrough:///"+t.Addr, options...)
	if err != nil {
		return Method{}, err
	}
	defer conn.Close()
	for _, method := range reflections {
		set, err := ask(ctx, conn, method, service)
		if status.Code(err) == codes.Unimplemented {
			continue
		}
		if err != nil {
			return Method{}, err
		}
		return find(set, path)
	}
	return Method{}, errors.New("the server has no reflection: give a file of descriptors")
}

// asker asks one server, file by file.
type asker struct {
	stream grpc.BidiStreamingClient[reflection.ServerReflectionRequest, reflection.ServerReflectionResponse]
	files  map[string]*descriptorpb.FileDescriptorProto
}

// ask returns the descriptors of a service and of all that they need.
func ask(ctx context.Context, conn *grpc.ClientConn, method, service string) (*descriptorpb.FileDescriptorSet, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	raw, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return nil, err
	}
	a := &asker{
		stream: &grpc.GenericClientStream[reflection.ServerReflectionRequest, reflection.ServerReflectionResponse]{ClientStream: raw},
		files:  map[string]*descriptorpb.FileDescriptorProto{},
	}
	if err := a.take(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}}); err != nil {
		return nil, err
	}
	for missing := a.missing(); missing != ""; missing = a.missing() {
		if err := a.take(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileByFilename{FileByFilename: missing}}); err != nil {
			return nil, err
		}
		if a.files[missing] == nil {
			return nil, fmt.Errorf("the server does not say what is in %s", missing)
		}
	}
	var set descriptorpb.FileDescriptorSet
	for _, file := range a.files {
		set.File = append(set.File, file)
	}
	return &set, nil
}

func (a *asker) take(q *reflection.ServerReflectionRequest) error {
	if err := a.stream.Send(q); err != nil {
		// The stream's end says why.
		if _, ended := a.stream.Recv(); ended != nil {
			return ended
		}
		return err
	}
	answer, err := a.stream.Recv()
	if err != nil {
		return err
	}
	if said := answer.GetErrorResponse(); said != nil {
		return fmt.Errorf("it answers: %s", said.GetErrorMessage())
	}
	for _, raw := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		var file descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(raw, &file); err != nil {
			return fmt.Errorf("read a descriptor: %w", err)
		}
		if a.files[file.GetName()] = &file; len(a.files) > maxFiles {
			return fmt.Errorf("more than %d files of descriptors", maxFiles)
		}
	}
	return nil
}

// missing is a file that another one needs, or empty.
func (a *asker) missing() string {
	for _, file := range a.files {
		for _, needed := range file.GetDependency() {
			if a.files[needed] == nil {
				return needed
			}
		}
	}
	return ""
}
