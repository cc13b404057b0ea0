package embedded

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/internal/http1"
)

// resourceMessages are the resources that are decoded, by the place in the list.
var resourceMessages = []proto.Message{&listenerv3.Listener{}, &clusterv3.Cluster{}, &endpointv3.ClusterLoadAssignment{}, &routev3.RouteConfiguration{}, &tlsv3.Secret{}}

// FuzzDecode: whatever a server sends is taken or refused with words.
func FuzzDecode(f *testing.F) {
	b := bundle(f)
	for i, m := range []proto.Message{b.Listener, b.Clusters[0], b.Assignments[0], b.Routes, &tlsv3.Secret{Name: "a"}} {
		text, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, text)
	}
	f.Fuzz(func(_ *testing.T, kind int, text []byte) {
		m := resourceMessages[uint(kind)%uint(len(resourceMessages))]
		a := &anypb.Any{TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName()), Value: text}
		// Errors are what is expected; a panic is what is looked for.
		switch m.(type) {
		case *listenerv3.Listener:
			_, _ = decodeListener(a)
		case *clusterv3.Cluster:
			_, _ = decodeCluster(a)
		case *endpointv3.ClusterLoadAssignment:
			_, _, _ = decodeAssignment(a)
		case *routev3.RouteConfiguration:
			_, _ = decodeRoutes(a)
		case *tlsv3.Secret:
			_, _, _ = decodeSecret(a)
		}
	})
}

// FuzzStreamRequest: what HTTP/2 brings is refused, or becomes one request of
// HTTP/1.1 with the same parts and nothing behind it.
func FuzzStreamRequest(f *testing.F) {
	f.Add("GET", "/", "a", "x-a", "b", "")
	f.Add("POST", "/?x", "a:1", "x-a", "b\r\nc: d", "hello")
	f.Add("GET", "/ HTTP/1.1\r\nx: y\r\n\r\nGET /", "a", "transfer-encoding", "chunked", "0\r\n\r\n")
	f.Add("0", "/ HTTP/1.1\r\nx: y\xb1/", "a", "5ransfer-encoding", "chunked", "0\r\n\r\n") // found by fuzzing: the target became a field
	f.Add("P T", "*", "a/b", "content-length", "3", "hello")
	f.Add("CONNECT", "/chat", "a", ":protocol", "websocket", "hello")
	f.Add("CONNECT", "/chat", "a", ":protocol", "websocket\r\nx: y", "hello")
	f.Add("CONNECT", "/ HTTP/1.1\r\nx: y\r\n", "a", ":protocol", "websocket", "")
	e := &entrance{upgrades: true, connects: true}
	f.Fuzz(func(t *testing.T, method, target, host, name, value, body string) {
		r := &http.Request{Method: method, RequestURI: target, Host: host, Header: http.Header{http.CanonicalHeaderKey(name): {value}},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1}
		s := &stream{w: httptest.NewRecorder(), r: r}
		if s.request(e) != 0 {
			return
		}
		if method == http.MethodConnect && name == protocolField {
			method = http.MethodGet
		}
		text, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		from := 0
		n, err := http1.End(text, &from)
		if err != nil || n == 0 {
			return // the core refuses it
		}
		q := http1.Request{Allow: websocket}
		if q.Parse(text[:n]) != nil {
			return
		}
		if q.Upgrade != s.asks {
			t.Errorf("asks for WebSocket: %v, and became a request that does: %v", s.asks, q.Upgrade)
		}
		if string(q.Method) != method || string(q.Target) != target && !strings.Contains(target, "://") || string(q.Host) != host {
			t.Errorf("became %q %q %q", q.Method, q.Target, q.Host)
		}
		for _, field := range q.Fields {
			if len(field.Name) > 0 && !strings.EqualFold(string(field.Name), name) {
				t.Errorf("a field %q: %q came up", field.Name, field.Value)
			}
		}
		if s.asks {
			if got := string(text[n:]); got != body || q.Length != 0 {
				t.Errorf("the bytes became %q, and a body of %d", got, q.Length)
			}
			return
		}
		if q.Length != http1.Chunked {
			t.Fatalf("the body is framed by %d", q.Length)
		}
		var chunks http1.Chunks
		var got []byte
		for rest := text[n:]; !chunks.Done(); {
			data, used, err := chunks.Next(rest)
			if err != nil || used == 0 {
				t.Fatalf("the body cannot be read: %v", err)
			}
			got, rest = append(got, data...), rest[used:]
			if chunks.Done() && len(rest) > 0 {
				t.Errorf("%q stands behind it", rest)
			}
		}
		if string(got) != body {
			t.Errorf("the body became %q", got)
		}
	})
}

// FuzzStreamResponse: a response is the same however it comes in pieces.
func FuzzStreamResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\nhi"), 3)
	f.Add([]byte("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), 1)
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"), 7)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		one, oneErr := through(text, len(text)+1)
		other, otherErr := through(text, int(uint(piece)%64)+1)
		if (oneErr == nil) != (otherErr == nil) {
			t.Fatalf("in one piece: %v, in several: %v", oneErr, otherErr)
		}
		if oneErr == nil && (one.Code != other.Code || !bytes.Equal(one.Body.Bytes(), other.Body.Bytes())) {
			t.Errorf("in one piece: %d %q, in several: %d %q", one.Code, one.Body, other.Code, other.Body)
		}
	})
}

func through(text []byte, piece int) (*httptest.ResponseRecorder, error) {
	w := httptest.NewRecorder()
	s := &stream{w: w, r: &http.Request{Method: http.MethodGet}}
	for len(text) > 0 {
		n := min(piece, len(text))
		if _, err := s.Write(text[:n]); err != nil {
			return w, err
		}
		text = text[n:]
	}
	return w, nil
}

// FuzzCarried: what an endpoint of HTTP/2 answers becomes one response of
// HTTP/1.1 with the same parts, however it is read.
func FuzzCarried(f *testing.F) {
	f.Add(200, "x-a", "b", "hello", int64(-1), 7)
	f.Add(304, "etag", "x", "", int64(0), 100)
	f.Add(200, "content-length", "5", "hello", int64(5), 1)
	f.Fuzz(func(t *testing.T, status int, name, value, body string, length int64, piece int) {
		if status < 200 || status > 999 || !http1.ValidName([]byte(name)) || !http1.ValidValue([]byte(value)) || http1.Framing([]byte(name)) || len(name)+len(value) > 10_000 || len(body) > 50_000 {
			return // which the transport would not give
		}
		if length >= 0 {
			length = int64(len(body))
		} else {
			length = -1
		}
		header := http.Header{http.CanonicalHeaderKey(name): {value}}
		c := &carried{came: make(chan answered, 1), life: t.Context(), cancel: func() {}}
		c.came <- answered{res: &http.Response{StatusCode: status, Header: header, ContentLength: length, Body: io.NopCloser(strings.NewReader(body))}}
		var text []byte
		for buf := make([]byte, int(uint(piece)%4096)+1); ; {
			n, err := c.Read(buf)
			text = append(text, buf[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		from := 0
		n, err := http1.End(text, &from)
		if err != nil || n == 0 {
			t.Fatalf("no head in %q: %v", text, err)
		}
		var r http1.Response
		if err := r.Parse(text[:n], http1.OtherMethod); err != nil {
			return // refused, as one of HTTP/1.1 would be
		}
		if r.Status != status {
			t.Errorf("status %d became %d", status, r.Status)
		}
		if r.NoBody {
			return
		}
		got := text[n:]
		if r.Length == http1.Chunked {
			got = nil
			var chunks http1.Chunks
			for rest := text[n:]; !chunks.Done(); {
				data, used, err := chunks.Next(rest)
				if err != nil || used == 0 {
					t.Fatalf("the body cannot be read: %v", err)
				}
				got, rest = append(got, data...), rest[used:]
			}
		}
		if string(got) != body {
			t.Errorf("the body became %q, want %q", got, body)
		}
	})
}
