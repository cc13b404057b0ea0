package extauthz_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taremesh/tare/function/extauthz"
	"github.com/taremesh/tare/study"
)

// The service, asked as a proxy asks it.
func Example() {
	fn := extauthz.Function()
	params, err := study.JSONParams("example", []byte(`{"rules": [{"prefix": "/open/", "answer": "allow"},
		{"prefix": "/", "answer": "deny", "status": 401, "body": "who are you?"}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	spec, err := fn.Decode(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error)
	go func() { done <- fn.External.Serve(ctx, spec, l) }()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/open/a", "/a"} {
		answer, err := authv3.NewAuthorizationClient(conn).Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: path}}}})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %t %q\n", path, answer.GetStatus().GetCode() == 0, answer.GetDeniedResponse().GetBody())
	}
	conn.Close()
	cancel()
	fmt.Println(errors.Is(<-done, context.Canceled))
	// Output:
	// /open/a true ""
	// /a false "who are you?"
	// true
}
