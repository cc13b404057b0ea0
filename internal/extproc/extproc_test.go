package extproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	procv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func Example() {
	p := Process{Request: func(h Head) (c Changes) {
		c.Set("x-was", strings.Join(h.Values("x"), "+"))
		return c
	}}
	c := p.Request(Head{{"x", "1"}, {"X", "2"}})
	fmt.Println(c.response().GetHeaderMutation().GetSetHeaders()[0].GetHeader().GetKey(), Config("cluster", p).GetProcessingMode().GetResponseHeaderMode())
	// Output: x-was SKIP
}

// What is done with one name, in whatever order, is one fate of it.
func TestChanges(t *testing.T) {
	var c Changes
	c.Set("set", "1")
	c.Set("set", "2")
	c.Append("append", "1")
	c.Append("append", "")
	c.Remove("remove")
	c.Append("back", "old")
	c.Remove("back")
	c.Append("back", "new")
	c.Append("back", "newer")
	c.Set("gone", "1")
	c.Remove("gone")
	c.ClearRoute = true
	r := c.response()
	var got []string
	for _, h := range r.GetHeaderMutation().GetSetHeaders() {
		got = append(got, fmt.Sprintf("%s=%s %v", h.GetHeader().GetKey(), h.GetHeader().GetRawValue(), h.GetAppendAction() == corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD))
	}
	want := "set=2 false, append=1 true, append= true, back=new false, back=newer true"
	if joined := strings.Join(got, ", "); joined != want || fmt.Sprint(r.GetHeaderMutation().GetRemoveHeaders()) != "[remove gone]" || !r.GetClearRouteCache() {
		t.Errorf("%s\n%v", joined, r)
	}
	if r := new(Changes).response(); r.GetHeaderMutation() != nil || r.GetClearRouteCache() {
		t.Errorf("nothing: %v", r)
	}
}

// One stream has both heads of a request; what the service does not take is an
// error.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, Process{Request: func(h Head) (c Changes) {
			c.Set("x-path", h.Values(":path")[0])
			return c
		}})
	}()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := procv3.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(q *procv3.ProcessingRequest) (*procv3.ProcessingResponse, error) {
		if err := stream.Send(q); err != nil {
			t.Fatal(err)
		}
		return stream.Recv()
	}
	head := &procv3.HttpHeaders{Headers: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: ":path", RawValue: []byte("/a")}}}}
	a, err := ask(&procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_RequestHeaders{RequestHeaders: head}})
	if err != nil || string(a.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()[0].GetHeader().GetRawValue()) != "/a" {
		t.Fatalf("%v, %v", a, err)
	}
	a, err = ask(&procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_ResponseHeaders{ResponseHeaders: head}})
	if err != nil || a.GetResponseHeaders() == nil || a.GetResponseHeaders().GetResponse().GetHeaderMutation() != nil {
		t.Fatalf("%v, %v", a, err)
	}
	if _, err := ask(&procv3.ProcessingRequest{Request: &procv3.ProcessingRequest_RequestBody{RequestBody: &procv3.HttpBody{}}}); status.Code(err) != codes.Unimplemented {
		t.Errorf("a body: %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	m := Config("asked", Process{Response: func(Head) (none Changes) { return none }})
	if m.GetGrpcService().GetEnvoyGrpc().GetClusterName() != "asked" || m.GetProcessingMode().GetRequestHeaderMode() != filterv3.ProcessingMode_SKIP ||
		m.GetProcessingMode().GetResponseHeaderMode() != filterv3.ProcessingMode_SEND || m.GetFailureModeAllow() {
		t.Error(m)
	}
}
