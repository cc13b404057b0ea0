package loadtest

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// reset breaks the connection so that the other side sees a reset.
func reset(c *net.TCPConn) { _ = c.SetLinger(0) }

func partly(response string, end func(*net.TCPConn)) answer {
	return func(c *net.TCPConn, _ []string) bool {
		_, _ = c.Write([]byte(response))
		end(c)
		return false
	}
}

// silent answers with a part and then nothing, until the client goes.
func silent(part string) answer {
	return func(c *net.TCPConn, _ []string) bool {
		_, _ = c.Write([]byte(part))
		_, _ = c.Read(make([]byte, 1))
		return false
	}
}

func bytewise(response string) answer {
	return func(c *net.TCPConn, _ []string) bool {
		for i := range len(response) {
			if _, err := c.Write([]byte{response[i]}); err != nil {
				return false
			}
		}
		return true
	}
}

func leave(*net.TCPConn) {}

type outcome struct {
	name   string
	answer answer
	class  load.Class
	status uint16
	first  bool // a first byte arrives
}

var outcomes = []outcome{
	{"200", always(ok), load.OK, 200, true},
	{"204", always("HTTP/1.1 204 No Content\r\n\r\n"), load.OK, 204, true},
	{"302", always("HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"), load.OK, 302, true},
	{"304", always("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), load.OK, 304, true},
	{"404", always("HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx"), load.ClientError, 404, true},
	{"429", always("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"), load.Limited, 429, true},
	{"500", always("HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n"), load.ServerError, 500, true},
	{"503", always("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), load.ServerError, 503, true},
	{"chunked", always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"), load.OK, 200, true},
	{"chunked bytewise", bytewise("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), load.OK, 200, true},
	{"interim", always("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok), load.OK, 200, true},
	{"large", always("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 1_000_000)), load.OK, 200, true},
	{"long header", always("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 100_000) + "\r\nContent-Length: 0\r\n\r\n"), load.OK, 200, true},
	{"says close", partly("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", leave), load.OK, 200, true},
	{"says close and stays", always("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), load.OK, 200, true},
	{"ends by closing", partly("HTTP/1.1 200 OK\r\n\r\nwhole", leave), load.OK, 200, true},
	{"HTTP/1.0", partly("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", leave), load.OK, 200, true},
	{"closes unasked", partly("", leave), load.Reset, 0, false},
	{"resets unasked", partly("", reset), load.Reset, 0, false},
	{failing, late(partly("", reset)), load.Reset, 0, false},
	{"closes in the head", partly("HTTP/1.1 200 OK\r\nConte", leave), load.Reset, 0, true},
	{"closes in the body", partly("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", leave), load.Reset, 0, true},
	{"closes in a chunk", partly("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", leave), load.Reset, 0, true},
	{"garbage", always("SSH-2.0-OpenSSH_9.2\r\n"), load.Malformed, 0, true},
	{"binary garbage", always("\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n\n"), load.Malformed, 0, true},
	{"two framings", always("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), load.Malformed, 200, true},
	{"bad length", always("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), load.Malformed, 200, true},
	{"bad chunk", always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), load.Malformed, 200, true},
	{"silent", silent(""), load.Timeout, 0, false},
	{"silent in the body", silent("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"), load.Timeout, 0, true},
}

// testOutcomes offers one load to all behaviours at once: what one target does
// must not show in another's samples.
func testOutcomes(t *testing.T, g load.Generator) {
	var servers []*server
	var targets []load.Target
	for _, o := range outcomes {
		s := listen(t, o.answer)
		servers, targets = append(servers, s), append(targets, s.target(2, 64))
	}
	session := open(t, g, load.Population{}, targets...)
	const each = 15
	// The timeout is long enough that a busy machine makes no others.
	l := load.Load{Rate: 2000, Each: each, Seed: 4, Timeout: 2 * time.Second}
	samples, stats := generate(t, session, l)
	checkSchedule(t, l, len(targets), load.Population{}, samples, stats)
	checkFailures(t, samples, slices.IndexFunc(outcomes, func(o outcome) bool { return o.name == failing }), l.Timeout)
	counts := make([]int, len(targets))
	for _, s := range samples {
		o := outcomes[s.Target]
		counts[s.Target]++
		if s.Class != o.class || o.status != 0 && s.Status != o.status {
			t.Errorf("%s: class %v, status %d, want %v, %d", o.name, s.Class, s.Status, o.class, o.status)
		}
		if s.Class == load.Reset {
			continue // a reset may overtake the bytes before it
		}
		if (s.FirstByte >= 0) != o.first {
			t.Errorf("%s: first byte at %v", o.name, s.FirstByte)
		}
	}
	for i, n := range counts {
		name := outcomes[i].name
		if n != each {
			t.Errorf("%s: %d samples, want %d", name, n, each)
		}
		if accepted, _ := servers[i].counts(); strings.HasPrefix(name, "says close") && accepted < each {
			t.Errorf("%s: %d connections for %d requests", name, accepted, each)
		}
	}
}

// testDelays holds the timestamps to delays that the server enforces.
func testDelays(t *testing.T, g load.Generator) {
	const toFirst, toLast = 20 * time.Millisecond, 30 * time.Millisecond
	target := listen(t, func(c *net.TCPConn, _ []string) bool {
		<-time.After(toFirst)
		_, _ = c.Write([]byte(ok[:10]))
		<-time.After(toLast)
		_, err := c.Write([]byte(ok[10:]))
		return err == nil
	}).target(8, 64)
	l := load.Load{Rate: 200, Each: 40, Seed: 2}
	samples, stats := generate(t, open(t, g, load.Population{}, target), l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.OK)
	checkDelays(t, samples, toFirst, toLast)
}

// checkDelays holds samples to how long the server takes to the first byte, and
// from there to the last.
func checkDelays(t *testing.T, samples []load.Sample, toFirst, toLast time.Duration) {
	t.Helper()
	apart := 0
	for _, s := range samples {
		if s.FirstByte-s.Written < toFirst || s.Service() < toFirst+toLast {
			t.Errorf("first byte after %v, last after %v: the server takes %v and %v more", s.FirstByte-s.Written, s.Service(), toFirst, toLast)
		}
		if s.LastByte > s.FirstByte {
			apart++
		}
	}
	if apart == 0 { // a machine that is busy hands over some at once
		t.Error("no first byte came before the last")
	}
}

// testTimeoutInLine: a target that answers nothing costs every request its
// timeout, also those that never leave the line.
func testTimeoutInLine(t *testing.T, g load.Generator) {
	dead, well := listen(t, silent("")).target(1, 2), listen(t, always(ok)).target(2, 64)
	l := load.Load{Rate: 1000, Each: 30, Seed: 6, Timeout: time.Second}
	samples, stats := generate(t, open(t, g, load.Population{}, dead, well), l)
	checkSchedule(t, l, 2, load.Population{}, samples, stats)
	written := 0
	for _, s := range samples {
		want := load.OK
		if s.Target == 0 {
			want = load.Timeout
		}
		if s.Class != want {
			t.Errorf("target %d: class %v, want %v", s.Target, s.Class, want)
		}
		if s.Written >= 0 {
			written++
		}
	}
	if stats.Sent != written || !stats.Saturated {
		t.Errorf("%d were written; stats %+v", written, stats)
	}
}
