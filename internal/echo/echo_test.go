package echo_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/echo"
)

func listen(t *testing.T, k echo.Kind, how func(echo.Kind) (*echo.Server, error)) *echo.Server {
	t.Helper()
	s, err := how(k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 { // it may be closed again
			if err := s.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return s
}

func dial(t *testing.T, s *echo.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestHTTP1(t *testing.T) {
	c := dial(t, listen(t, echo.HTTP1, echo.Listen))
	in := bufio.NewReader(c)
	for _, q := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"} {
		for _, b := range []byte(q) { // in pieces of one byte
			if _, err := c.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		method, _, _ := strings.Cut(q, " ")
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if want := map[bool]string{false: echo.Body}[method == "HEAD"]; err != nil || r.StatusCode != 200 || string(body) != want {
			t.Errorf("%q: %d, %q, %v", q, r.StatusCode, body, err)
		}
	}
}

func TestHTTP2(t *testing.T) {
	for scheme, how := range map[string]func(echo.Kind) (*echo.Server, error){"http": echo.Listen, "https": echo.ListenTLS} {
		s := listen(t, echo.HTTP2, how)
		p := new(http.Protocols)
		p.SetHTTP2(true)
		p.SetUnencryptedHTTP2(scheme == "http")
		client := &http.Client{Transport: &http.Transport{Protocols: p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		q, err := http.NewRequestWithContext(context.Background(), "POST", scheme+"://"+s.Addr()+"/x", strings.NewReader("abc"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 || string(body) != echo.Body {
			t.Errorf("%s: %s, %q, %v", scheme, r.Proto, body, err)
		}
		q, err = http.NewRequestWithContext(context.Background(), "POST", scheme+"://"+s.Addr()+"/S/M", strings.NewReader("\x00\x00\x00\x00\x02hi"))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", "application/grpc")
		if r, err = client.Do(q); err != nil {
			t.Fatal(err)
		}
		body, err = io.ReadAll(r.Body)
		if err != nil || string(body) != "\x00\x00\x00\x00\x02hi" || r.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("gRPC over %s: %q, %v, %v", scheme, body, r.Trailer, err)
		}
		client.CloseIdleConnections()
	}
}

func TestBytes(t *testing.T) {
	c := dial(t, listen(t, echo.Bytes, echo.Listen))
	for _, m := range []string{"a", strings.Repeat("b", 1<<16)} {
		if _, err := c.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(m))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != m {
			t.Errorf("%d bytes came back otherwise, %v", len(m), err)
		}
	}
}

func TestWebSocket(t *testing.T) {
	c := dial(t, listen(t, echo.WebSocket, echo.Listen))
	in := bufio.NewReader(c)
	// The example of RFC 6455 §1.3.
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(in, nil)
	if err != nil || r.StatusCode != 101 || r.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%+v, %v", r, err)
	}
	long := bytes.Repeat([]byte("y"), 300)
	for _, x := range []struct{ sent, want []byte }{
		{[]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), []byte("\x81\x05Hello")}, // §5.7
		{append([]byte("\x82\xfe\x01\x2c\x00\x00\x00\x00"), long...), append([]byte("\x82\x7e\x01\x2c"), long...)},
		{[]byte("\x89\x80\x00\x00\x00\x00"), []byte("\x8a\x00")},
		{[]byte("\x88\x80\x00\x00\x00\x00"), []byte("\x88\x00")},
	} {
		if _, err := c.Write(x.sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(x.want))
		if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, x.want) {
			t.Errorf("%q came back, want %q, %v", got, x.want, err)
		}
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the close: %v", err)
	}
}

func TestUnknownKind(t *testing.T) {
	if s, err := echo.Listen("gopher"); err == nil || s != nil {
		t.Errorf("%v, %v", s, err)
	}
}
