//go:build dynmod && cgo

// Command dynmod is package inside as a dynamic module of Envoy 1.40 (ABI
// v0.2.0): go build -tags dynmod -buildmode=c-shared.
package main

/*
#cgo LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#include "abi.h"
*/
import "C"

import (
	"runtime/cgo"
	"time"
	"unsafe"

	"github.com/taremesh/tare/guest/inside"
)

func main() {} // never called: Envoy calls what is exported

// buckets are the process's: all workers share them. Their keys hold the rate,
// so that a new configuration begins anew where it says another.
var buckets = &inside.Memory{Now: func() int64 { return int64(time.Since(start)) }}

var start = time.Now()

// request is one request, as long as Envoy has its filter.
type request struct {
	host
	inside.Stream
}

//export envoy_dynamic_module_on_http_filter_config_new
func envoy_dynamic_module_on_http_filter_config_new(envoy C.uintptr_t, name, config C.buffer) C.uintptr_t {
	f, err := inside.New(C.GoStringN(config.data, C.int(config.size)), buckets)
	if err != nil {
		say(C.level_error, "tare: configuration: "+err.Error())
		return 0
	}
	return C.uintptr_t(cgo.NewHandle(f))
}

//export envoy_dynamic_module_on_http_filter_config_destroy
func envoy_dynamic_module_on_http_filter_config_destroy(config C.uintptr_t) {
	cgo.Handle(config).Delete()
}

//export envoy_dynamic_module_on_http_filter_new
func envoy_dynamic_module_on_http_filter_new(config, filter C.uintptr_t) C.uintptr_t {
	f := cgo.Handle(config).Value().(inside.Filter)
	return C.uintptr_t(cgo.NewHandle(&request{host{filter}, f.Stream()}))
}

//export envoy_dynamic_module_on_http_filter_destroy
func envoy_dynamic_module_on_http_filter_destroy(filter C.uintptr_t) { cgo.Handle(filter).Delete() }

//export envoy_dynamic_module_on_http_filter_request_headers
func envoy_dynamic_module_on_http_filter_request_headers(envoy, filter C.uintptr_t, end C.bool) C.int {
	r := cgo.Handle(filter).Value().(*request)
	if r.Request(r.host) {
		return C.headers_continue
	}
	return C.headers_stop
}

//export envoy_dynamic_module_on_http_filter_response_headers
func envoy_dynamic_module_on_http_filter_response_headers(envoy, filter C.uintptr_t, end C.bool) C.int {
	r := cgo.Handle(filter).Value().(*request)
	r.Response(r.host)
	return C.headers_continue
}

// host is Envoy's filter.
type host struct{ filter C.uintptr_t }

var _ inside.Host = host{}

func (h host) Value(name string) (string, bool) {
	v, n := h.value(name, 0)
	return v, n > 0
}

func (h host) Values(name string) (all []string) {
	v, n := h.value(name, 0)
	for i := range n {
		if i > 0 {
			v, _ = h.value(name, i)
		}
		all = append(all, v)
	}
	return all
}

// value is one copy of a request header, and how many there are.
func (h host) value(name string, i int) (string, int) {
	var result C.buffer
	var count C.size_t
	C.envoy_dynamic_module_callback_http_get_header(h.filter, C.request_headers, lend(name), &result, C.size_t(i), &count)
	return C.GoStringN(result.data, C.int(result.size)), int(count)
}

func (h host) Set(of inside.Side, name, value string) {
	C.envoy_dynamic_module_callback_http_set_header(h.filter, side(of), lend(name), given(value))
}

func (h host) Add(of inside.Side, name, value string) {
	C.envoy_dynamic_module_callback_http_add_header(h.filter, side(of), lend(name), given(value))
}

// given is a header's value. An empty one is none to Envoy, which then removes
// the header; a space is not a part of a value (RFC 9110 5.5), and HTTP/1.1
// drops it.
func given(value string) C.buffer {
	if value == "" {
		return lend(" ")
	}
	return lend(value)
}

// Remove sets no value.
func (h host) Remove(of inside.Side, name string) {
	C.envoy_dynamic_module_callback_http_set_header(h.filter, side(of), lend(name), C.buffer{})
}

func (h host) ClearRoute() { C.envoy_dynamic_module_callback_http_clear_route_cache(h.filter) }

// Reply copies into memory that is not Go's: what holds pointers may not be
// handed over otherwise.
func (h host) Reply(status int, headers [][2]string, body string) {
	size := C.size_t(max(len(headers), 1)) * C.size_t(unsafe.Sizeof(C.field{}))
	memory := C.malloc(size)
	defer C.free(memory)
	fields := unsafe.Slice((*C.field)(memory), len(headers))
	for i, f := range headers {
		name, value := C.CString(f[0]), C.CString(f[1])
		defer C.free(unsafe.Pointer(name))
		defer C.free(unsafe.Pointer(value))
		fields[i] = C.field{C.buffer{name, C.size_t(len(f[0]))}, C.buffer{value, C.size_t(len(f[1]))}}
	}
	C.envoy_dynamic_module_callback_http_send_response(h.filter, C.uint32_t(status), (*C.field)(memory), C.size_t(len(headers)), lend(body), lend("tare"))
}

func side(of inside.Side) C.int {
	if of == inside.Response {
		return C.response_headers
	}
	return C.request_headers
}

// lend shows a text to Envoy for one call.
func lend(text string) C.buffer {
	return C.buffer{(*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))}
}

func say(level C.int, text string) { C.envoy_dynamic_module_callback_log(level, lend(text)) }
