package dataplanetest_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	upstreamsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/taremesh/tare/dataplane"
)

// wire is one side of a connection of HTTP/2, spoken in frames.
type wire struct {
	*http2.Framer
	enc  *hpack.Encoder
	head bytes.Buffer
}

func newWire(c io.ReadWriter) *wire {
	w := &wire{Framer: http2.NewFramer(c, c)}
	w.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.enc = hpack.NewEncoder(&w.head)
	return w
}

// fields sends a head of names and values, in turn.
func (w *wire) fields(stream uint32, end bool, fields ...string) error {
	w.head.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := w.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	return w.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: w.head.Bytes(), EndHeaders: true, EndStream: end})
}

// begin sends a client's preface and settings.
func (w *wire) begin(c io.Writer) error {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return err
	}
	return w.WriteSettings()
}

// next is the next frame that is about a stream, or the settings of the other
// side.
func (w *wire) next() (http2.Frame, error) {
	for {
		f, err := w.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				continue
			}
			if err := w.WriteSettingsAck(); err != nil {
				return nil, err
			}
			return f, nil
		case *http2.MetaHeadersFrame, *http2.DataFrame, *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return f, nil
		}
	}
}

// data reads bytes of a stream until there are so many, or it ends.
func (w *wire) data(n int) string {
	var got []byte
	for len(got) < n {
		f, err := w.next()
		if err != nil {
			return fmt.Sprintf("%q, and the connection ends", got)
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			got = append(got, f.Data()...)
			if f.StreamEnded() && len(got) < n {
				return fmt.Sprintf("%q, and it ends", got)
			}
		case *http2.SettingsFrame:
		default:
			return fmt.Sprintf("%q, and a %v", got, f.Header().Type)
		}
	}
	if len(got) > 50 {
		return fmt.Sprintf("%d bytes, %q…", len(got), got[:10])
	}
	return fmt.Sprintf("%q", got)
}

// rest reads until the stream ends, and says how.
func (w *wire) rest() string {
	for {
		f, err := w.next()
		if err != nil {
			return "the connection ends"
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if f.StreamEnded() {
				return "it ends"
			}
		case *http2.RSTStreamFrame:
			return "it is reset"
		}
	}
}

// connecting lets a listener take extended CONNECT.
func connecting(r *dataplane.Resources) error {
	return r.EachManager(func(m *hcmv3.HttpConnectionManager) error {
		m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{AllowConnect: true}
		return nil
	})
}

// connectingUpstream lets the clusters be spoken to so.
func connectingUpstream(r *dataplane.Resources) error {
	for _, c := range r.Clusters {
		for name := range c.TypedExtensionProtocolOptions {
			packed, err := dataplane.Pack(&upstreamsv3.HttpProtocolOptions{UpstreamProtocolOptions: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig{ProtocolConfig: &upstreamsv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{AllowConnect: true}}}}})
			if err != nil {
				return err
			}
			c.TypedExtensionProtocolOptions[name] = packed
		}
	}
	return nil
}

// reach opens a connection of HTTP/2 as the carrier says.
func (c carrier) reach(t *testing.T, who people, addr string) net.Conn {
	t.Helper()
	tcp := dial(t, addr)
	if !c.tls {
		return tcp
	}
	s := tls.Client(tcp, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{who.client.Certificate}})
	if err := s.Handshake(); err != nil {
		t.Fatal(err)
	}
	return s
}

// asksFor is a request for a protocol by extended CONNECT.
func asksFor(protocol, path string) []string {
	return []string{":method", "CONNECT", ":protocol", protocol, ":scheme", "http", ":path", path, ":authority", "a",
		"sec-websocket-version", "13", "sec-websocket-key", "k"}
}

// promises says whether a server's first settings take extended CONNECT.
func promises(f http2.Frame) string {
	s, ok := f.(*http2.SettingsFrame)
	if !ok {
		return "no settings"
	}
	v, ok := s.Value(http2.SettingEnableConnectProtocol)
	return fmt.Sprint("promises CONNECT: ", ok && v == 1)
}

// chat asks for WebSocket over HTTP/2 and, when it has it, talks. Without an end
// it is to be refused, and how is not told: by a status, or by a reset.
func chat(t *testing.T, c carrier, who people, addr string, ask []string, ends func(*wire) string) (lines []string) {
	t.Helper()
	conn := c.reach(t, who, addr)
	w := newWire(conn)
	if err := w.begin(conn); err != nil {
		t.Fatal(err)
	}
	settings, err := w.next()
	if err != nil {
		t.Fatal(err)
	}
	promised := promises(settings)
	lines = append(lines, promised)
	if err := w.fields(1, false, ask...); err != nil {
		t.Fatal(err)
	}
	f, err := w.next()
	h, ok := f.(*http2.MetaHeadersFrame)
	if err != nil || !ok {
		return append(lines, "refused")
	}
	lines = append(lines, "status "+h.PseudoValue("status"))
	for _, field := range h.RegularFields() {
		if field.Name == "date" {
			field.Value = "(a date)"
		}
		lines = append(lines, "header "+field.Name+": "+field.Value)
	}
	slices.Sort(lines)
	switch {
	case ends == nil:
		return []string{promised, map[bool]string{true: "refused", false: "taken"}[h.PseudoValue("status") >= "400"]}
	case h.PseudoValue("status") != "200":
		return lines
	}
	// What has no answer yet, in pieces; more than a frame; and then its end.
	if w.WriteData(1, false, []byte("hel")) != nil || w.WriteData(1, false, []byte("lo ")) != nil {
		return append(lines, "cut off")
	}
	lines = append(lines, "hears "+w.data(len("first HELLO ")))
	for range 4 {
		if w.WriteData(1, false, bytes.Repeat([]byte("a"), 10_000)) != nil {
			return append(lines, "cut off")
		}
	}
	lines = append(lines, "hears "+w.data(40_000))
	return append(lines, ends(w))
}

// speaksTwo is a service of HTTP/2 that takes extended CONNECT and answers as
// handsOver does; what it is asked it notes.
func speaksTwo(t *testing.T, c carrier, who people, promise bool) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{addr: l.Addr().String()}
	if c.tls {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{who.service.Certificate}, NextProtos: []string{"h2"}})
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = s.two(c, promise) // until the proxy goes
				s.ended.Add(1)
			}()
		}
	}()
	return s
}

// two serves one connection of HTTP/2.
func (s *service) two(c net.Conn, promise bool) error {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	w := newWire(c)
	var settings []http2.Setting
	if promise {
		settings = append(settings, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	}
	if err := w.WriteSettings(settings...); err != nil {
		return err
	}
	for {
		f, err := w.next()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			s.heard(f)
			if f.PseudoValue("path") == "/no" {
				err = w.fields(f.StreamID, true, ":status", "403", "content-length", "0")
			} else {
				err = errors.Join(w.fields(f.StreamID, false, ":status", "200", "sec-websocket-accept", "k!"), w.WriteData(f.StreamID, false, []byte("first ")))
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				s.say("the client ends")
				err = w.WriteData(f.StreamID, true, []byte("bye"))
			} else if err = w.WriteWindowUpdate(0, uint32(max(len(f.Data()), 1))); err == nil {
				err = w.WriteData(f.StreamID, strings.HasSuffix(string(f.Data()), "end"), bytes.ToUpper(f.Data()))
			}
		case *http2.RSTStreamFrame:
			s.ended.Add(1)
		}
		if err != nil {
			return err
		}
	}
}

func (s *service) heard(f *http2.MetaHeadersFrame) {
	for _, field := range f.Fields {
		s.say("request field " + field.Name + ": " + field.Value)
	}
}

func (s *service) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, line)
}

// Who ends it first: the service when it hears of the end, or the client.
func serviceEnds(w *wire) string {
	if err := w.WriteData(1, false, []byte("the end")); err != nil {
		return "cut off"
	}
	return w.rest()
}

func clientEnds(w *wire) string {
	if err := w.WriteData(1, true, nil); err != nil {
		return "cut off"
	}
	return w.rest()
}

// TestBothUpgradeHTTP2: WebSocket is asked for over HTTP/2 and spoken to services
// of both versions, where it may.
func TestBothUpgradeHTTP2(t *testing.T) {
	t.Parallel()
	listed, who := known(t, "upgrade2"), newPeople(t)
	both := planes(t)
	for _, c := range []struct {
		name     string
		down, up carrier
		ask      []string
		shapes   []dataplane.Shape
		ends     func(*wire) string
	}{
		{"h2 to h1", h2, h1, asksFor("websocket", "/"), []dataplane.Shape{upgraded, connecting}, serviceEnds},
		{"h2 over TLS to h1", h2tls, h1, asksFor("websocket", "/"), []dataplane.Shape{upgraded, connecting}, serviceEnds},
		{"h2 to h1, refused by the service", h2, h1, asksFor("websocket", "/no"), []dataplane.Shape{upgraded, connecting}, serviceEnds},
		{"h2 to h2", h2, h2, asksFor("websocket", "/"), []dataplane.Shape{upgraded, connecting}, serviceEnds},
		{"h2 to h2, the client ends", h2, h2, asksFor("websocket", "/"), []dataplane.Shape{upgraded, connecting}, clientEnds},
		{"h2 to h2 over TLS", h2, h2tls, asksFor("websocket", "/"), []dataplane.Shape{upgraded, connecting}, clientEnds},
		{"h2 to h2, refused by the service", h2, h2, asksFor("websocket", "/no"), []dataplane.Shape{upgraded, connecting}, serviceEnds},
		{"another protocol", h2, h1, asksFor("telnet", "/"), []dataplane.Shape{upgraded, connecting}, nil},
		{"no upgrades", h2, h1, asksFor("websocket", "/"), []dataplane.Shape{connecting}, nil},
		{"no CONNECT", h2, h1, asksFor("websocket", "/"), []dataplane.Shape{upgraded}, nil},
		{"no CONNECT over TLS", h2tls, h1, asksFor("websocket", "/"), []dataplane.Shape{upgraded}, nil},
		{"a CONNECT that asks for nothing", h2, h1, []string{":method", "CONNECT", ":authority", "a:80"}, []dataplane.Shape{upgraded, connecting}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var records [2][]string
			for k, plane := range both {
				s := c.up.serveWebSocket(t, who)
				addr := free(t)
				p := between(c.down, c.up, who, addr, s.addr)
				p.Shapes = append(p.Shapes, c.shapes...)
				begin(t, plane, p)
				records[k] = chat(t, c.down, who, addr, c.ask, c.ends)
				records[k] = append(records[k], s.look()...)
			}
			hold(t, listed, "upgrade2/"+c.name, records[0], records[1])
			if ok := slices.Contains(records[1], "it ends"); ok != (c.ends != nil && !strings.Contains(c.name, "refused")) {
				t.Errorf("it went %q", records[1])
			}
		})
	}
}

// serveWebSocket is a service that can be upgraded.
func (c carrier) serveWebSocket(t *testing.T, who people) *service {
	if c.http2 {
		return speaksTwo(t, c, who, true)
	}
	var s *service
	s = c.serve(t, who, func(w http.ResponseWriter, r *http.Request) {
		handsOver(w, r)
		s.ended.Add(1)
	})
	return s
}

// TestClientEndsWebSocket: the end of what a client of HTTP/2 says comes to a
// service of HTTP/1.1, which has the last word. (Envoy does not hand it on.)
func TestClientEndsWebSocket(t *testing.T) {
	t.Parallel()
	plane, who := planes(t)[1], newPeople(t)
	s := h1.serve(t, who, handsOver)
	addr := free(t)
	p := between(h2, h1, who, addr, s.addr)
	p.Shapes = append(p.Shapes, upgraded, connecting)
	begin(t, plane, p)
	if got := chat(t, h2, who, addr, asksFor("websocket", "/"), clientEnds); got[len(got)-1] != "it ends" {
		t.Errorf("got %q", got)
	}
}

// TestResetWebSocket: a client of HTTP/2 that resets ends it for the service.
func TestResetWebSocket(t *testing.T) {
	t.Parallel()
	who := newPeople(t)
	for _, plane := range planes(t) {
		for _, up := range []carrier{h1, h2} {
			t.Run(plane.Name()+" to "+up.name, func(t *testing.T) {
				s := up.serveWebSocket(t, who)
				addr := free(t)
				p := between(h2, up, who, addr, s.addr)
				p.Shapes = append(p.Shapes, upgraded, connecting)
				begin(t, plane, p)
				chat(t, h2, who, addr, asksFor("websocket", "/"), func(w *wire) string {
					if err := w.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
						t.Error(err)
					}
					turns(t, func() bool { return s.ended.Load() > 0 })
					return ""
				})
			})
		}
	}
}

// TestBothUpgradeToHTTP2: a client of HTTP/1.1 speaks WebSocket to a service of
// HTTP/2.
func TestBothUpgradeToHTTP2(t *testing.T) {
	t.Parallel()
	listed, who := known(t, "upgrade to h2"), newPeople(t)
	both := planes(t)
	for _, c := range []struct {
		name, path string
		up         carrier
		shapes     []dataplane.Shape
	}{
		{"taken", "/", h2, []dataplane.Shape{upgraded}},
		{"over TLS", "/", h2tls, []dataplane.Shape{upgraded}},
		{"refused by the service", "/no", h2, []dataplane.Shape{upgraded}},
		{"allowed by name", "/", h2, []dataplane.Shape{upgraded, connectingUpstream}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var records [2][]string
			for k, plane := range both {
				s := c.up.serveWebSocket(t, who)
				addr := free(t)
				p := between(h1, c.up, who, addr, s.addr)
				p.Shapes = append(p.Shapes, c.shapes...)
				begin(t, plane, p)
				records[k] = append(switching(t, addr, c.path), s.look()...)
			}
			hold(t, listed, "upgrade to h2/"+c.name, records[0], records[1])
		})
	}
	// A service that does not say that it takes extended CONNECT is not asked; Envoy
	// asks it all the same.
	for k, want := range []string{"status 101", "status 503"} {
		s := speaksTwo(t, h2, who, false)
		p := between(h1, h2, who, free(t), s.addr)
		p.Shapes = append(p.Shapes, upgraded)
		begin(t, both[k], p)
		if got := switching(t, p.Listen, "/"); got[0] != want {
			t.Errorf("%s, to one that does not promise: got %q, want %s", both[k].Name(), got, want)
		}
	}
}
