package ratelimitglobal_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taremesh/tare/function/ratelimitglobal"
	"github.com/taremesh/tare/study"
)

// The service, asked as two proxies ask it.
func Example() {
	fn := ratelimitglobal.Function()
	params, err := study.JSONParams("example", []byte(`{"limits": {"Personal": "2/h"}, "paths": ["/pull"]}`))
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
	ask := func(proxy string) {
		conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close()
		answer, err := rlsv3.NewRateLimitServiceClient(conn).ShouldRateLimit(ctx, &rlsv3.RateLimitRequest{Domain: "tare",
			Descriptors: []*commonv3.RateLimitDescriptor{{Entries: []*commonv3.RateLimitDescriptor_Entry{
				{Key: "path", Value: "/pull"}, {Key: "subscription", Value: "Personal"}, {Key: "user", Value: "ann"}}}}})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(proxy, answer.GetOverallCode())
	}
	ask("first")
	ask("second")
	ask("first")
	cancel()
	fmt.Println(errors.Is(<-done, context.Canceled))
	// Output:
	// first OK
	// second OK
	// first OVER_LIMIT
	// true
}
