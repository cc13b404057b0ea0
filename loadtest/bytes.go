package loadtest

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
)

// TestBytes holds a generator that echoes bare bytes, echoes by WebSocket and
// opens connections to its contract.
func TestBytes(t *testing.T, g load.Generator) {
	t.Helper()
	t.Run("Outcomes", func(t *testing.T) { testByteOutcomes(t, g) })
	t.Run("Delays", func(t *testing.T) { testByteDelays(t, g) })
	t.Run("IdleClosed", func(t *testing.T) { testByteIdleClosed(t, g) })
	t.Run("Connect", func(t *testing.T) { testConnect(t, g) })
	t.Run("ConnectRefused", func(t *testing.T) { testConnectRefused(t, g) })
	t.Run("NoUpgrade", func(t *testing.T) { testNoUpgrade(t, g) })
}

// byteServer hands every connection to a function.
type byteServer struct{ door }

func listenBytes(t *testing.T, handle func(net.Conn)) *byteServer {
	t.Helper()
	s := &byteServer{}
	s.attend(t, handle)
	return s
}

func (s *byteServer) target(p load.Protocol, connections, most int) load.Target {
	return load.Target{Name: s.addr, Addr: s.addr, Protocol: p, Connections: connections, MaxConnections: most}
}

const echoSize = 300

// echoing reads each message of echoSize bytes and answers it.
func echoing(answer func(c net.Conn, b []byte) bool) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, echoSize)
		for {
			if _, err := io.ReadFull(c, b); err != nil || !answer(c, b) {
				return
			}
		}
	}
}

func back(c net.Conn, b []byte) bool { _, err := c.Write(b); return err == nil }

// accept answers the upgrade to WebSocket, or does not.
func accept(c net.Conn, in *bufio.Reader) bool {
	q, err := http.ReadRequest(in)
	if err != nil || q.Header.Get("Upgrade") != "websocket" {
		return false
	}
	sum := sha1.Sum([]byte(q.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+
		base64.StdEncoding.EncodeToString(sum[:])+"\r\n\r\n")
	return err == nil
}

// socketing answers each message of echoSize bytes, given as it was meant.
func socketing(answer func(c net.Conn, b []byte) bool) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		if !accept(c, in) {
			return
		}
		for {
			opcode, b, err := readSocket(in)
			if err != nil || opcode == 2 && !answer(c, b) {
				return
			}
		}
	}
}

// readSocket reads a masked frame.
func readSocket(in *bufio.Reader) (opcode byte, b []byte, err error) {
	var head [2]byte
	if _, err = io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	length := int(head[1] & 0x7f)
	if length == 126 {
		var more [2]byte
		if _, err = io.ReadFull(in, more[:]); err != nil {
			return 0, nil, err
		}
		length = int(binary.BigEndian.Uint16(more[:]))
	}
	mask := make([]byte, 4)
	b = make([]byte, length)
	if _, err = io.ReadFull(in, mask); err == nil {
		_, err = io.ReadFull(in, b)
	}
	for i := range b {
		b[i] ^= mask[i&3]
	}
	return head[0] & 0xf, b, err
}

func socketFrame(first byte, b []byte) []byte {
	f := []byte{first, byte(len(b))}
	if len(b) > 125 {
		f = binary.BigEndian.AppendUint16([]byte{first, 126}, uint16(len(b)))
	}
	return append(f, b...)
}

func sendSocket(first byte) func(net.Conn, []byte) bool {
	return func(c net.Conn, b []byte) bool { return back(c, socketFrame(first, b)) }
}

type byteOutcome struct {
	name     string
	protocol load.Protocol
	handle   func(net.Conn)
	class    load.Class
	first    bool
}

var byteOutcomes = []byteOutcome{
	{"echo", load.TCP, echoing(back), load.OK, true},
	{"echo bytewise", load.TCP, echoing(func(c net.Conn, b []byte) bool {
		for i := range b {
			if !back(c, b[i:i+1]) {
				return false
			}
		}
		return true
	}), load.OK, true},
	{"other bytes", load.TCP, echoing(func(c net.Conn, b []byte) bool { b[250]++; return back(c, b) }), load.Malformed, true},
	{"closes", load.TCP, echoing(func(net.Conn, []byte) bool { return false }), load.Reset, false},
	{failing, load.TCP, echoing(func(c net.Conn, _ []byte) bool { return lately(c) }), load.Reset, false},
	{"closes in the echo", load.TCP, echoing(func(c net.Conn, b []byte) bool { back(c, b[:7]); return false }), load.Reset, true},
	{"silent", load.TCP, echoing(func(net.Conn, []byte) bool { return true }), load.Timeout, false},
	{"message", load.WebSocket, socketing(sendSocket(0x82)), load.OK, true},
	{"text", load.WebSocket, socketing(sendSocket(0x81)), load.OK, true},
	{"in fragments, with a ping and a pong among them", load.WebSocket, socketing(func(c net.Conn, b []byte) bool {
		return sendSocket(0x02)(c, b[:1]) && sendSocket(0x89)(c, []byte("?")) && sendSocket(0x00)(c, nil) && sendSocket(0x8a)(c, nil) && sendSocket(0x80)(c, b[1:])
	}), load.OK, true},
	{"other message", load.WebSocket, socketing(func(c net.Conn, b []byte) bool { b[0]++; return sendSocket(0x82)(c, b) }), load.Malformed, true},
	{"short message", load.WebSocket, socketing(func(c net.Conn, b []byte) bool { return sendSocket(0x82)(c, b[1:]) }), load.Malformed, true},
	{"long message", load.WebSocket, socketing(func(c net.Conn, b []byte) bool { return sendSocket(0x82)(c, append(b, b...)) }), load.Malformed, true},
	{"reserved bits", load.WebSocket, socketing(sendSocket(0xc2)), load.Malformed, true},
	{"masked by the server", load.WebSocket, socketing(func(c net.Conn, b []byte) bool { return back(c, []byte{0x82, 0x80 | 1, 0, 0, 0, 0, b[0]}) }), load.Malformed, true},
	{"continues nothing", load.WebSocket, socketing(sendSocket(0x80)), load.Malformed, true},
	{"closes WebSocket", load.WebSocket, socketing(func(c net.Conn, _ []byte) bool { sendSocket(0x88)(c, nil); _, _ = io.Copy(io.Discard, c); return false }), load.Reset, true},
	{"hangs up", load.WebSocket, socketing(func(net.Conn, []byte) bool { return false }), load.Reset, false},
	{failing, load.WebSocket, socketing(func(c net.Conn, _ []byte) bool { return lately(c) }), load.Reset, false},
	{"is silent", load.WebSocket, socketing(func(net.Conn, []byte) bool { return true }), load.Timeout, false},
}

// echoes is a population whose requests have bytes to echo.
func echoes() load.Population {
	return load.Ask(load.Request{Method: "POST", Path: "/chat", Body: echoSize})
}

func testByteOutcomes(t *testing.T, g load.Generator) {
	var targets []load.Target
	for _, o := range byteOutcomes {
		targets = append(targets, listenBytes(t, o.handle).target(o.protocol, 2, 64))
	}
	l := load.Load{Rate: 2000, Each: 12, Seed: 4, Timeout: 2 * time.Second}
	samples, stats := generate(t, open(t, g, echoes(), targets...), l)
	checkSchedule(t, l, len(targets), echoes(), samples, stats)
	for i, o := range byteOutcomes {
		if o.name == failing {
			checkFailures(t, samples, i, l.Timeout)
		}
	}
	for _, s := range samples {
		o := byteOutcomes[s.Target]
		if s.Class != o.class || s.Status != 0 {
			t.Errorf("%s: class %v, status %d, want %v", o.name, s.Class, s.Status, o.class)
		}
		if s.Class != load.Reset && (s.FirstByte >= 0) != o.first {
			t.Errorf("%s: first byte at %v", o.name, s.FirstByte)
		}
	}
}

func testByteDelays(t *testing.T, g load.Generator) {
	const toFirst, toLast = 20 * time.Millisecond, 30 * time.Millisecond
	for protocol, handle := range map[load.Protocol]func(net.Conn){
		load.TCP: echoing(func(c net.Conn, b []byte) bool {
			<-time.After(toFirst)
			back(c, b[:1])
			<-time.After(toLast)
			return back(c, b[1:])
		}),
		load.WebSocket: socketing(func(c net.Conn, b []byte) bool {
			<-time.After(toFirst)
			sendSocket(0x02)(c, b[:1])
			<-time.After(toLast)
			return sendSocket(0x80)(c, b[1:])
		}),
	} {
		samples, _ := generate(t, open(t, g, echoes(), listenBytes(t, handle).target(protocol, 4, 64)), load.Load{Rate: 100, Each: 20, Seed: 2})
		checkClasses(t, samples, load.OK)
		for _, s := range samples {
			if s.FirstByte-s.Written < toFirst || s.Service() < toFirst+toLast {
				t.Errorf("%s: first byte after %v, last after %v: the server takes %v and %v more", protocol, s.FirstByte-s.Written, s.Service(), toFirst, toLast)
			}
		}
	}
}

// testByteIdleClosed: connections that the server closes between loads are no
// outcome of a request.
func testByteIdleClosed(t *testing.T, g load.Generator) {
	for protocol, handle := range map[load.Protocol]func(net.Conn){load.TCP: echoing(back), load.WebSocket: socketing(sendSocket(0x82))} {
		s := listenBytes(t, handle)
		session := open(t, g, echoes(), s.target(protocol, 4, 32))
		for phase := range uint64(3) {
			samples, _ := generate(t, session, load.Load{Rate: 1000, Each: 40, Seed: phase})
			checkClasses(t, samples, load.OK)
			s.hangUp()
		}
	}
}

// testConnect: every request is a connection, opened and closed.
func testConnect(t *testing.T, g load.Generator) {
	const each = 80
	s := listenBytes(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	session := open(t, g, load.Population{}, s.target(load.Connect, 4, 64))
	for _, l := range []load.Load{{Rate: 1000, Each: each, Seed: 1}, {Closed: true, Each: each}} {
		before, _ := s.counts()
		samples, stats := generate(t, session, l)
		checkClasses(t, samples, load.OK)
		for _, sample := range samples {
			checkSample(t, sample)
		}
		if len(samples) != each || stats.Sent != each || stats.Opened != each {
			t.Errorf("%d samples, %+v", len(samples), stats)
		}
		accepted, _ := s.counts()
		for deadline := time.Now().Add(10 * time.Second); accepted < before+each && time.Now().Before(deadline); accepted, _ = s.counts() {
			<-time.After(time.Millisecond) // what the kernel took is accepted a little later
		}
		if n := accepted - before; n != each {
			t.Errorf("the server accepted %d connections, want %d", n, each)
		}
	}
}

func testConnectRefused(t *testing.T, g load.Generator) {
	s := listenBytes(t, func(net.Conn) {})
	session := open(t, g, load.Population{}, s.target(load.Connect, 2, 8))
	_ = s.listener.Close()
	l := load.Load{Rate: 1000, Each: 20, Seed: 1}
	samples, stats := generate(t, session, l)
	checkSchedule(t, l, 1, load.Population{}, samples, stats)
	checkClasses(t, samples, load.Refused)
	var took []time.Duration
	for _, s := range samples {
		took = append(took, s.Failed-s.Intended)
	}
	checkFailed(t, "refused", took, 0)
}

// testNoUpgrade: a server that does not speak WebSocket is no target, and Open
// says so.
func testNoUpgrade(t *testing.T, g load.Generator) {
	target := listen(t, always("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")).target(1, 1)
	target.Protocol = load.WebSocket
	session, err := g.Open(context.Background(), []load.Target{target}, echoes())
	if err == nil {
		_ = session.Close()
		t.Fatal("opened a target that does not speak WebSocket")
	}
	if !strings.Contains(err.Error(), "426") || !strings.Contains(err.Error(), target.Addr) {
		t.Errorf("the error says neither where nor why: %v", err)
	}
}
