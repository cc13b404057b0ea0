package proxywasm_test

import (
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

// signatures are the functions that test guests import from env.
var signatures = map[string][2]string{
	"proxy_log":                          {"iii", "i"},
	"proxy_get_log_level":                {"i", "i"},
	"proxy_get_current_time_nanoseconds": {"i", "i"},
	"proxy_set_tick_period_milliseconds": {"i", "i"},
	"proxy_get_header_map_size":          {"ii", "i"},
	"proxy_get_header_map_pairs":         {"iii", "i"},
	"proxy_set_header_map_pairs":         {"iii", "i"},
	"proxy_get_header_map_value":         {"iiiii", "i"},
	"proxy_add_header_map_value":         {"iiiii", "i"},
	"proxy_replace_header_map_value":     {"iiiii", "i"},
	"proxy_remove_header_map_value":      {"iii", "i"},
	"proxy_get_buffer_bytes":             {"iiiii", "i"},
	"proxy_get_buffer_status":            {"iii", "i"},
	"proxy_set_buffer_bytes":             {"iiiii", "i"},
	"proxy_get_configuration":            {"ii", "i"},
	"proxy_send_local_response":          {"iiiiiiii", "i"},
	"proxy_continue_stream":              {"i", "i"},
	"proxy_continue_request":             {"", "i"},
	"proxy_continue_response":            {"", "i"},
	"proxy_clear_route_cache":            {"", "i"},
	"proxy_close_stream":                 {"i", "i"},
	"proxy_set_effective_context":        {"i", "i"},
	"proxy_done":                         {"", "i"},
	"proxy_get_property":                 {"iiii", "i"},
	"proxy_set_property":                 {"iiii", "i"},
	"proxy_get_shared_data":              {"iiiii", "i"},
	"proxy_set_shared_data":              {"iiiii", "i"},
	"proxy_register_shared_queue":        {"iii", "i"},
	"proxy_resolve_shared_queue":         {"iiiii", "i"},
	"proxy_enqueue_shared_queue":         {"iii", "i"},
	"proxy_dequeue_shared_queue":         {"iii", "i"},
	"proxy_define_metric":                {"iiii", "i"},
	"proxy_increment_metric":             {"il", "i"},
	"proxy_record_metric":                {"il", "i"},
	"proxy_get_metric":                   {"ii", "i"},
	"proxy_http_call":                    {"iiiiiiiiii", "i"},
	"proxy_grpc_call":                    {"iiiiiiiiiiii", "i"},
	"proxy_call_foreign_function":        {"iiiiii", "i"},
	"proxy_get_status":                   {"iii", "i"},
}

// imports are functions that a test guest imports, by their names without "proxy_".
type imports map[string]Func

// newGuest begins a module for a version of the ABI, with functions by their
// names without "proxy_", as imports come before anything else.
func newGuest(abi string, names ...string) (*guest, imports) {
	g := &guest{texts: textsAt}
	f := imports{}
	for _, name := range names {
		t := signatures["proxy_"+name]
		f[name] = g.Import("env", "proxy_"+name, t[0], t[1])
	}
	g.body(abi, "proxy_on_memory_allocate")
	return g, f
}

// body adds what each guest has.
func (g *guest) body(abi, allocator string) {
	g.Memory(2, 1000)
	heap := g.Global(heapAt)
	g.Func("proxy_abi_version_"+abi, "", "", 0)
	g.Func(allocator, "i", "i", 1,
		GetGlobal(heap), Get(0), Add, I32(heapMost), GtU, If(I32(heapAt), SetGlobal(heap)),
		GetGlobal(heap), Set(1), GetGlobal(heap), Get(0), Add, SetGlobal(heap), Get(1))
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

// whenHeader is code that runs when the request has a header.
func (g *guest) whenHeader(f imports, name string, code ...[]byte) []byte {
	return Join(Call(f["get_header_map_value"], I32(0), g.text(name), I32(out), I32(out2)), Eqz, If(code...))
}

// say logs a text at the level "info".
func (g *guest) say(f imports, text string) []byte {
	return must(0, Call(f["log"], I32(2), g.text(text)))
}

// put sets a header of a map to a piece of memory whose address and size are
// in out and out2.
func (g *guest) put(f imports, m proxywasm.Map, name string) []byte {
	return must(0, Call(f["replace_header_map_value"], I32(int32(m)), g.text(name), I32(out), Load(0), I32(out2), Load(0)))
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

func (x *exchange) field(m proxywasm.Map, name string) string {
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
