package proxywasm

import (
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// status is what a host function answers.
type status uint32

// The statuses of the ABI that this host answers.
const (
	statusOK              status = 0
	statusNotFound        status = 1
	statusBadArgument     status = 2
	statusInvalidMemory   status = 6
	statusEmpty           status = 7
	statusCASMismatch     status = 8
	statusInternalFailure status = 10
	statusUnimplemented   status = 12
)

// The buffers and maps of the ABI beside those of a stream.
const (
	bufferResponseBody     = 1
	bufferCallResponseBody = 4
	bufferVMConfiguration  = 6
	bufferConfiguration    = 7
	maximumBuffer          = 8

	mapCallHeaders  = 6
	mapCallTrailers = 7
	maximumMap      = 7
)

// version is an ABI version that a module may be written for.
type version int

const (
	version010 version = iota
	version020
	version021
)

// markers are the exports that say for which version a module is written,
// newest first.
var markers = []struct {
	export  string
	version version
}{
	{"proxy_abi_version_0_2_1", version021},
	{"proxy_abi_version_0_2_0", version020},
	{"proxy_abi_version_0_1_0", version010},
}

// Hook is a function of the guest that the host calls.
type Hook int

// The hooks of a stream, and those that Sees is not asked for.
const (
	OnRequestHeaders Hook = iota
	OnRequestBody
	OnRequestTrailers
	OnResponseHeaders
	OnResponseBody
	OnResponseTrailers
	OnDone
	OnLog
	OnDelete
	OnContextCreate
	OnVMStart
	OnConfigure
	OnTick
	OnQueueReady
	OnCallResponse
	OnRequest // stands for all of a stream, see whole.go
	hookCount
)

// hookTypes are the names and types of the hooks, by Hook: i32 parameters,
// and whether there is an i32 result.
var hookTypes = [hookCount]struct {
	export  string
	params  int
	results int
}{
	OnRequestHeaders:   {"proxy_on_request_headers", 3, 1},
	OnRequestBody:      {"proxy_on_request_body", 3, 1},
	OnRequestTrailers:  {"proxy_on_request_trailers", 2, 1},
	OnResponseHeaders:  {"proxy_on_response_headers", 3, 1},
	OnResponseBody:     {"proxy_on_response_body", 3, 1},
	OnResponseTrailers: {"proxy_on_response_trailers", 2, 1},
	OnDone:             {"proxy_on_done", 1, 1},
	OnLog:              {"proxy_on_log", 1, 0},
	OnDelete:           {"proxy_on_delete", 1, 0},
	OnContextCreate:    {"proxy_on_context_create", 2, 0},
	OnVMStart:          {"proxy_on_vm_start", 2, 1},
	OnConfigure:        {"proxy_on_configure", 2, 1},
	OnTick:             {"proxy_on_tick", 1, 0},
	OnQueueReady:       {"proxy_on_queue_ready", 2, 0},
	OnCallResponse:     {"proxy_on_http_call_response", 5, 0},
	OnRequest:          {"tare_on_request", 2, 1},
}

// String is the hook's name as the module exports it.
func (h Hook) String() string {
	if h < 0 || h >= hookCount {
		return "unknown hook"
	}
	return hookTypes[h].export
}

// The functions that give memory to the host, by preference.
var allocators = []string{"proxy_on_memory_allocate", "malloc"}

// guest is what was found in a compiled module.
type guest struct {
	version   version
	sees      [hookCount]bool
	allocator string
	// starts are called in order when an instance is made.
	starts []string
}

// inspect reads what the host needs to know of a module.
func inspect(m wazero.CompiledModule) (guest, error) {
	exports := m.ExportedFunctions()
	var g guest
	if err := g.mark(exports); err != nil {
		return g, err
	}
	for h, t := range hookTypes {
		def, ok := exports[t.export]
		if !ok {
			continue
		}
		params := t.params
		if g.version == version010 && (Hook(h) == OnRequestHeaders || Hook(h) == OnResponseHeaders) {
			params = 2 // without end_of_stream
		}
		if !numbers(def.ParamTypes(), params) || !numbers(def.ResultTypes(), t.results) {
			return g, fmt.Errorf("its export %s has another type than its ABI version says", t.export)
		}
		g.sees[h] = true
	}
	for _, name := range allocators {
		def, ok := exports[name]
		if ok && numbers(def.ParamTypes(), 1) && numbers(def.ResultTypes(), 1) {
			g.allocator = name
			break
		}
	}
	if g.allocator == "" {
		return g, fmt.Errorf("it exports neither %s nor %s: the host cannot hand it anything", allocators[0], allocators[1])
	}
	return g, g.starting(exports)
}

func (g *guest) mark(exports map[string]api.FunctionDefinition) error {
	for _, m := range markers {
		if _, ok := exports[m.export]; ok {
			g.version = m.version
			return nil
		}
	}
	for name := range exports {
		if len(name) > 18 && name[:18] == "proxy_abi_version_" {
			return fmt.Errorf("it is written for %s; this host knows 0.2.1, 0.2.0 and 0.1.0", name)
		}
	}
	return fmt.Errorf("it is no proxy-wasm module: it exports no proxy_abi_version_…")
}

func (g *guest) starting(exports map[string]api.FunctionDefinition) error {
	if _, ok := exports["_initialize"]; !ok {
		if _, ok := exports["_start"]; ok {
			g.starts = []string{"_start"}
		}
		return g.plain(exports)
	}
	g.starts = []string{"_initialize"}
	if main, ok := exports["main"]; ok && numbers(main.ParamTypes(), 2) {
		g.starts = append(g.starts, "main")
	}
	return g.plain(exports)
}

// plain holds _initialize and _start to their type.
func (g *guest) plain(exports map[string]api.FunctionDefinition) error {
	if len(g.starts) == 0 {
		return nil
	}
	def := exports[g.starts[0]]
	if len(def.ParamTypes()) > 0 || len(def.ResultTypes()) > 0 {
		return fmt.Errorf("its export %s takes or returns something", g.starts[0])
	}
	return nil
}

// numbers reports whether types are n times i32.
func numbers(types []api.ValueType, n int) bool {
	if len(types) != n {
		return false
	}
	for _, t := range types {
		if t != api.ValueTypeI32 {
			return false
		}
	}
	return true
}
