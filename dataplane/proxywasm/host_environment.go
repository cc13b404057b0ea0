package proxywasm

import "time"

func environmentFunctions() map[string]hostFunction {
	return map[string]hostFunction{
		"proxy_log":                          answers("iii", log),
		"proxy_get_log_level":                answers("i", getLogLevel),
		"proxy_get_current_time_nanoseconds": answers("i", getCurrentTime),
		"proxy_set_tick_period_milliseconds": answers("i", setTickPeriod),
		"emscripten_notify_memory_growth":    {types("i"), nil, func(*instance, []uint64) {}},
	}
}

// longestLine is where a line of a guest's log is cut.
const longestLine = 8 << 10

func log(in *instance, s []uint64) status {
	level := Level(s[0])
	if level > Critical {
		return statusBadArgument
	}
	text, ok := in.bytes(s[1], s[2])
	if !ok {
		return statusInvalidMemory
	}
	in.print(level, text)
	return statusOK
}

func (in *instance) print(level Level, text []byte) {
	c := &in.plugin.config
	if c.Log == nil || level < c.LogLevel {
		return
	}
	c.Log(level, string(text[:min(len(text), longestLine)]))
}

func getLogLevel(in *instance, s []uint64) status {
	if !in.putWord(s[0], uint32(in.plugin.config.LogLevel)) {
		return statusInvalidMemory
	}
	return statusOK
}

func getCurrentTime(in *instance, s []uint64) status {
	if !in.putLong(s[0], uint64(time.Now().UnixNano())) {
		return statusInvalidMemory
	}
	return statusOK
}

func setTickPeriod(in *instance, s []uint64) status {
	in.tickEvery(time.Duration(uint32(s[0])) * time.Millisecond)
	return statusOK
}
