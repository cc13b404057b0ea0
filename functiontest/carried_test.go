package functiontest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// way is how a request goes over gRPC.
type way string

const (
	call     way = "call"
	streamed way = "stream"
)

// What gRPC has no place for goes as metadata of these names.
const (
	verbHeader   = "x-tare-verb"
	targetHeader = "x-tare-target" // where the full method is another
	kindHeader   = "x-tare-content-type"
	statusHeader = "x-tare-status"
)

var twoWays = &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

// carrier turns requests of net/http into calls.
type carrier struct {
	conn   grpc.ClientConnInterface
	way    way
	stands map[codes.Code]int // codes that stand for another status
	closed []func()
}

// Close ends what was started for it.
func (c *carrier) Close() error {
	for _, stop := range c.closed {
		stop()
	}
	return nil
}

// RoundTrip makes the call, and a response of its answer.
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	return c.carry(r, r.URL.RequestURI())
}

func (c *carrier) carry(r *http.Request, method string) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	md := carried(r.Header)
	md.Set(verbHeader, r.Method)
	md.Set(targetHeader, r.URL.RequestURI())
	ctx := metadata.NewOutgoingContext(r.Context(), md)
	head, answer, err := c.exchange(ctx, method, body, grpc.CallAuthority(r.Host))
	resp := &http.Response{ProtoMajor: 1, ProtoMinor: 1, Header: plain(head), StatusCode: http.StatusOK, Request: r}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(answer)), int64(len(answer))
	if n, none := strconv.Atoi(resp.Header.Get(statusHeader)); none == nil {
		resp.StatusCode = n // of the replica, whatever code that is
	} else if err != nil {
		said, known := c.stands[status.Code(err)]
		if !known {
			said, known = refusals[status.Code(err)]
		}
		if !known {
			return nil, err
		}
		text := status.Convert(err).Message()
		resp.StatusCode, resp.Body, resp.ContentLength = said, io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	resp.Header.Del(statusHeader)
	return resp, nil
}

// refusals are the codes of functions, as the statuses that they stand for.
var refusals = map[codes.Code]int{
	codes.InvalidArgument: http.StatusBadRequest, codes.Unauthenticated: http.StatusUnauthorized, codes.PermissionDenied: http.StatusForbidden,
	codes.ResourceExhausted: http.StatusTooManyRequests, codes.DeadlineExceeded: http.StatusGatewayTimeout,
	codes.Unavailable: http.StatusServiceUnavailable, codes.Unknown: http.StatusInternalServerError,
}

// exchange makes a call, or a stream whose client says the body in three parts.
func (c *carrier) exchange(ctx context.Context, method string, body []byte, opts ...grpc.CallOption) (head metadata.MD, answer []byte, err error) {
	if c.way == call {
		reply := new(wrapperspb.BytesValue)
		err := c.conn.Invoke(ctx, method, wrapperspb.Bytes(body), reply, append(opts, grpc.Header(&head))...)
		return head, reply.GetValue(), err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.conn.NewStream(ctx, twoWays, method, opts...)
	if err != nil {
		return nil, nil, err
	}
	third := len(body) / 3
	m := new(wrapperspb.BytesValue)
	for _, part := range [][]byte{body[:third], body[third : 2*third], body[2*third:]} {
		m.Value = part // the message is used again, which who keeps it finds out
		if err := s.SendMsg(m); err != nil {
			break // RecvMsg says why
		}
	}
	if err := s.CloseSend(); err != nil {
		return nil, nil, err
	}
	for {
		err := s.RecvMsg(m)
		if err == nil {
			answer = append(answer, m.GetValue()...)
			continue
		}
		head, _ = s.Header() // whose error is that of RecvMsg
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return head, answer, err
	}
}

// own are the headers that HTTP and gRPC write themselves.
var own = map[string]bool{
	"connection": true, "content-length": true, "date": true, "te": true, "trailer": true, "transfer-encoding": true, "user-agent": true,
	"accept-encoding": true, verbHeader: true, targetHeader: true,
}

// carried are headers as metadata.
func carried(h http.Header) metadata.MD {
	md := metadata.MD{}
	for name, values := range h {
		switch name = strings.ToLower(name); {
		case name == "content-type":
			md[kindHeader] = values
		case !own[name] && !strings.HasPrefix(name, "grpc-"):
			md[name] = values
		}
	}
	return md
}

// plain is metadata as headers.
func plain(md metadata.MD) http.Header {
	h := http.Header{}
	for name, values := range md {
		if name != "content-type" && !own[name] && !strings.HasPrefix(name, "grpc-") && !strings.HasPrefix(name, ":") {
			h[http.CanonicalHeaderKey(name)] = values
		}
	}
	if kind := md.Get(kindHeader); len(kind) > 0 {
		h.Del(kindHeader)
		h["Content-Type"] = kind
	}
	return h
}

// bridged is a connection to a server of gRPC that asks a replica by HTTP. It
// takes any path: grpc.Server takes none with a single slash.
func bridged(addr string) (conn *grpc.ClientConn, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	server := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		head, message, err := ask(transport, addr, q)
		w.Header().Set("content-type", "application/grpc")
		for name, values := range head {
			w.Header()[http.CanonicalHeaderKey(name)] = values
		}
		code := codes.Unavailable
		if err == nil {
			code = failures[head.Get(statusHeader)[0]] // OK for all others
			if _, err := w.Write(message); err != nil {
				return
			}
		}
		w.Header().Set(http.TrailerPrefix+"grpc-status", strconv.Itoa(int(code)))
	})}
	server.Protocols.SetUnencryptedHTTP2(true)
	var wait sync.WaitGroup
	wait.Go(func() { _ = server.Serve(l) }) // until Close
	stopServer := func() {
		server.Close()
		wait.Wait()
		transport.CloseIdleConnections()
	}
	conn, err = grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		stopServer()
		return nil, nil, err
	}
	return conn, func() { conn.Close(); stopServer() }, nil
}

// failures are the statuses of a replica that fails a call, by text.
var failures = map[string]codes.Code{"500": codes.Internal, "502": codes.Unavailable, "503": codes.Unavailable, "504": codes.DeadlineExceeded}

// ask asks a replica what a call asks, and returns the answer as metadata and a
// message in its frame.
func ask(next http.RoundTripper, addr string, q *http.Request) (head metadata.MD, message []byte, err error) {
	body, err := unframed(q.Body)
	if err != nil {
		return nil, nil, err
	}
	u, err := url.ParseRequestURI(q.RequestURI)
	if err != nil {
		return nil, nil, err
	}
	u.Scheme, u.Host = "http", addr
	if u.Path == grpc_health_v1.Health_Check_FullMethodName {
		return askHealth(next, u, q.Context())
	}
	r := (&http.Request{Method: q.Header.Get(verbHeader), URL: u, Host: q.Host, Header: plain(carried(q.Header)), Body: http.NoBody}).WithContext(q.Context())
	r.Header["Content-Type"] = q.Header[http.CanonicalHeaderKey(kindHeader)]
	r.Header.Del(kindHeader)
	if len(body) > 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	head = carried(resp.Header)
	head.Set(statusHeader, strconv.Itoa(resp.StatusCode))
	message, err = framed(wrapperspb.Bytes(answer))
	return head, message, err
}

// askHealth asks a replica for its health, as gRPC's protocol has the answer.
func askHealth(next http.RoundTripper, u *url.URL, ctx context.Context) (head metadata.MD, message []byte, err error) {
	u.Path = "/healthz"
	resp, err := next.RoundTrip((&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(ctx))
	if err != nil {
		return nil, nil, err
	}
	resp.Body.Close()
	health := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if resp.StatusCode == http.StatusOK {
		health = grpc_health_v1.HealthCheckResponse_SERVING
	}
	message, err = framed(&grpc_health_v1.HealthCheckResponse{Status: health})
	return metadata.Pairs(statusHeader, strconv.Itoa(http.StatusOK)), message, err
}

// framed is a message in its frame.
func framed(m proto.Message) ([]byte, error) {
	content, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(content))), content...), nil
}

// unframed are the messages of a call, one after the other.
func unframed(from io.Reader) (all []byte, err error) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(from, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			return nil, fmt.Errorf("read a message's head: %w", err)
		}
		content := make([]byte, binary.BigEndian.Uint32(head[1:]))
		if _, err := io.ReadFull(from, content); err != nil {
			return nil, fmt.Errorf("read a message: %w", err)
		}
		m := new(wrapperspb.BytesValue)
		if err := proto.Unmarshal(content, m); err != nil {
			return nil, err
		}
		all = append(all, m.GetValue()...)
	}
}
