package proxywasm

import (
	"slices"
	"strings"
)

func streamFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_send_local_response":   answers("iiiiiiii", sendLocalResponse),
		"proxy_continue_stream":       answers("i", continueStream),
		"proxy_continue_request":      answers("", continueRequest),
		"proxy_continue_response":     answers("", continueResponse),
		"proxy_close_stream":          answers("i", closeStream),
		"proxy_clear_route_cache":     answers("", clearRouteCache),
		"proxy_set_effective_context": answers("i", setEffectiveContext),
		"proxy_done":                  answers("", done),
		"proxy_get_property":          answers("iiii", getProperty),
		"proxy_set_property":          answers("iiii", setProperty),
	}
}

// lastStreamType is the highest stream type of the ABI; the first two are HTTP's.
const lastStreamType = 3

func sendLocalResponse(in *instance, s []uint64) status {
	details, body, ok := in.read(s[1], s[2], s[3], s[4])
	headers, readable := in.bytes(s[5], s[6])
	if !ok || !readable {
		return statusInvalidMemory
	}
	code := uint32(s[0])
	if in.pairs, ok = readPairs(in.pairs, headers); !ok || code < 200 || code > 599 || in.here() == nil {
		return statusBadArgument
	}
	st := &in.stream
	if st.sent {
		st.closed = true // the head of another response has gone on
		return statusOK
	}
	if st.replied {
		return statusOK // the first one counts
	}
	st.replied = true
	st.reply = Reply{
		Status:     int(code),
		Details:    string(details),
		Headers:    fieldsOf(in.pairs),
		Body:       slices.Clone(body),
		GRPCStatus: int32(s[7]),
	}
	return statusOK
}

// continueStream lets a direction go on. To a context other than the stream's
// there is nothing to let go on.
func continueStream(in *instance, s []uint64) status {
	switch way := uint32(s[0]); {
	case way > lastStreamType:
		return statusBadArgument
	case way > uint32(response):
		return statusUnimplemented
	default:
		return in.goOn(int(way))
	}
}

func continueRequest(in *instance, _ []uint64) status { return in.goOn(int(request)) }

func continueResponse(in *instance, _ []uint64) status { return in.goOn(int(response)) }

func (in *instance) goOn(way int) status {
	if in.here() == nil {
		return statusBadArgument
	}
	in.stream.paused[way] = false
	in.stream.continued[way] = true
	return statusOK
}

func closeStream(in *instance, s []uint64) status {
	if uint32(s[0]) > lastStreamType || in.here() == nil {
		return statusBadArgument
	}
	in.stream.closed = true
	return statusOK
}

// clearRouteCache has the route looked for again, where the plane has routes.
func clearRouteCache(in *instance, _ []uint64) status {
	if r, ok := in.here().(Routed); ok {
		r.ClearRoute()
	}
	return statusOK
}

func setEffectiveContext(in *instance, s []uint64) status {
	id := uint32(s[0])
	if id != rootContext && (id == 0 || id != in.stream.id) && !slices.Contains(in.lingering, id) {
		return statusBadArgument
	}
	in.effective = id
	return statusOK
}

// done is called for a context whose on_done was answered with false.
func done(in *instance, _ []uint64) status {
	i := slices.Index(in.lingering, in.effective)
	if i < 0 {
		return statusNotFound
	}
	in.finished = append(in.finished, in.lingering[i])
	in.lingering = slices.Delete(in.lingering, i, i+1)
	return statusOK
}

// getProperty looks at what the host knows, at what the guest has set, and then
// asks the plane.
func getProperty(in *instance, s []uint64) status {
	path, ok := in.bytes(s[0], s[1])
	if !ok {
		return statusInvalidMemory
	}
	value, ok := in.property(path)
	if !ok {
		return statusNotFound
	}
	return in.hand(value, s[2], s[3])
}

func (in *instance) property(path []byte) ([]byte, bool) {
	switch c := &in.plugin.config; string(path) {
	case "plugin_name", "plugin_name\x00":
		return []byte(c.Name), true
	case "plugin_root_id", "plugin_root_id\x00":
		return []byte(c.RootID), true
	case "plugin_vm_id", "plugin_vm_id\x00":
		return []byte(c.VMID), true
	}
	x := in.here()
	if x == nil {
		return nil, false
	}
	if n := len(path); n > 0 && path[n-1] == 0 {
		path = path[:n-1] // some modules end the last part with a NUL as well
	}
	for i := range in.stream.set {
		if in.stream.set[i].path == string(path) {
			return in.stream.set[i].value, true
		}
	}
	return x.Property(path)
}

// setProperty keeps a property for as long as the stream lives. Other plugins
// do not see it.
func setProperty(in *instance, s []uint64) status {
	path, value, ok := in.read(s[0], s[1], s[2], s[3])
	st := &in.stream
	switch {
	case !ok:
		return statusInvalidMemory
	case in.here() == nil:
		return statusNotFound
	case st.setBytes+len(path)+len(value) > in.plugin.limits.Properties:
		return statusInternalFailure
	}
	name := strings.TrimSuffix(string(path), "\x00")
	st.setBytes += len(path) + len(value)
	for i := range st.set {
		if st.set[i].path == name {
			st.set[i].value = slices.Clone(value)
			return statusOK
		}
	}
	st.set = append(st.set, property{name, slices.Clone(value)})
	return statusOK
}
