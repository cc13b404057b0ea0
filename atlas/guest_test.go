package atlas_test

import . "github.com/taremesh/tare/dataplane/proxywasm/assembly"

// The memory of a guest: results at 512 and on, texts from 1024, and beyond
// 8192 what the allocator hands out, round and round.
const (
	result     = 512
	resultSize = 516
	counter    = 520
	textsAt    = 1024
	heapAt     = 8192
	heapMost   = 1 << 16
)

// The maps and buffers of proxy-wasm.
const (
	requestHead  = 0
	responseHead = 2
	requestBody  = 0
	responseBody = 1
	callBody     = 4
)

// guest is a proxy-wasm module in the making.
type guest struct {
	Module
	texts int32
	call  map[string]Func
}

// params are those of the functions of the host.
var params = map[string]string{
	"get_header_map_value": "iiiii", "replace_header_map_value": "iiiii", "get_buffer_bytes": "iiiii", "set_buffer_bytes": "iiiii",
	"get_property": "iiii", "send_local_response": "iiiiiiii", "call_foreign_function": "iiiiii",
	"get_shared_data": "iiiii", "set_shared_data": "iiiii",
	"http_call": "iiiiiiiiii", "set_effective_context": "i", "continue_stream": "i",
}

// newGuest begins a module that may call some of them: what a host lacks, no
// module may so much as name.
func newGuest(names ...string) *guest {
	g := &guest{texts: textsAt, call: map[string]Func{}}
	for _, name := range append(names, "replace_header_map_value") {
		g.call[name] = g.Import("env", "proxy_"+name, params[name], "i")
	}
	g.Memory(2, 100)
	heap := g.Global(heapAt)
	g.Func("proxy_abi_version_0_2_1", "", "", 0)
	g.Func("proxy_on_memory_allocate", "i", "i", 1,
		GetGlobal(heap), Get(0), Add, I32(heapMost), GtU, If(I32(heapAt), SetGlobal(heap)),
		GetGlobal(heap), Set(1), GetGlobal(heap), Get(0), Add, SetGlobal(heap), Get(1))
	return g
}

// text puts a text into memory, and is the code for its address and length.
func (g *guest) text(s string) []byte {
	at := g.texts
	g.Data(at, s)
	g.texts += int32(len(s))
	return Join(I32(at), I32(int32(len(s))))
}

// must traps unless the host says that it has done it.
func (g *guest) must(name string, arguments ...[]byte) []byte {
	return Join(Call(g.call[name], arguments...), If(Unreachable))
}

// set gives a header a text.
func (g *guest) set(head int32, name, value string) []byte {
	return g.must("replace_header_map_value", I32(head), g.text(name), g.text(value))
}

// tell gives the header x-read what lies at result.
func (g *guest) tell(head int32) []byte {
	return g.must("replace_header_map_value", I32(head), g.text("x-read"), I32(result), Load(0), I32(resultSize), Load(0))
}

// pairs is a map as proxy-wasm writes it down.
func pairs(all ...string) string {
	word := func(n int) string { return string([]byte{byte(n), byte(n >> 8), 0, 0}) }
	sizes, texts := word(len(all)/2), ""
	for _, s := range all {
		sizes += word(len(s))
		texts += s + "\x00"
	}
	return sizes + texts
}

// clear has the route looked for again.
func (g *guest) clear() []byte {
	return g.must("call_foreign_function", g.text("clear_route_cache"), I32(0), I32(0), I32(result), I32(resultSize))
}

// on makes the hook of a head; it goes on, or with 1 waits where there is more
// to come.
func (g *guest) on(hook string, wait int32, code ...[]byte) *guest {
	g.Func("proxy_on_"+hook, "iii", "i", 0, append(code, Get(2), Eqz, I32(wait), Mul)...)
	return g
}

// whole makes the hook of a body that waits for all of it.
func (g *guest) whole(hook string, code ...[]byte) *guest {
	g.Func("proxy_on_"+hook, "iii", "i", 0, append(append([][]byte{Get(2), Eqz, If(I32(1), Return)}, code...), I32(0))...)
	return g
}
