package loadtest

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
)

// TestHTTP2 holds a generator that speaks HTTP/2 to its contract, beside
// TestGenerator.
func TestHTTP2(t *testing.T, g load.Generator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, load.Generator)
	}{
		{"Outcomes", testHTTP2Outcomes},
		{"Delays", testHTTP2Delays},
		{"Streams", testHTTP2Streams},
		{"Stall", testHTTP2Stall},
		{"Windows", testHTTP2Windows},
		{"SmallTable", testHTTP2SmallTable},
		{"GoAway", testHTTP2GoAway},
		{"Refused", testHTTP2Refused},
		{"TimeoutKeepsTheConnection", testHTTP2Timeout},
		{"AnotherProtocol", testHTTP2Another},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, g) })
	}
}

type http2Outcome struct {
	name   string
	answer func(c *http2Conn, id uint32)
	class  load.Class
	status uint16
	first  bool // a first byte arrives
	alone  bool // it harms no other stream: the connections stay
}

var http2Outcomes = []http2Outcome{
	{"200", func(c *http2Conn, id uint32) { c.ok(id) }, load.OK, 200, true, true},
	{"204", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "204") }, load.OK, 204, true, true},
	{"404", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "404") }, load.ClientError, 404, true, true},
	{"429", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "429", "retry-after", "1") }, load.Limited, 429, true, true},
	{"503", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "503") }, load.ServerError, 503, true, true},
	{"interim", func(c *http2Conn, id uint32) { c.head(id, false, ":status", "103", "link", "</x>"); c.ok(id) }, load.OK, 200, true, true},
	{"trailers", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200")
		c.data(id, false, "abc")
		c.head(id, true, "x-sum", "1")
	}, load.OK, 200, true, true},
	{"padded", func(c *http2Conn, id uint32) {
		_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode(":status", "200", "content-length", "3"), EndHeaders: true, PadLength: 9,
			Priority: http2.PriorityParam{StreamDep: 0, Weight: 3, Exclusive: true}})
		_ = c.framer.WriteDataPadded(id, false, []byte("ab"), make([]byte, 200))
		_ = c.framer.WriteDataPadded(id, true, []byte("c"), []byte{})
	}, load.OK, 200, true, true},
	{"continued", func(c *http2Conn, id uint32) {
		block := slices.Clone(c.encode(":status", "200", "x-long", strings.Repeat("y", 3000)))
		_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block[:1], EndStream: true})
		_ = c.framer.WriteContinuation(id, false, block[1:2])
		_ = c.framer.WriteContinuation(id, false, nil)
		_ = c.framer.WriteContinuation(id, true, block[2:])
	}, load.OK, 200, true, true},
	{"many frames about", func(c *http2Conn, id uint32) {
		_ = c.framer.WritePing(false, [8]byte{1})
		_ = c.framer.WriteRawFrame(0xbe, 0xff, id, []byte("unknown"))
		_ = c.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
		_ = c.framer.WritePriority(id, http2.PriorityParam{StreamDep: 0})
		c.ok(id)
	}, load.OK, 200, true, true},
	{"large", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200")
		for range 64 {
			c.data(id, false, strings.Repeat("x", 16384))
		}
		c.data(id, true, "")
	}, load.OK, 200, true, true},
	{"reset", func(c *http2Conn, id uint32) { _ = c.framer.WriteRSTStream(id, http2.ErrCodeInternal) }, load.Reset, 0, false, true},
	{failing, func(c *http2Conn, id uint32) {
		<-time.After(failAfter)
		_ = c.framer.WriteRSTStream(id, http2.ErrCodeInternal)
	}, load.Reset, 0, false, true},
	{"reset in the body", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200")
		c.data(id, false, "abc")
		_ = c.framer.WriteRSTStream(id, http2.ErrCodeCancel)
	}, load.Reset, 200, true, true},
	{"closes", func(c *http2Conn, _ uint32) { c.ended = true }, load.Reset, 0, false, false},
	{"closes in the body", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200")
		c.data(id, false, "abc")
		c.ended = true
	}, load.Reset, 200, true, false},
	{"no status", func(c *http2Conn, id uint32) { c.head(id, true, "x", "y") }, load.Malformed, 0, true, true},
	{"status of letters", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "2x0") }, load.Malformed, 0, true, true},
	{"header of HTTP/1.1", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "200", "connection", "close") }, load.Malformed, 0, true, true},
	{"upper case", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "200", "X-A", "b") }, load.Malformed, 0, true, true},
	{"short body", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200", "content-length", "5")
		c.data(id, true, "abc")
	}, load.Malformed, 200, true, true},
	{"body first", func(c *http2Conn, id uint32) { c.data(id, true, "abc") }, load.Malformed, 0, true, true},
	{"trailers without end", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200")
		c.head(id, false, "x-sum", "1")
	}, load.Malformed, 200, true, true},
	{"bad table", func(c *http2Conn, id uint32) {
		_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0xff, 0xff, 0x7f}, EndHeaders: true})
	}, load.Malformed, 0, true, false},
	{"frame too long", func(c *http2Conn, id uint32) { _ = c.framer.WriteRawFrame(0, 0, id, make([]byte, 16385)) }, load.Malformed, 0, false, false},
	{"push", func(c *http2Conn, id uint32) {
		_ = c.framer.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: c.encode(":method", "GET"), EndHeaders: true})
	}, load.Malformed, 0, false, false},
	{"a stream nobody opened", func(c *http2Conn, _ uint32) { c.head(1<<20+1, true, ":status", "200") }, load.Malformed, 0, false, false},
	{"interleaved header", func(c *http2Conn, id uint32) {
		_ = c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode(":status", "200")})
		_ = c.framer.WritePing(false, [8]byte{})
	}, load.Malformed, 0, true, false},
	{"silent", func(*http2Conn, uint32) {}, load.Timeout, 0, false, true},
	{"silent in the body", func(c *http2Conn, id uint32) { c.head(id, false, ":status", "200") }, load.Timeout, 0, true, true},
}

// testHTTP2Outcomes offers one load to all behaviours at once.
func testHTTP2Outcomes(t *testing.T, g load.Generator) {
	var servers []*http2Server
	var targets []load.Target
	for _, o := range http2Outcomes {
		s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
			c.done(q.stream)
			o.answer(c, q.stream)
		})
		servers, targets = append(servers, s), append(targets, s.target(2, 64, 1))
	}
	session := open(t, g, load.Population{}, targets...)
	const each = 12
	l := load.Load{Rate: 2000, Each: each, Seed: 4, Timeout: 2 * time.Second}
	samples, stats := generate(t, session, l)
	checkSchedule(t, l, len(targets), load.Population{}, samples, stats)
	checkFailures(t, samples, slices.IndexFunc(http2Outcomes, func(o http2Outcome) bool { return o.name == failing }), l.Timeout)
	for _, s := range samples {
		o := http2Outcomes[s.Target]
		if s.Class != o.class || o.status != 0 && s.Status != o.status {
			t.Errorf("%s: class %v, status %d, want %v, %d", o.name, s.Class, s.Status, o.class, o.status)
		}
		if (s.FirstByte >= 0) != o.first {
			t.Errorf("%s: first byte at %v", o.name, s.FirstByte)
		}
	}
	for i, o := range http2Outcomes {
		s := servers[i]
		s.mu.Lock()
		if s.requests != each {
			t.Errorf("%s: the server saw %d requests, want %d", o.name, s.requests, each)
		}
		if o.alone && o.class == load.Malformed && len(s.resets) == 0 {
			t.Errorf("%s: the server was not told", o.name)
		}
		if !o.alone && s.accepted < 3 {
			t.Errorf("%s: %d connections, want new ones", o.name, s.accepted)
		}
		s.mu.Unlock()
	}
}

func testHTTP2Delays(t *testing.T, g load.Generator) {
	const toFirst, toLast = 20 * time.Millisecond, 30 * time.Millisecond
	target := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		<-time.After(toFirst)
		c.head(q.stream, false, ":status", "200")
		<-time.After(toLast)
		c.data(q.stream, true, "x")
		c.done(q.stream)
	}).target(4, 64, 1)
	l := load.Load{Rate: 100, Each: 30, Seed: 2}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	checkDelays(t, samples, toFirst, toLast)
}

// testHTTP2Streams: a connection carries as many streams as the target allows
// and the server, whichever is fewer; requests beyond wait in line.
func testHTTP2Streams(t *testing.T, g load.Generator) {
	for name, c := range map[string]struct {
		streams, limit uint32
		want           int
	}{"ours": {5, 100, 5}, "the server's": {20, 3, 3}} {
		t.Run(name, func(t *testing.T) {
			// It answers only when as many as may come are there.
			var held []uint32
			var answered atomic.Int64
			const each = 60
			s := listenHTTP2(t, func(h *http2Conn, q http2Request) {
				if held = append(held, q.stream); len(held) < c.want && answered.Load()+int64(len(held)) < each {
					return
				}
				for _, id := range held {
					h.ok(id)
				}
				answered.Add(int64(len(held)))
				held = held[:0]
			}, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: c.limit})
			samples, stats := generate(t, open(t, g, load.Population{}, s.target(1, 1, int(c.streams))), load.Load{Rate: 10_000, Each: each, Seed: 5})
			checkClasses(t, samples, load.OK)
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.streams != c.want || s.accepted != 1 || !stats.Saturated {
				t.Errorf("%d streams at a time on %d connections, want %d on 1; %+v", s.streams, s.accepted, c.want, stats)
			}
		})
	}
}

// testHTTP2Stall: a server that stops for a while delays what is asked in
// between, and by all of the pause.
func testHTTP2Stall(t *testing.T, g load.Generator) {
	const pause = 300 * time.Millisecond
	var count counter
	target := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		if count.add() == 50 {
			<-time.After(pause)
		}
		c.ok(q.stream)
	}).target(1, 1, 1000)
	l := load.Load{Rate: 500, Each: 250, Seed: 3}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	from := samples[49].Written
	for i, s := range samples[50:] {
		if left := from + pause - s.Intended; left > 0 && s.Response() < left {
			t.Errorf("sample %d waited %v, and the server stood for %v more", i+50, s.Response(), left)
		}
	}
}

// testHTTP2Windows: bodies wait for the windows that the server gives, on a
// stream and on the connection; what does not fit is sent when it may be.
func testHTTP2Windows(t *testing.T, g load.Generator) {
	const size, each = 150_000, 8 // beyond the connection's first window, too
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		if q.body != size {
			c.server.blame("sent another body than it was told to")
		}
		c.ok(q.stream)
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	target := s.target(2, 4, 3)
	target.Body = size
	samples, _ := generate(t, open(t, g, posting(load.Population{}), target), load.Load{Rate: 500, Each: each, Seed: 3})
	checkClasses(t, samples, load.OK)
}

// testHTTP2SmallTable: the server's header table is what it says it is.
func testHTTP2SmallTable(t *testing.T, g load.Generator) {
	for _, size := range []uint32{0, 100, 4096, 1 << 20} {
		p := population(7)
		s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
			if q.header[":path"] != "/" || q.header["authorization"] == "" {
				c.server.blame("sent another header than it was told to")
			}
			c.ok(q.stream)
		}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
		samples, _ := generate(t, open(t, g, p, s.target(2, 8, 2)), load.Load{Rate: 2000, Each: 60, Seed: 3})
		checkClasses(t, samples, load.OK)
	}
}

// testHTTP2GoAway: a server that goes away in mid-run, and has not looked at
// some streams, costs no request: each is answered exactly once.
func testHTTP2GoAway(t *testing.T, g load.Generator) {
	const each, perConn = 300, 20
	var answered atomic.Int64
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		switch {
		case c.served < perConn:
			answered.Add(1)
			c.ok(q.stream)
		case c.served == perConn:
			_ = c.framer.WriteGoAway(q.stream, http2.ErrCodeNo, nil)
			answered.Add(1)
			c.ok(q.stream)
		}
	})
	l := load.Load{Rate: 5000, Each: each, Seed: 3}
	samples, stats := generate(t, open(t, g, load.Population{}, s.target(2, 16, 4)), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	if n := answered.Load(); n != each {
		t.Errorf("the server answered %d requests, want %d", n, each)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted < each/perConn {
		t.Errorf("%d connections for %d requests", s.accepted, each)
	}
}

// testHTTP2Refused: a refused stream goes elsewhere; a server that refuses all
// is not asked in a circle.
func testHTTP2Refused(t *testing.T, g load.Generator) {
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		if c.served%3 == 0 {
			c.done(q.stream)
			_ = c.framer.WriteRSTStream(q.stream, http2.ErrCodeRefusedStream)
			return
		}
		c.ok(q.stream)
	})
	never := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		c.done(q.stream)
		_ = c.framer.WriteRSTStream(q.stream, http2.ErrCodeRefusedStream)
	})
	l := load.Load{Rate: 2000, Each: 60, Seed: 3}
	samples, stats := generate(t, open(t, g, load.Population{}, s.target(2, 4, 1), never.target(2, 4, 1)), l)
	checkSchedule(t, l, 2, load.Population{}, samples, stats)
	for _, sample := range samples {
		if want := []load.Class{load.OK, load.Reset}[sample.Target]; sample.Class != want {
			t.Errorf("class %v of target %d, want %v", sample.Class, sample.Target, want)
		}
	}
	for i, s := range []*http2Server{s, never} {
		s.mu.Lock()
		if i == 0 && s.requests <= 60 || i == 1 && s.requests != 60 {
			t.Errorf("server %d saw %d requests", i, s.requests)
		}
		s.mu.Unlock()
	}
}

// testHTTP2Timeout: a stream that runs out of time is given up, and its
// connection serves on.
func testHTTP2Timeout(t *testing.T, g load.Generator) {
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		if c.served%10 != 0 {
			c.ok(q.stream)
		}
	})
	l := load.Load{Rate: 500, Each: 50, Seed: 3, Timeout: time.Second}
	samples, stats := generate(t, open(t, g, load.Population{}, s.target(1, 1, 100)), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	late := 0
	for _, sample := range samples {
		if sample.Class == load.Timeout {
			late++
		} else if sample.Class != load.OK {
			t.Errorf("%+v", sample)
		}
	}
	samples, _ = generate(t, open(t, g, load.Population{}, s.target(1, 1, 100)), load.Load{Rate: 500, Each: 5, Timeout: time.Second})
	checkClasses(t, samples, load.OK)
	s.mu.Lock()
	defer s.mu.Unlock()
	if late != 5 || s.accepted != 2 || !slices.Contains(s.resets, http2.ErrCodeCancel) {
		t.Errorf("%d timeouts on %d connections, resets %v", late, s.accepted, s.resets)
	}
}

// testHTTP2Another: a server of HTTP/1.1 is no target, and Open says so.
func testHTTP2Another(t *testing.T, g load.Generator) {
	target := listen(t, always("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")).target(1, 1)
	target.Protocol = load.HTTP2
	session, err := g.Open(context.Background(), []load.Target{target}, load.Population{})
	if err == nil {
		_ = session.Close()
		t.Fatal("opened a target that does not speak HTTP/2")
	}
	if !strings.Contains(err.Error(), target.Addr) || !strings.Contains(err.Error(), "HTTP/2") {
		t.Errorf("the error says neither where nor what: %v", err)
	}
}
