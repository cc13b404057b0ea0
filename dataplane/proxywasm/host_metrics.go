package proxywasm

func metricFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_define_metric":    answers("iiii", defineMetric),
		"proxy_increment_metric": answers("il", incrementMetric),
		"proxy_record_metric":    answers("il", recordMetric),
		"proxy_get_metric":       answers("ii", getMetric),
	}
}

func defineMetric(in *instance, s []uint64) status {
	name, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	id, st := in.plugin.metrics.define(uint32(s[0]), name)
	if st == statusOK && !in.putWord(s[3], id) {
		return statusInvalidMemory
	}
	return st
}

func incrementMetric(in *instance, s []uint64) status {
	return in.plugin.metrics.increment(uint32(s[0]), int64(s[1]))
}

func recordMetric(in *instance, s []uint64) status {
	return in.plugin.metrics.record(uint32(s[0]), s[1])
}

func getMetric(in *instance, s []uint64) status {
	value, st := in.plugin.metrics.get(uint32(s[0]))
	if st == statusOK && !in.putLong(s[1], value) {
		return statusInvalidMemory
	}
	return st
}
