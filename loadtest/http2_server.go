package loadtest

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// http2Server speaks HTTP/2 frame by frame, so that it can also speak it badly.
type http2Server struct {
	door
	settings []http2.Setting
	answer   func(c *http2Conn, q http2Request)

	requests int
	streams  int // the most that were open at a time on a connection
	resets   []http2.ErrCode
	wrong    []string // what the client did wrong
}

// http2Request is what a client asked on a stream.
type http2Request struct {
	stream uint32
	header map[string]string
	body   int
}

// http2Conn is one connection of the server. Its methods are for its own
// goroutine.
type http2Conn struct {
	server  *http2Server
	net     net.Conn
	framer  *http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
	streams map[uint32]*http2Request
	served  int
	ended   bool
}

func listenHTTP2(t *testing.T, answer func(*http2Conn, http2Request), settings ...http2.Setting) *http2Server {
	t.Helper()
	s := &http2Server{settings: settings, answer: answer}
	t.Cleanup(func() { // after the door's own
		for _, wrong := range s.wrong {
			t.Error("the client " + wrong)
		}
	})
	s.attend(t, s.serve)
	return s
}

func (s *http2Server) target(connections, most, streams int) load.Target {
	return load.Target{Name: s.addr, Addr: s.addr, Protocol: load.HTTP2, Connections: connections, MaxConnections: most, Streams: streams}
}

func (s *http2Server) serve(c net.Conn) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
		return
	}
	h := &http2Conn{server: s, net: c, framer: http2.NewFramer(c, c), streams: map[uint32]*http2Request{}}
	h.encoder = hpack.NewEncoder(&h.block)
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for _, setting := range s.settings {
		if setting.ID == http2.SettingHeaderTableSize {
			h.framer.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(setting.Val)
		}
	}
	if h.framer.WriteSettings(s.settings...) != nil {
		return
	}
	for !h.ended {
		f, err := h.framer.ReadFrame()
		if err != nil {
			if _, broken := err.(http2.ConnectionError); broken {
				s.blame("broke the protocol: " + err.Error())
			}
			return
		}
		h.take(f)
	}
}

func (s *http2Server) blame(wrong string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, wrong)
}

func (c *http2Conn) take(f http2.Frame) {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			_ = c.framer.WriteSettingsAck()
		}
	case *http2.MetaHeadersFrame:
		q := &http2Request{stream: f.StreamID, header: map[string]string{}}
		for _, field := range f.Fields {
			q.header[field.Name] = field.Value
		}
		c.streams[q.stream] = q
		c.server.mu.Lock()
		c.server.streams = max(c.server.streams, len(c.streams))
		c.server.mu.Unlock()
		if f.StreamEnded() {
			c.whole(q)
		}
	case *http2.DataFrame:
		q := c.streams[f.StreamID]
		if q == nil {
			return
		}
		if q.body += len(f.Data()); f.Length > 0 {
			_ = c.framer.WriteWindowUpdate(0, f.Length)
			_ = c.framer.WriteWindowUpdate(f.StreamID, f.Length)
		}
		if f.StreamEnded() {
			c.whole(q)
		}
	case *http2.RSTStreamFrame:
		delete(c.streams, f.StreamID)
		c.server.mu.Lock()
		c.server.resets = append(c.server.resets, f.ErrCode)
		c.server.mu.Unlock()
	}
}

// whole answers a request that has come to its end.
func (c *http2Conn) whole(q *http2Request) {
	if want := q.header["content-length"]; want != "" && want != strconv.Itoa(q.body) {
		c.server.blame("sent a body of " + strconv.Itoa(q.body) + " bytes, and said " + want)
	}
	c.served++
	c.server.mu.Lock()
	c.server.requests++
	c.server.mu.Unlock()
	c.server.answer(c, *q)
}

func (c *http2Conn) encode(header ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(header); i += 2 {
		_ = c.encoder.WriteField(hpack.HeaderField{Name: header[i], Value: header[i+1]})
	}
	return c.block.Bytes()
}

// head sends a header, in one frame.
func (c *http2Conn) head(stream uint32, last bool, header ...string) {
	_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: c.encode(header...), EndHeaders: true, EndStream: last})
}

func (c *http2Conn) data(stream uint32, last bool, b string) {
	_ = c.framer.WriteData(stream, last, []byte(b))
}

// done says that a stream has its answer.
func (c *http2Conn) done(stream uint32) { delete(c.streams, stream) }

func (c *http2Conn) ok(stream uint32) {
	c.done(stream)
	c.head(stream, false, ":status", "200", "content-length", "2")
	c.data(stream, true, "ok")
}
