//go:build wasip1

// Command wasmgo is every ability of the vectors reach and state that a module
// for proxy-wasm, written in Go, may have: the header x-try of a request says
// which is tried.
package main

import "unsafe"

func main() {} // never called: the host calls what is exported

//go:wasmimport env proxy_get_buffer_bytes
func getBuffer(kind, start, size uint32, data, length *uint32) uint32

//go:wasmimport env proxy_set_buffer_bytes
func setBuffer(kind, start, size uint32, text string) uint32

//go:wasmimport env proxy_get_header_map_value
func getHeader(of uint32, name string, data, length *uint32) uint32

//go:wasmimport env proxy_replace_header_map_value
func setHeader(of uint32, name, value string) uint32

//go:wasmimport env proxy_remove_header_map_value
func removeHeader(of uint32, name string) uint32

//go:wasmimport env proxy_get_property
func getProperty(path string, data, length *uint32) uint32

//go:wasmimport env proxy_send_local_response
func sendResponse(status uint32, details, body, headers string, grpc int32) uint32

//go:wasmimport env proxy_http_call
func httpCall(cluster, headers, body, trailers string, milliseconds uint32, id *uint32) uint32

//go:wasmimport env proxy_set_effective_context
func setContext(id uint32) uint32

//go:wasmimport env proxy_continue_stream
func continueStream(kind uint32) uint32

//go:wasmimport env proxy_call_foreign_function
func callForeign(name, parameters string, results, size *uint32) uint32

//go:wasmimport env proxy_get_shared_data
func getShared(key string, data, length, stamp *uint32) uint32

//go:wasmimport env proxy_set_shared_data
func setShared(key, value string, stamp uint32) uint32

const (
	goOn = 0
	stop = 1

	request  = 0 // headers
	response = 2

	requestBody  = 0
	responseBody = 1
	callBody     = 4

	all = 1 << 16
)

var (
	lent    []byte // memory that the host asked for, to hand a value over
	tries   = map[uint32]string{}
	counted byte
	calling uint32 // the context that waits for an answer
)

//go:wasmexport proxy_abi_version_0_2_1
func version() {}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) unsafe.Pointer {
	lent = make([]byte, max(size, 1))
	return unsafe.Pointer(&lent[0])
}

// taken is what the host has written into the memory that it asked for last.
func taken(status, size uint32) string {
	b := lent
	lent = nil
	if status != 0 || int(size) > len(b) {
		return ""
	}
	return string(b[:size])
}

func header(of uint32, name string) string {
	var data, size uint32
	status := getHeader(of, name, &data, &size)
	return taken(status, size)
}

func buffer(kind uint32) string {
	var data, size uint32
	status := getBuffer(kind, 0, all, &data, &size)
	return taken(status, size)
}

func clearRoute() {
	var data, size uint32
	callForeign("clear_route_cache", "", &data, &size)
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

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(id, _, _ uint32) uint32 {
	tries[id] = header(request, "x-try")
	switch tries[id] {
	case "read-request-head":
		setHeader(request, "x-read", header(request, "x-ask"))
	case "read-connection":
		var data, size uint32
		status := getProperty("source\x00address", &data, &size)
		setHeader(request, "x-read", taken(status, size))
	case "change-request-head":
		setHeader(request, "x-ask", "two")
	case "answer":
		sendResponse(418, "", "tea", "", -1)
		return stop
	case "call":
		calling = id
		var call uint32
		httpCall("other", pairs(":method", "GET", ":path", "/", ":authority", "other"), "", pairs(), 5000, &call)
		return stop
	case "clear-route":
		setHeader(request, ":path", "/elsewhere")
		clearRoute()
	case "choose-cluster":
		setHeader(request, "x-cluster", "other")
		clearRoute()
	}
	return goOn
}

//go:wasmexport proxy_on_http_call_response
func onCallResponse(_, _, _, _, _ uint32) {
	setContext(calling)
	setHeader(request, "x-read", buffer(callBody))
	continueStream(0)
}

//go:wasmexport proxy_on_request_body
func onRequestBody(id, _, end uint32) uint32 {
	switch t := tries[id]; {
	case t != "read-request-body" && t != "change-request-body":
	case end == 0:
		return stop
	case t == "read-request-body":
		tries[id] = "tell " + buffer(requestBody)
	default:
		setBuffer(requestBody, 0, all, "HELLO")
	}
	return goOn
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(id, _, _ uint32) uint32 {
	switch t := tries[id]; t {
	case "read-response-head":
		setHeader(response, "x-read", header(response, "x-origin"))
	case "change-response-head":
		setHeader(response, "x-origin", "away")
	case "change-response-body":
		removeHeader(response, "content-length")
	case "per-worker":
		counted++
		setHeader(response, "x-read", string(rune('0'+counted)))
	case "across-workers", "across-proxies":
		var data, size, stamp uint32
		n, status := byte(0), getShared(t, &data, &size, &stamp)
		if was := taken(status, size); len(was) == 1 {
			n = was[0]
		}
		n++
		setShared(t, string([]byte{n}), 0)
		setHeader(response, "x-read", string(rune('0'+n)))
	default:
		if len(t) > 5 && t[:5] == "tell " { // the head of the request has gone on before its body
			setHeader(response, "x-read", t[5:])
		}
	}
	return goOn
}

//go:wasmexport proxy_on_response_body
func onResponseBody(id, _, end uint32) uint32 {
	switch t := tries[id]; {
	case t != "read-response-body" && t != "change-response-body":
	case end == 0:
		return stop
	case t == "read-response-body": // likewise: what it has read is what it changes
		if buffer(responseBody) == "world" {
			setBuffer(responseBody, 0, all, "known")
		}
	default:
		setBuffer(responseBody, 0, all, "WORLD")
	}
	return goOn
}

//go:wasmexport proxy_on_delete
func onDelete(id uint32) { delete(tries, id) }
