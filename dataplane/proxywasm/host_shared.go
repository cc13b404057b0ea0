package proxywasm

import "bytes"

// mostKnown is the longest key that an instance remembers having read, with
// where its value is: what a guest has read it mostly writes next.
const mostKnown = 256

func sharedFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_get_shared_data":       answers("iiiii", getSharedData),
		"proxy_set_shared_data":       answers("iiiii", setSharedData),
		"proxy_register_shared_queue": answers("iii", registerQueue),
		"proxy_resolve_shared_queue":  answers("iiiii", resolveQueue),
		"proxy_enqueue_shared_queue":  answers("iii", enqueue),
		"proxy_dequeue_shared_queue":  answers("iii", dequeue),
	}
}

// getSharedData copies the value before it asks the guest for memory: the guest
// must not run while the data is locked.
func getSharedData(in *instance, s []uint64) status {
	key, ok := in.bytes(s[0], s[1])
	if !ok {
		return statusInvalidMemory
	}
	value, cas, at := in.plugin.space.get(in.scratch[:0], key)
	in.stamp()
	if in.scratch = value; at == nil {
		return statusNotFound
	}
	if len(key) <= mostKnown {
		in.known, in.knownAt = append(in.known[:0], key...), at
	}
	if st := in.hand(value, s[2], s[3]); st != statusOK {
		return st
	}
	if !in.putWord(s[4], cas) {
		return statusInvalidMemory
	}
	return statusOK
}

func setSharedData(in *instance, s []uint64) status {
	key, data, ok := in.read(s[0], s[1], s[2], s[3])
	if !ok {
		return statusInvalidMemory
	}
	var at *value
	if in.knownAt != nil && bytes.Equal(key, in.known) {
		at = in.knownAt
	}
	return in.plugin.space.set(key, data, uint32(s[4]), at)
}

func registerQueue(in *instance, s []uint64) status {
	name, ok := in.bytes(s[0], s[1])
	if !ok || !in.putWord(s[2], 0) {
		return statusInvalidMemory
	}
	p := in.plugin
	id, st := p.shared.register(p, p.config.VMID, name)
	if st == statusOK {
		p.keeps.Store(true)
		in.putWord(s[2], id)
	}
	return st
}

// resolveQueue takes an empty VM id for the guest's own.
func resolveQueue(in *instance, s []uint64) status {
	vm, name, ok := in.read(s[0], s[1], s[2], s[3])
	if !ok {
		return statusInvalidMemory
	}
	owner := string(vm)
	if owner == "" {
		owner = in.plugin.config.VMID
	}
	id, found := in.plugin.shared.resolve(owner, string(name))
	if !found {
		return statusNotFound
	}
	if !in.putWord(s[4], id) {
		return statusInvalidMemory
	}
	return statusOK
}

func enqueue(in *instance, s []uint64) status {
	item, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	owner, st := in.plugin.shared.enqueue(uint32(s[0]), item)
	if owner != nil {
		owner.announce(uint32(s[0]), in)
	}
	return st
}

func dequeue(in *instance, s []uint64) status {
	if !in.putWord(s[1], 0) || !in.putWord(s[2], 0) {
		return statusInvalidMemory // before the item is lost
	}
	item, st := in.plugin.shared.dequeue(uint32(s[0]))
	if st != statusOK {
		return st
	}
	return in.hand(item, s[1], s[2])
}
