//go:build wasip1

// Command wasm is package inside as a proxy-wasm module, ABI 0.2.1:
// GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
package main

import (
	"unsafe"

	"github.com/taremesh/tare/guest/inside"
)

func main() {} // never called: the host calls what is exported

// What the host calls with.
const (
	proceed = 0
	pause   = 1

	statusOK = 0

	requestHeaders  = 0
	responseHeaders = 2

	pluginConfiguration = 7

	errorLevel = 4
)

var (
	filter  inside.Filter
	streams = map[uint32]*stream{}
	lent    []byte // memory that the host asked for, to hand a value over
)

type stream struct {
	host
	inside.Stream
}

//go:wasmexport proxy_abi_version_0_2_1
func version() {}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) unsafe.Pointer {
	lent = make([]byte, max(size, 1))
	return unsafe.Pointer(&lent[0])
}

//go:wasmexport proxy_on_configure
func onConfigure(_ uint32, size uint32) uint32 {
	var data, length uint32
	text := ""
	if size > 0 && proxyGetBufferBytes(pluginConfiguration, 0, size, &data, &length) == statusOK {
		text = taken(length)
	}
	f, err := inside.New(text, shared{})
	if err != nil {
		proxyLog(errorLevel, "configuration: "+err.Error())
		return 0
	}
	filter = f
	return 1
}

//go:wasmexport proxy_on_context_create
func onContextCreate(id, parent uint32) {
	if parent != 0 && filter != nil {
		streams[id] = &stream{Stream: filter.Stream()}
	}
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, _, _ uint32) uint32 {
	s := streams[id]
	if s == nil || s.Request(&s.host) {
		return proceed
	}
	return pause
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, _, _ uint32) uint32 {
	if s := streams[id]; s != nil {
		s.Response(&s.host)
	}
	return proceed
}

//go:wasmexport proxy_on_delete
func onDelete(id uint32) { delete(streams, id) }

// taken is what the host has written into the memory that it asked for last.
func taken(size uint32) string {
	b := lent
	lent = nil
	if int(size) > len(b) {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b), size)
}
