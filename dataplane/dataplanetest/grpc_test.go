package dataplanetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/taremesh/tare/function/mtls"
)

// calls is a gRPC service that answers by what it is asked.
type calls struct {
	pb.UnimplementedTestServiceServer
}

func (calls) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	in, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", fmt.Sprint(in.Get("x-in"))))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "1", "x-tail-bin", "\x00\xff"))
	if s := r.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	return &pb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (calls) StreamingOutputCall(r *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
	for _, p := range r.GetResponseParameters() {
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	s.SetTrailer(metadata.Pairs("x-tail", "2"))
	return status.Error(codes.DataLoss, "all sent, and a fault: ä%")
}

func (calls) StreamingInputCall(s pb.TestService_StreamingInputCallServer) error {
	size := 0
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(size)})
		}
		if err != nil {
			return err
		}
		size += len(r.GetPayload().GetBody())
	}
}

// FullDuplexCall answers each message before it takes the next one, and ends at
// an empty one although the client has not.
func (calls) FullDuplexCall(s pb.TestService_FullDuplexCallServer) error {
	for {
		r, err := s.Recv()
		if err != nil {
			return err
		}
		body := r.GetPayload().GetBody()
		if len(body) == 0 {
			return status.Error(codes.Aborted, "enough")
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: append([]byte("got "), body...)}}); err != nil {
			return err
		}
	}
}

// serveCalls starts the service.
func serveCalls(t *testing.T, o ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(o...)
	pb.RegisterTestServiceServer(s, calls{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // until Stop
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().String()
}

// told is an error as lines.
func told(err error) string {
	s := status.Convert(err)
	return fmt.Sprintf("%v %q", s.Code(), s.Message())
}

// callAll makes every kind of call, and returns what the client saw.
func callAll(t *testing.T, addr string, creds credentials.TransportCredentials) (lines []string) {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := pb.NewTestServiceClient(cc)
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, size := range []int{0, 10, 100_000} {
		var head, tail metadata.MD
		r, err := c.UnaryCall(metadata.AppendToOutgoingContext(ctx, "x-in", "a", "x-in", "b"),
			&pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, size)}}, grpc.Header(&head), grpc.Trailer(&tail))
		say("unary %d: %d bytes, head %v, tail %v %q, %s", size, len(r.GetPayload().GetBody()), head.Get("x-head"), tail.Get("x-tail"), tail.Get("x-tail-bin"), told(err))
	}
	var tail metadata.MD
	_, err = c.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.NotFound), Message: "ö\n%"}}, grpc.Trailer(&tail))
	say("unary with a fault: tail %v, %s", tail.Get("x-tail"), told(err))
	_, err = c.EmptyCall(ctx, &pb.Empty{})
	say("not there: %s", told(err))
	out, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{{Size: 1}, {Size: 70_000}, {Size: 3}}})
	for err == nil {
		var m *pb.StreamingOutputCallResponse
		if m, err = out.Recv(); err == nil {
			say("stream out: %d bytes", len(m.GetPayload().GetBody()))
		}
	}
	say("stream out: tail %v, %s", out.Trailer().Get("x-tail"), told(err))
	in, err := c.StreamingInputCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 50_000, 3} {
		if err := in.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, size)}}); err != nil {
			say("stream in: %v", err)
		}
	}
	sum, err := in.CloseAndRecv()
	say("stream in: %d bytes, %s", sum.GetAggregatedPayloadSize(), told(err))
	both, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", ""} {
		if err := both.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: []byte(text)}}); err != nil {
			say("both ways: %v", err)
		}
		m, err := both.Recv()
		say("both ways: %q, %s", m.GetPayload().GetBody(), told(err))
	}
	return lines
}

// TestBothCarryGRPC: every kind of call, in clear text and over TLS.
func TestBothCarryGRPC(t *testing.T) {
	t.Parallel()
	listed, both := known(t), planes(t)
	who := newPeople(t)
	inTheClear := callAll(t, serveCalls(t), insecure.NewCredentials())
	for _, c := range []carrier{h2, h2tls} {
		t.Run(c.name, func(t *testing.T) {
			var records [2][]string
			for k, plane := range both {
				var options []grpc.ServerOption
				creds := insecure.NewCredentials()
				if c.tls {
					options = append(options, grpc.Creds(credentials.NewTLS(mtls.ServerTLS(always(who.service), proxyID))))
					creds = credentials.NewTLS(mtls.ClientTLS(always(who.client), proxyID))
				}
				addr := free(t)
				begin(t, plane, between(c, c, who, addr, serveCalls(t, options...)))
				records[k] = callAll(t, addr, creds)
			}
			hold(t, listed, "grpc/"+c.name, records[0], records[1])
			hold(t, nil, "grpc without a proxy/"+c.name, inTheClear, records[1])
		})
	}
}
