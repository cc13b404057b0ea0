// Command dynmodgo is every ability of the vectors reach and state that a dynamic
// module of Envoy 1.40, written in Go, may have: the header x-try of a request
// says which is tried.
package main

/*
#cgo LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#include "abi.h"
*/
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

func main() {} // never called: Envoy calls what is exported

// request is what is tried with one request.
type request struct{ tries string }

// The counts of the vector state. Go has no memory that is a thread's own.
var workers, everyones, proxies atomic.Uint32

//export envoy_dynamic_module_on_http_filter_new
func envoy_dynamic_module_on_http_filter_new(config, filter C.uintptr_t) C.uintptr_t {
	return C.uintptr_t(cgo.NewHandle(new(request)))
}

//export envoy_dynamic_module_on_http_filter_destroy
func envoy_dynamic_module_on_http_filter_destroy(ours C.uintptr_t) { cgo.Handle(ours).Delete() }

func of(ours C.uintptr_t) *request { return cgo.Handle(ours).Value().(*request) }

//export envoy_dynamic_module_on_http_filter_request_headers
func envoy_dynamic_module_on_http_filter_request_headers(filter, ours C.uintptr_t, end C.bool) C.int {
	r := of(ours)
	r.tries = get(filter, C.request_headers, "x-try")
	switch r.tries {
	case "read-request-head":
		set(filter, C.request_headers, "x-read", get(filter, C.request_headers, "x-ask"))
	case "read-request-body":
		return C.stop
	case "read-connection":
		var value C.buffer
		C.envoy_dynamic_module_callback_http_filter_get_attribute_string(filter, C.source_address, &value)
		set(filter, C.request_headers, "x-read", copied(value))
	case "change-request-head":
		set(filter, C.request_headers, "x-ask", "two")
	case "change-request-body":
		remove(filter, C.request_headers, "content-length")
		return C.stop
	case "answer":
		C.envoy_dynamic_module_callback_http_send_response(filter, 418, nil, 0, lent("tea"), lent("tried"))
		return C.stop
	case "call":
		C.ask(filter)
		return C.stop_all
	case "clear-route":
		set(filter, C.request_headers, ":path", "/elsewhere")
		C.envoy_dynamic_module_callback_http_clear_route_cache(filter)
	case "choose-cluster":
		set(filter, C.request_headers, "x-cluster", "other")
		C.envoy_dynamic_module_callback_http_clear_route_cache(filter)
	}
	return C.go_on
}

//export envoy_dynamic_module_on_http_filter_http_callout_done
func envoy_dynamic_module_on_http_filter_http_callout_done(filter, ours C.uintptr_t, id C.uint64_t, result C.int, headers *C.field, fields C.size_t, chunks *C.buffer, count C.size_t) {
	set(filter, C.request_headers, "x-read", joined(unsafe.Slice(chunks, int(count))))
	C.envoy_dynamic_module_callback_http_filter_continue_decoding(filter)
}

//export envoy_dynamic_module_on_http_filter_request_body
func envoy_dynamic_module_on_http_filter_request_body(filter, ours C.uintptr_t, end C.bool) C.int {
	switch tries := of(ours).tries; {
	case tries != "read-request-body" && tries != "change-request-body":
	case !bool(end):
		return C.stop
	case tries == "read-request-body":
		set(filter, C.request_headers, "x-read", body(filter, C.request_body))
	default:
		replace(filter, C.request_body, "HELLO")
	}
	return C.go_on
}

//export envoy_dynamic_module_on_http_filter_response_headers
func envoy_dynamic_module_on_http_filter_response_headers(filter, ours C.uintptr_t, end C.bool) C.int {
	switch of(ours).tries {
	case "read-response-head":
		set(filter, C.response_headers, "x-read", get(filter, C.response_headers, "x-origin"))
	case "read-response-body":
		return C.stop
	case "change-response-head":
		set(filter, C.response_headers, "x-origin", "away")
	case "change-response-body":
		remove(filter, C.response_headers, "content-length")
		return C.stop
	case "per-worker":
		count(filter, &workers)
	case "across-workers":
		count(filter, &everyones)
	case "across-proxies":
		count(filter, &proxies)
	}
	return C.go_on
}

func count(filter C.uintptr_t, n *atomic.Uint32) {
	set(filter, C.response_headers, "x-read", string(rune('0'+n.Add(1))))
}

//export envoy_dynamic_module_on_http_filter_response_body
func envoy_dynamic_module_on_http_filter_response_body(filter, ours C.uintptr_t, end C.bool) C.int {
	switch tries := of(ours).tries; {
	case tries != "read-response-body" && tries != "change-response-body":
	case !bool(end):
		return C.stop
	case tries == "read-response-body":
		set(filter, C.response_headers, "x-read", body(filter, C.response_body))
	default:
		replace(filter, C.response_body, "WORLD")
	}
	return C.go_on
}

func get(filter C.uintptr_t, side C.int, name string) string {
	var value C.buffer
	C.envoy_dynamic_module_callback_http_get_header(filter, side, lent(name), &value, 0, nil)
	return copied(value)
}

func set(filter C.uintptr_t, side C.int, name, value string) {
	C.envoy_dynamic_module_callback_http_set_header(filter, side, lent(name), lent(value))
}

func remove(filter C.uintptr_t, side C.int, name string) {
	C.envoy_dynamic_module_callback_http_set_header(filter, side, lent(name), C.buffer{})
}

// body is what is held of a body, and what has come.
func body(filter C.uintptr_t, of C.int) (all string) {
	for _, kind := range []C.int{of + 1, of} {
		chunks := make([]C.buffer, C.envoy_dynamic_module_callback_http_get_body_chunks_size(filter, kind))
		if len(chunks) > 0 && bool(C.envoy_dynamic_module_callback_http_get_body_chunks(filter, kind, &chunks[0])) {
			all += joined(chunks)
		}
	}
	return all
}

func replace(filter C.uintptr_t, of C.int, text string) {
	for _, kind := range []C.int{of + 1, of} {
		if size := C.envoy_dynamic_module_callback_http_get_body_size(filter, kind); size > 0 {
			C.envoy_dynamic_module_callback_http_drain_body(filter, kind, size)
		}
	}
	C.envoy_dynamic_module_callback_http_append_body(filter, of, lent(text))
}

func joined(chunks []C.buffer) (all string) {
	for _, c := range chunks {
		all += copied(c)
	}
	return all
}

func copied(b C.buffer) string { return C.GoStringN(b.data, C.int(b.size)) }

// lent shows a text to Envoy for one call.
func lent(text string) C.buffer {
	return C.buffer{(*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.size_t(len(text))}
}
