package loadtest

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"golang.org/x/net/http2"
)

// TestGRPC holds a generator that speaks gRPC to its contract, beside TestHTTP2.
func TestGRPC(t *testing.T, g load.Generator) {
	t.Helper()
	t.Run("Outcomes", func(t *testing.T) { testGRPCOutcomes(t, g) })
	t.Run("Calls", func(t *testing.T) { testGRPCCalls(t, g) })
	t.Run("Delays", func(t *testing.T) { testGRPCDelays(t, g) })
}

// message puts its length before a message.
func message(text string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))) + text
}

// reply is a gRPC answer with messages and a status.
func reply(status string, messages ...string) func(c *http2Conn, id uint32) {
	return func(c *http2Conn, id uint32) {
		if len(messages) == 0 { // trailers only
			c.head(id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", status, "grpc-message", "why")
			return
		}
		c.head(id, false, ":status", "200", "content-type", "application/grpc")
		for _, m := range messages {
			c.data(id, false, message(m))
		}
		c.head(id, true, "grpc-status", status)
	}
}

type grpcOutcome struct {
	name   string
	answer func(c *http2Conn, id uint32)
	class  load.Class
	status uint16
}

var grpcOutcomes = []grpcOutcome{
	{"one message", reply("0", "hello"), load.OK, load.GRPCStatus},
	{"many messages", reply("0", "a", "", strings.Repeat("b", 10_000), "c"), load.OK, load.GRPCStatus},
	{"no message", reply("0"), load.OK, load.GRPCStatus},
	{"invalid argument", reply("3"), load.ClientError, load.GRPCStatus + 3},
	{"deadline exceeded", reply("4"), load.Timeout, load.GRPCStatus + 4},
	{"not found", reply("5"), load.ClientError, load.GRPCStatus + 5},
	{"resource exhausted", reply("8"), load.Limited, load.GRPCStatus + 8},
	{"unimplemented", reply("12"), load.ServerError, load.GRPCStatus + 12},
	{"internal, after a message", reply("13", "x"), load.ServerError, load.GRPCStatus + 13},
	{"unavailable", reply("14"), load.ServerError, load.GRPCStatus + 14},
	{"unauthenticated", reply("16"), load.ClientError, load.GRPCStatus + 16},
	{"a proxy's 503", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "503") }, load.ServerError, 503},
	{"a proxy's 429", func(c *http2Conn, id uint32) { c.head(id, true, ":status", "429") }, load.Limited, 429},
	{"no status", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200", "content-type", "application/grpc")
		c.data(id, true, message("x"))
	}, load.Malformed, 200},
	{"status of letters", reply("ok"), load.Malformed, 0},
	{"message cut short", func(c *http2Conn, id uint32) {
		c.head(id, false, ":status", "200", "content-type", "application/grpc")
		c.data(id, false, message("hello")[:7])
		c.head(id, true, "grpc-status", "0")
	}, load.Malformed, 200},
	{"reset", func(c *http2Conn, id uint32) { _ = c.framer.WriteRSTStream(id, http2.ErrCodeInternal) }, load.Reset, 0},
	{failing, func(c *http2Conn, id uint32) {
		<-time.After(failAfter)
		_ = c.framer.WriteRSTStream(id, http2.ErrCodeInternal)
	}, load.Reset, 0},
	{"silent", func(*http2Conn, uint32) {}, load.Timeout, 0},
}

func testGRPCOutcomes(t *testing.T, g load.Generator) {
	var targets []load.Target
	for _, o := range grpcOutcomes {
		s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
			c.done(q.stream)
			o.answer(c, q.stream)
		})
		target := s.target(2, 64, 2)
		target.Protocol = load.GRPC
		targets = append(targets, target)
	}
	p := load.Ask(load.Request{Method: "POST", Path: "/test.Service/Method", Body: 9})
	l := load.Load{Rate: 2000, Each: 12, Seed: 4, Timeout: 2 * time.Second}
	samples, stats := generate(t, open(t, g, p, targets...), l)
	checkSchedule(t, l, len(targets), p, samples, stats)
	checkFailures(t, samples, slices.IndexFunc(grpcOutcomes, func(o grpcOutcome) bool { return o.name == failing }), l.Timeout)
	for _, s := range samples {
		if o := grpcOutcomes[s.Target]; s.Class != o.class || s.Status != o.status {
			t.Errorf("%s: class %v, status %d, want %v, %d", o.name, s.Class, s.Status, o.class, o.status)
		}
	}
}

// testGRPCCalls: what a call carries is what gRPC wants: one message, none of
// any length, or many.
func testGRPCCalls(t *testing.T, g load.Generator) {
	p := load.Population{Requests: []load.Request{
		{Method: "POST", Path: "/test.Service/Unary", Body: 9, Weight: 1},
		{Method: "POST", Path: "/test.Service/Empty", Weight: 1},
		{Method: "POST", Path: "/test.Service/Stream", Body: 30_000, Messages: 5, Weight: 1},
	}}
	want := map[string]int{"/test.Service/Unary": 14, "/test.Service/Empty": 5, "/test.Service/Stream": 5 * 30_005}
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		h := q.header
		if size, known := want[h[":path"]]; !known || q.body != size || h[":method"] != "POST" || h["content-type"] != "application/grpc" || h["te"] != "trailers" || h["content-length"] != "" {
			c.server.blame("called with " + strconv.Itoa(q.body) + " bytes and another header than gRPC's")
		}
		c.done(q.stream)
		reply("0", "x")(c, q.stream)
	})
	target := s.target(2, 8, 3)
	target.Protocol = load.GRPC
	samples, _ := generate(t, open(t, g, p, target), load.Load{Rate: 1000, Each: 60, Seed: 1})
	checkClasses(t, samples, load.OK)
}

// testGRPCDelays: a call ends with its trailers, not with its last message.
func testGRPCDelays(t *testing.T, g load.Generator) {
	const toFirst, toLast = 20 * time.Millisecond, 30 * time.Millisecond
	s := listenHTTP2(t, func(c *http2Conn, q http2Request) {
		<-time.After(toFirst)
		c.head(q.stream, false, ":status", "200", "content-type", "application/grpc")
		c.data(q.stream, false, message("x"))
		<-time.After(toLast)
		c.head(q.stream, true, "grpc-status", "0")
		c.done(q.stream)
	})
	target := s.target(4, 64, 1)
	target.Protocol = load.GRPC
	p := load.Ask(load.Request{Method: "POST", Path: "/test.Service/Method"})
	samples, _ := generate(t, open(t, g, p, target), load.Load{Rate: 100, Each: 20, Seed: 2})
	checkClasses(t, samples, load.OK)
	checkDelays(t, samples, toFirst, toLast)
}
