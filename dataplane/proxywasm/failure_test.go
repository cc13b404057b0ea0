package proxywasm_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// TestFailures lets a guest fail in every way, on requests that ask for it, and
// sees that another stream, which stands meanwhile, and later ones are served.
func TestFailures(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		name   string
		reason error
		code   func(*guest, imports) []byte
	}{
		{"trap", proxywasm.ErrTrap, func(*guest, imports) []byte { return Unreachable }},
		{"endless loop", proxywasm.ErrDeadline, func(*guest, imports) []byte { return Loop(Br(0)) }},
		{"endless loop of host calls", proxywasm.ErrDeadline, func(g *guest, f imports) []byte {
			return Loop(Call(f["log"], I32(2), g.text("x")), Drop, Br(0))
		}},
		{"endless recursion", proxywasm.ErrTrap, func(_ *guest, f imports) []byte { return Call(f["self"]) }},
		{"eats memory", proxywasm.ErrMemory, func(*guest, imports) []byte {
			return Loop(I32(1), MemoryGrow, I32(-1), Eq, If(Unreachable), Br(0))
		}},
		{"eats memory in giant bites", proxywasm.ErrTrap, func(*guest, imports) []byte {
			return Join(I32(1<<15), MemoryGrow, I32(-1), Eq, If(Unreachable))
		}},
		{"wild pointer", proxywasm.ErrTrap, func(*guest, imports) []byte { return Join(I32(-4), Load(0), Drop) }},
		{"wild pointers to the host", proxywasm.ErrTrap, func(_ *guest, f imports) []byte {
			return Join(
				must(6, Call(f["log"], I32(2), I32(-100), I32(200))),
				must(6, Call(f["log"], I32(2), I32(1<<30), I32(1))),
				must(6, Call(f["log"], I32(2), I32(0), I32(-1))),
				must(6, Call(f["get_header_map_value"], I32(0), I32(-1), I32(9), I32(out), I32(out2))),
				Unreachable)
		}},
		{"result to a wild pointer", proxywasm.ErrTrap, func(g *guest, f imports) []byte {
			return Join(must(6, Call(f["get_header_map_value"], I32(0), g.text(":path"), I32(-1), I32(-5))), Unreachable)
		}},
		{"process ended", proxywasm.ErrExit, func(g *guest, f imports) []byte { return Call(f["exit"], I32(0)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &guest{texts: textsAt}
			f := imports{"exit": g.Import("wasi_snapshot_preview1", "proc_exit", "i", "")}
			for _, name := range []string{"get_header_map_value", "log"} {
				s := signatures["proxy_"+name]
				f[name] = g.Import("env", "proxy_"+name, s[0], s[1])
			}
			g.body("0_2_1", "malloc")
			const self = 5 // three imports and two functions stand before it
			if f["self"] = g.Func("", "", "", 0, Call(self)); f["self"] != self {
				t.Fatalf("the function is number %d", f["self"])
			}
			g.onRequest(g.whenHeader(f, "x-bad", c.code(g, f)), I32(0))
			deadline := time.Minute // a busy machine must not make one failure of another
			if c.reason == proxywasm.ErrDeadline {
				deadline = 20 * time.Millisecond
			}
			p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Deadline: deadline, MemoryBytes: limit}})
			good, bad := stream(t, p, newExchange()), newExchange()
			bad.maps[proxywasm.RequestHeaders].Add([]byte("x-bad"), []byte("1"))
			s := stream(t, p, bad)
			if a := s.RequestHeaders(true); a != proxywasm.Pause {
				t.Errorf("action %d", a)
			}
			var failure *proxywasm.Failure
			if err := s.Err(); !errors.Is(err, c.reason) || !errors.As(err, &failure) || failure.In != "proxy_on_request_headers" {
				t.Errorf("failed with %v, not %v", err, c.reason)
			}
			if b, a := s.RequestBody([]byte("x"), true); a != proxywasm.Pause || b != nil {
				t.Errorf("after its failure: %q, %d", b, a)
			}
			if err := s.Wait(t.Context()); err == nil || err != s.Err() {
				t.Errorf("waited for it: %v", err)
			}
			s.End()
			if a := good.RequestHeaders(true); a != proxywasm.Continue {
				t.Errorf("the other stream: %d, %v", a, good.Err())
			}
			good.End()
			for range 3 {
				s := stream(t, p, newExchange())
				if a := s.RequestHeaders(true); a != proxywasm.Continue {
					t.Errorf("a later stream: %d, %v", a, s.Err())
				}
				s.End()
			}
			if st := p.Stats(); st.Failures() != 1 || st.Instances != 1 || st.Started != 2 || st.Idle != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestOthersGoOn serves streams while a guest loops, on one processor.
func TestOthersGoOn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	g, f := newGuest("0_2_1", "get_header_map_value")
	g.onRequest(g.whenHeader(f, "x-bad", Loop(Br(0))), I32(0))
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Deadline: 500 * time.Millisecond}})
	bad := newExchange()
	bad.maps[proxywasm.RequestHeaders].Add([]byte("x-bad"), []byte("1"))
	s := stream(t, p, bad)
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		close(begun)
		s.RequestHeaders(true)
	}()
	<-begun
	for range 30 {
		other := stream(t, p, newExchange())
		if a := other.RequestHeaders(true); a != proxywasm.Continue {
			t.Errorf("%d, %v", a, other.Err())
		}
		other.End()
		runtime.Gosched() // to the guest that loops
	}
	select {
	case <-ended:
		t.Errorf("the guest had ended before others were served: %v", s.Err())
	default:
	}
	<-ended
	if !errors.Is(s.Err(), proxywasm.ErrDeadline) {
		t.Error(s.Err())
	}
	s.End()
}

// TestNetworkGoesOn does the same with others that wait for the network: they
// are asked for only when nothing can run, or every 10 ms, which would be too
// seldom for what is sent to and fro here.
func TestNetworkGoesOn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const rounds = 60
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g, _ := newGuest("0_2_1")
	g.onRequest(Loop(Br(0)), Unreachable)
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Deadline: 500 * time.Millisecond}})
	s := stream(t, p, newExchange())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.RequestHeaders(true)
	}()
	b := make([]byte, 1)
	for range rounds {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-ended:
		t.Errorf("the guest had ended before %d rounds were done", rounds)
	default:
	}
	<-ended
	s.End()
}

// TestMemoryLimit holds memory to the limit, to the page.
func TestMemoryLimit(t *testing.T) {
	g, f := newGuest("0_2_1", "log")
	g.onRequest(Loop(I32(1), MemoryGrow, I32(-1), Ne, BrIf(0)), MemorySize, I32(10), Ne, If(Unreachable), g.say(f, "10 pages"), I32(0))
	var j journal
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Log: j.log, Limits: proxywasm.Limits{Deadline: time.Minute, MemoryBytes: 11<<16 - 1}})
	s := stream(t, p, newExchange())
	if s.RequestHeaders(true); j.text() != "info 10 pages" {
		t.Error(j.text(), s.Err())
	}
	s.End()
}

// TestBusy refuses more streams than instances.
func TestBusy(t *testing.T) {
	g, _ := newGuest("0_2_1")
	p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Instances: 2}})
	a, b := stream(t, p, newExchange()), stream(t, p, newExchange())
	if _, err := p.Stream(newExchange()); !errors.Is(err, proxywasm.ErrBusy) {
		t.Errorf("a third stream: %v", err)
	}
	a.End()
	b.End()
	stream(t, p, newExchange()).End()
}

// TestAllocator fails guests whose allocator misbehaves, and answers one that
// has nothing left.
func TestAllocator(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   func(imports, *guest) []byte
		status int32
		reason error
	}{
		{"has nothing", func(imports, *guest) []byte { return I32(0) }, 6, nil},
		{"points beyond memory", func(imports, *guest) []byte { return I32(-16) }, 6, nil},
		{"traps", func(imports, *guest) []byte { return Unreachable }, 0, proxywasm.ErrTrap},
		{"loops", func(imports, *guest) []byte { return Join(Loop(Br(0)), Unreachable) }, 0, proxywasm.ErrDeadline},
		{"asks for memory itself", func(f imports, g *guest) []byte {
			return Join(Call(f["get_header_map_value"], I32(0), g.text(":path"), I32(out), I32(out2)))
		}, 0, proxywasm.ErrTrap},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &guest{texts: textsAt}
			s := signatures["proxy_get_header_map_value"]
			f := imports{"get_header_map_value": g.Import("env", "proxy_get_header_map_value", s[0], s[1])}
			g.Memory(1, 2)
			g.Func("proxy_abi_version_0_2_1", "", "", 0)
			g.Func("malloc", "i", "i", 0, c.code(f, g))
			g.onRequest(must(c.status, Call(f["get_header_map_value"], I32(0), g.text(":path"), I32(out), I32(out2))), I32(0))
			p := load(t, proxywasm.Config{Name: "p", Module: g.Bytes(), Limits: proxywasm.Limits{Deadline: 10 * time.Millisecond}})
			x := stream(t, p, newExchange())
			x.RequestHeaders(true)
			if err := x.Err(); !errors.Is(err, c.reason) {
				t.Errorf("%v, not %v", err, c.reason)
			}
			x.End()
		})
	}
}
