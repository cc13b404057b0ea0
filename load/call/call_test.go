package call_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/call"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	health1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// serve is a server of gRPC's health service, and of what is registered.
func serve(tb testing.TB, register func(*grpc.Server)) load.Target {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := grpc.NewServer()
	health1.RegisterHealthServer(s, health.NewServer())
	register(s)
	go func() { _ = s.Serve(l) }()
	tb.Cleanup(s.Stop)
	return load.Target{Name: "health", Addr: l.Addr().String(), Protocol: load.GRPC}
}

const path = "/grpc.health.v1.Health/Check"

func check(t *testing.T, m call.Method) {
	t.Helper()
	got, err := m.Message([]byte(`{"service": "shop"}`))
	want, _ := proto.Marshal(&health1.HealthCheckRequest{Service: "shop"})
	if err != nil || string(got) != string(want) {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
	if _, err := m.Message([]byte(`{"shop": 1}`)); err == nil || !strings.Contains(err.Error(), "HealthCheckRequest") {
		t.Errorf("a field that it does not have: %v", err)
	}
}

func TestFromServer(t *testing.T) {
	for name, register := range map[string]func(*grpc.Server){
		"both":    func(s *grpc.Server) { reflection.Register(s) },
		"v1":      func(s *grpc.Server) { reflection.RegisterV1(s) },
		"v1alpha": registerAlpha,
	} {
		t.Run(name, func(t *testing.T) {
			target := serve(t, register)
			m, err := call.FromServer(context.Background(), target, path)
			if err != nil {
				t.Fatal(err)
			}
			if check(t, m); m.ClientStream || m.ServerStream {
				t.Errorf("%+v", m)
			}
			watch, err := call.FromServer(context.Background(), target, "/grpc.health.v1.Health/Watch")
			if err != nil || watch.ClientStream || !watch.ServerStream {
				t.Errorf("%+v, %v", watch, err)
			}
			for path, want := range map[string]string{
				"/grpc.health.v1.Health/Chek": "it has Check", "/grpc.health.v1.Sick/Check": "Sick", "/x": "no /package.Service/Method",
				"/grpc.health.v1.HealthCheckRequest/Check": "no service",
			} {
				if _, err := call.FromServer(context.Background(), target, path); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q in it", path, err, want)
				}
			}
		})
	}
}

// registerAlpha is a server of before reflection's first version.
func registerAlpha(s *grpc.Server) {
	reflection.Register(alphaOnly{s})
}

// alphaOnly leaves the first version out.
type alphaOnly struct{ *grpc.Server }

func (a alphaOnly) RegisterService(d *grpc.ServiceDesc, implementation any) {
	if d.ServiceName != "grpc.reflection.v1.ServerReflection" {
		a.Server.RegisterService(d, implementation)
	}
}

func TestServerWithoutReflection(t *testing.T) {
	target := serve(t, func(*grpc.Server) {})
	if _, err := call.FromServer(context.Background(), target, path); err == nil || !strings.Contains(err.Error(), "no reflection") || !strings.Contains(err.Error(), target.Addr) {
		t.Errorf("%v", err)
	}
}

func descriptors(tb testing.TB) string {
	tb.Helper()
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(health1.File_grpc_health_v1_health_proto)}}
	raw, err := proto.Marshal(set)
	if err != nil {
		tb.Fatal(err)
	}
	file := filepath.Join(tb.TempDir(), "health.pb")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func TestFromFile(t *testing.T) {
	m, err := call.FromFile(descriptors(t), path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, m)
	source := filepath.Join(t.TempDir(), "health.proto")
	if err := os.WriteFile(source, []byte(`syntax = "proto3";`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{source, "/nowhere"} {
		if _, err := call.FromFile(file, path); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"service": "shop"}`))
	f.Add([]byte(`{"service": null}`))
	m, err := call.FromFile(descriptors(f), path)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, json []byte) {
		b, err := m.Message(json)
		if err == nil && proto.Unmarshal(b, &health1.HealthCheckRequest{}) != nil {
			t.Errorf("%q gives %x, which is no message", json, b)
		}
	})
}

func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer()
	health1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	target, request, err := load.ParseTarget("grpc://" + l.Addr().String() + "/grpc.health.v1.Health/Check")
	if err != nil {
		fmt.Println(err)
		return
	}
	method, err := call.FromServer(context.Background(), target, request.Path)
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Content, err = method.Message([]byte(`{"service": "shop"}`))
	fmt.Printf("%q %v\n", request.Content, err)
	// Output: "\n\x04shop" <nil>
}
