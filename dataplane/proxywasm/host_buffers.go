package proxywasm

func bufferFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_get_buffer_bytes":  answers("iiiii", getBuffer),
		"proxy_get_buffer_status": answers("iii", getBufferStatus),
		"proxy_set_buffer_bytes":  answers("iiiii", setBuffer),
		"proxy_get_configuration": answers("ii", getConfiguration),
	}
}

// body is the body that a buffer's id names, when the guest may look at it.
func (in *instance) body(id uint32) *body {
	if in.here() == nil || id > bufferResponseBody {
		return nil
	}
	if b := &in.stream.bodies[id]; b.open {
		return b
	}
	return nil
}

// buffer finds a buffer. Configurations may be read at any time.
func (in *instance) buffer(id uint64) ([]byte, status) {
	switch b := uint32(id); {
	case b > maximumBuffer:
		return nil, statusBadArgument
	case b == bufferVMConfiguration:
		return in.plugin.config.VMConfiguration, statusOK
	case b == bufferConfiguration:
		return in.plugin.config.Configuration, statusOK
	case b == bufferCallResponseBody && in.response != nil:
		return in.response.Body, statusOK
	case in.body(b) != nil:
		return in.body(b).content, statusOK
	}
	return nil, statusNotFound
}

func getBuffer(in *instance, s []uint64) status {
	b, st := in.buffer(s[0])
	if st != statusOK {
		return st
	}
	start, most := uint32(s[1]), uint32(s[2])
	if start+most < start {
		return statusBadArgument
	}
	from := min(uint64(start), uint64(len(b)))
	to := min(from+uint64(most), uint64(len(b)))
	return in.hand(b[from:to], s[3], s[4])
}

func getBufferStatus(in *instance, s []uint64) status {
	b, st := in.buffer(s[0])
	if st != statusOK {
		return st
	}
	if !in.putWord(s[1], uint32(len(b))) || !in.putWord(s[2], 0) {
		return statusInvalidMemory
	}
	return statusOK
}

// setBuffer changes a body. Other buffers cannot be changed.
func setBuffer(in *instance, s []uint64) status {
	if uint32(s[0]) > maximumBuffer {
		return statusBadArgument
	}
	b := in.body(uint32(s[0]))
	if b == nil {
		return statusNotFound
	}
	data, ok := in.bytes(s[3], s[4])
	if !ok {
		return statusInvalidMemory
	}
	return b.replace(uint32(s[1]), uint32(s[2]), data, in.plugin.limits.BodyBytes)
}

// getConfiguration is ABI 0.1.0's: the plugin's configuration while it is
// configured, else the VM's.
func getConfiguration(in *instance, s []uint64) status {
	if in.running == hookTypes[OnConfigure].export {
		return in.hand(in.plugin.config.Configuration, s[0], s[1])
	}
	return in.hand(in.plugin.config.VMConfiguration, s[0], s[1])
}
