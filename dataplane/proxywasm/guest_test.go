package proxywasm_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/taremesh/tare/dataplane/proxywasm"
	. "github.com/taremesh/tare/dataplane/proxywasm/assembly"
)

// The memory of test guests: texts lie from 1024 on, results from 512 on, and
// the allocator hands out what lies beyond 4096, round and round.
const (
	out      = 512 // where results are put
	out2     = 516
	out3     = 520
	textsAt  = 1024
	heapAt   = 4096
	heapMost = 1 << 16
)

// guest is a proxy-wasm module in the making.
type guest struct {
	Module
	texts int32
}

// newGuest begins a module. Imports come before anything else, so they are given.
func newGuest(abi string, imports map[string][2]string) (*guest, map[string]Func) {
	g := &guest{texts: textsAt}
	funcs := map[string]Func{}
	for _, name := range sorted(imports) {
		funcs[name] = g.Import("env", name, imports[name][0], imports[name][1])
	}
	g.Memory(2, 1000)
	heap := g.Global(heapAt)
	g.Func("proxy_abi_version_"+abi, "", "", 0)
	g.Func("proxy_on_memory_allocate", "i", "i", 1,
		GetGlobal(heap), Get(0), Add, I32(heapMost), GtU, If(I32(heapAt), SetGlobal(heap)),
		GetGlobal(heap), Set(1), GetGlobal(heap), Get(0), Add, SetGlobal(heap), Get(1))
	return g, funcs
}

func sorted(m map[string][2]string) []string {
	var names []string
	for n := range m {
		i := 0
		for i < len(names) && names[i] < n {
			i++
		}
		names = append(names[:i], append([]string{n}, names[i:]...)...)
	}
	return names
}

// text puts a text into memory, and is the code for its address and length.
func (g *guest) text(s string) []byte {
	at := g.texts
	g.Data(at, s)
	g.texts += int32(len(s))
	return Join(I32(at), I32(int32(len(s))))
}

// onRequest makes the hook of the request's head.
func (g *guest) onRequest(code ...[]byte) Func {
	return g.Func("proxy_on_request_headers", "iii", "i", 4, code...)
}

// must drops a status, and traps unless it is the one that is wanted.
func must(status int32, code []byte) []byte {
	return Join(code, I32(status), Ne, If(Unreachable))
}

// exchange is a request and a response in a test.
type exchange struct {
	maps       [4]*fields
	properties map[string]string
}

func newExchange() *exchange {
	return &exchange{
		maps: [4]*fields{
			{{":method", "GET"}, {":path", "/pull"}, {":authority", "hub"}, {"x-user", "ada"}},
			nil,
			{{":status", "200"}, {"server", "hub"}},
			nil,
		},
		properties: map[string]string{"source\x00address": "127.0.0.1:4711"},
	}
}

func (x *exchange) Fields(m proxywasm.Map) proxywasm.Fields {
	if f := x.maps[m]; f != nil {
		return f
	}
	return nil
}

func (x *exchange) Property(path []byte) ([]byte, bool) {
	v, ok := x.properties[string(path)]
	return []byte(v), ok
}

func (x *exchange) get(m proxywasm.Map, name string) string {
	v, _ := x.maps[m].Get([]byte(name))
	return string(v)
}

// fields are Fields as the plane might keep them.
type fields [][2]string

func (f *fields) Len() int { return len(*f) }

func (f *fields) At(i int) (name, value []byte) { return []byte((*f)[i][0]), []byte((*f)[i][1]) }

func (f *fields) Get(name []byte) ([]byte, bool) {
	var found []string
	for _, x := range *f {
		if strings.EqualFold(x[0], string(name)) {
			found = append(found, x[1])
		}
	}
	return []byte(strings.Join(found, ",")), found != nil
}

func (f *fields) Set(name, value []byte) {
	f.Remove(name)
	f.Add(name, value)
}

func (f *fields) Add(name, value []byte) { *f = append(*f, [2]string{string(name), string(value)}) }

func (f *fields) Remove(name []byte) {
	var kept fields
	for _, x := range *f {
		if !strings.EqualFold(x[0], string(name)) {
			kept = append(kept, x)
		}
	}
	*f = kept
}

// journal keeps what guests log.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) log(l proxywasm.Level, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, l.String()+" "+text)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// load loads a plugin that is closed when the test ends.
func load(t testing.TB, c proxywasm.Config) *proxywasm.Plugin {
	t.Helper()
	p, err := proxywasm.Load(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func stream(t testing.TB, p *proxywasm.Plugin, x proxywasm.Exchange) *proxywasm.Stream {
	t.Helper()
	s, err := p.Stream(x)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var _ = bytes.Equal
