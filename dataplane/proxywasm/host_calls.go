package proxywasm

import (
	"slices"
	"time"
)

func callFunctions() map[string]hostFunction {
	unimplemented := func(*instance, []uint64) status { return statusUnimplemented }
	return map[string]hostFunction{
		"proxy_http_call":             answers("iiiiiiiiii", httpCall),
		"proxy_grpc_call":             answers("iiiiiiiiiiii", unimplemented),
		"proxy_grpc_stream":           answers("iiiiiiiii", unimplemented),
		"proxy_grpc_send":             answers("iiii", unimplemented),
		"proxy_grpc_cancel":           answers("i", unimplemented),
		"proxy_grpc_close":            answers("i", unimplemented),
		"proxy_get_status":            answers("iii", getStatus),
		"proxy_call_foreign_function": answers("iiiiii", callForeignFunction),
	}
}

// needed are the pseudo-headers without which nothing can be called.
var needed = []string{":authority", ":method", ":path"}

func httpCall(in *instance, s []uint64) status {
	cluster, body, ok := in.read(s[0], s[1], s[4], s[5])
	headers, trailers, readable := in.read(s[2], s[3], s[6], s[7])
	if !ok || !readable || !in.putWord(s[9], 0) {
		return statusInvalidMemory
	}
	p := in.plugin
	call := Call{Cluster: string(cluster), Body: slices.Clone(body), Timeout: time.Duration(uint32(s[8])) * time.Millisecond}
	if p.config.Call == nil || p.config.Cluster != nil && !p.config.Cluster(call.Cluster) {
		return statusBadArgument
	}
	if in.pairs, ok = readPairs(in.pairs, headers); !ok {
		return statusBadArgument
	}
	call.Headers = fieldsOf(in.pairs)
	if in.pairs, ok = readPairs(in.pairs, trailers); !ok {
		return statusBadArgument
	}
	call.Trailers = fieldsOf(in.pairs)
	for _, name := range needed {
		if !slices.ContainsFunc(call.Headers, func(f Field) bool { return f.Name == name }) {
			return statusBadArgument
		}
	}
	if in.calls >= p.limits.Calls || len(body) > p.limits.BodyBytes {
		return statusInternalFailure
	}
	id, ok := in.send(call)
	if !ok {
		return statusInternalFailure
	}
	in.putWord(s[9], id)
	return statusOK
}

// getStatus has something to say of gRPC only.
func getStatus(in *instance, s []uint64) status {
	if !in.putWord(s[0], 0) || !in.putWord(s[1], 0) || !in.putWord(s[2], 0) {
		return statusInvalidMemory
	}
	return statusOK
}

// callForeignFunction knows one function, Envoy's way to have the route looked
// for again.
func callForeignFunction(in *instance, s []uint64) status {
	name, _, ok := in.read(s[0], s[1], s[2], s[3])
	switch {
	case !ok:
		return statusInvalidMemory
	case string(name) == "clear_route_cache":
		return clearRouteCache(in, nil)
	}
	return statusNotFound
}
