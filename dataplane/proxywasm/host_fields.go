package proxywasm

func fieldFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_get_header_map_size":      answers("ii", getMapSize),
		"proxy_get_header_map_pairs":     answers("iii", getMapPairs),
		"proxy_set_header_map_pairs":     answers("iii", setMapPairs),
		"proxy_get_header_map_value":     answers("iiiii", getMapValue),
		"proxy_add_header_map_value":     answers("iiiii", changeMap(Fields.Add)),
		"proxy_replace_header_map_value": answers("iiiii", changeMap(Fields.Set)),
		"proxy_remove_header_map_value":  answers("iii", removeMapValue),
	}
}

// fields finds a map; nil: there is none now.
func (in *instance) fields(id uint64) Fields {
	m := uint32(id)
	switch {
	case m > maximumMap:
		return nil
	case m == mapCallHeaders && in.response != nil:
		return list(in.response.Headers)
	case m == mapCallTrailers && in.response != nil:
		return list(in.response.Trailers)
	case m > uint32(ResponseTrailers):
		return nil
	}
	x := in.here()
	if x == nil {
		return nil
	}
	return x.Fields(Map(m))
}

// getMapSize answers the size of all pairs, serialised.
func getMapSize(in *instance, s []uint64) status {
	f := in.fields(s[0])
	if f == nil {
		return statusBadArgument
	}
	if !in.putWord(s[1], uint32(pairsSize(f))) {
		return statusInvalidMemory
	}
	return statusOK
}

func getMapPairs(in *instance, s []uint64) status {
	f := in.fields(s[0])
	if f == nil {
		return statusBadArgument
	}
	in.scratch = appendPairs(in.scratch[:0], f)
	return in.hand(in.scratch, s[1], s[2])
}

// setMapPairs puts other pairs in the place of all. What was there is removed
// by name, as Fields have no other way.
func setMapPairs(in *instance, s []uint64) status {
	f := in.fields(s[0])
	if f == nil {
		return statusBadArgument
	}
	b, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	if in.pairs, ok = readPairs(in.pairs, b); !ok {
		return statusBadArgument
	}
	for n := f.Len(); n > 0; n = min(n-1, f.Len()) {
		name, _ := f.At(n - 1)
		in.scratch = append(in.scratch[:0], name...)
		f.Remove(in.scratch)
	}
	for _, p := range in.pairs {
		if len(p.name) > 0 && p.name[0] == ':' {
			f.Set(p.name, p.value)
			continue
		}
		f.Add(p.name, p.value)
	}
	return statusOK
}

// getMapValue answers "not found" for a name that is not there, but to modules
// of ABI 0.1.0 an empty value, as Envoy does.
func getMapValue(in *instance, s []uint64) status {
	f := in.fields(s[0])
	if f == nil {
		return statusBadArgument
	}
	name, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	value, found := f.Get(name)
	if !found && in.plugin.guest.version != version010 {
		return statusNotFound
	}
	return in.hand(value, s[3], s[4])
}

// changeMap gives a name and a value to a map.
func changeMap(change func(f Fields, name, value []byte)) func(*instance, []uint64) status {
	return func(in *instance, s []uint64) status {
		f := in.fields(s[0])
		if f == nil {
			return statusBadArgument
		}
		name, value, ok := in.read(s[1], s[2], s[3], s[4])
		if !ok {
			return statusInvalidMemory
		}
		change(f, name, value)
		return statusOK
	}
}

func removeMapValue(in *instance, s []uint64) status {
	f := in.fields(s[0])
	if f == nil {
		return statusBadArgument
	}
	name, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	f.Remove(name)
	return statusOK
}
