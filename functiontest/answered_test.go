package functiontest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
)

// calling is an application that calls by gRPC, behind a form of a client.
func (f grpcForm) calling(spec function.Spec, replicas []string, w way) (func(http.RoundTripper) http.RoundTripper, error) {
	c := &carrier{way: w}
	var conns []grpc.ClientConnInterface
	for _, addr := range replicas {
		conn, stop, err := bridged(addr)
		if err != nil {
			return nil, err
		}
		conns, c.closed = append(conns, conn), append(c.closed, stop)
	}
	form, err := f.client(spec, replicas, conns)
	if err != nil {
		return nil, err
	}
	if end, ok := form.(io.Closer); ok {
		c.closed = append([]func(){func() { end.Close() }}, c.closed...)
	}
	c.conn = form
	return func(http.RoundTripper) http.RoundTripper { return c }, nil
}

// answering is an application that is called by gRPC, behind a form of a server.
func (f grpcForm) answering(spec function.Spec, way way) (func(http.Handler) http.Handler, func(), error) {
	form, err := f.server(spec)
	if err != nil {
		return nil, nil, err
	}
	var stands map[codes.Code]int
	if f.stands != nil {
		stands = f.stands(spec)
	}
	s := &answering{}
	// The interceptors are told the request's path as the full method: grpc.Server
	// takes none with a single slash.
	server := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			return form.Unary(called(ctx), req, &grpc.UnaryServerInfo{Server: info.Server, FullMethod: said(ctx, targetHeader)}, handle)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			ctx := ss.Context()
			return form.Stream(srv, calledStream{ss, called(ctx)}, &grpc.StreamServerInfo{FullMethod: said(ctx, targetHeader), IsClientStream: true, IsServerStream: true}, handle)
		}),
	)
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "tare.Trial", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: string(call), Handler: s.unary}},
		Streams: []grpc.StreamDesc{{StreamName: string(streamed), Handler: s.stream, ClientStreams: true, ServerStreams: true}},
	}, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	callers := &callers{to: l.Addr().String(), by: map[string]*grpc.ClientConn{}}
	var wait sync.WaitGroup
	wait.Go(func() { _ = server.Serve(l) }) // until Stop
	stop := func() {
		callers.close()
		server.Stop()
		wait.Wait()
		if end, ok := form.(io.Closer); ok {
			end.Close()
		}
	}
	return func(next http.Handler) http.Handler {
		s.next = next
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			who, _ := function.CallerFrom(r.Context())
			for name, value := range map[string]string{function.UserHeader: who.User, function.SubscriptionHeader: who.Subscription} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			var resp *http.Response
			conn, err := callers.from(r.RemoteAddr)
			if err == nil {
				c := &carrier{conn: conn, way: way, stands: stands}
				resp, err = c.carry(r, "/tare.Trial/"+string(way))
			}
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			for name, values := range resp.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body) // a client that is gone shows elsewhere
		})
	}, stop, nil
}

// callers are connections to a server, each from the address of a client.
type callers struct {
	to string
	mu sync.Mutex
	by map[string]*grpc.ClientConn
}

func (c *callers) from(client string) (*grpc.ClientConn, error) {
	host, _, err := net.SplitHostPort(client)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.by[host]; conn != nil {
		return conn, nil
	}
	dialer := &net.Dialer{}
	if ip := net.ParseIP(host); ip.IsLoopback() { // those of requests in memory are not
		dialer.LocalAddr = &net.TCPAddr{IP: ip}
	}
	conn, err := grpc.NewClient("passthrough:///"+c.to, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }))
	if err == nil {
		c.by[host] = conn
	}
	return conn, err
}

func (c *callers) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.by {
		conn.Close()
	}
}

// answering answers calls by a handler of net/http.
type answering struct{ next http.Handler }

// said is the metadata that came with a call.
func said(ctx context.Context, name string) string {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// called is the call's context with its caller, as an application has it.
func called(ctx context.Context) context.Context {
	return function.WithCaller(ctx, function.Caller{User: said(ctx, function.UserHeader), Subscription: said(ctx, function.SubscriptionHeader)})
}

type calledStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s calledStream) Context() context.Context { return s.ctx }

func (s *answering) unary(_ any, ctx context.Context, decode func(any) error, through grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.BytesValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	return through(ctx, in, &grpc.UnaryServerInfo{Server: s}, func(ctx context.Context, req any) (any, error) {
		m, ok := req.(*wrapperspb.BytesValue)
		if !ok {
			return nil, status.Errorf(codes.Internal, "the message is a %T", req)
		}
		head, answer, err := s.answer(ctx, m.GetValue())
		if err != nil {
			return nil, err
		}
		return wrapperspb.Bytes(answer), grpc.SetHeader(ctx, head)
	})
}

func (s *answering) stream(_ any, ss grpc.ServerStream) error {
	var body []byte
	for {
		m := new(wrapperspb.BytesValue)
		if err := ss.RecvMsg(m); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return err
		}
		body = append(body, m.GetValue()...)
	}
	head, answer, err := s.answer(ss.Context(), body)
	if err != nil {
		return err
	}
	if err := ss.SetHeader(head); err != nil {
		return err
	}
	for _, part := range [][]byte{answer[:len(answer)/2], answer[len(answer)/2:]} {
		if err := ss.SendMsg(wrapperspb.Bytes(part)); err != nil {
			return err
		}
	}
	return nil
}

func (s *answering) answer(ctx context.Context, body []byte) (metadata.MD, []byte, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	target := said(ctx, targetHeader)
	r, err := http.NewRequestWithContext(ctx, said(ctx, verbHeader), "http://service"+target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header, r.Host, r.RequestURI = plain(md), said(ctx, ":authority"), target
	w := httptest.NewRecorder()
	s.next.ServeHTTP(w, r)
	head := carried(w.Result().Header)
	head.Set(statusHeader, strconv.Itoa(w.Code))
	return head, w.Body.Bytes(), nil
}
