package script

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/taremesh/tare/function"
)

// call is what the handle stands for while the script runs.
type call struct {
	x       function.Exchange // nil: no call is under way
	r       function.Response // nil: in envoy_on_request
	log     func(string)
	replied bool
}

// libraries are what a script has of Lua's own.
var libraries = []struct {
	name string
	open lua.LGFunction
}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath}}

// forbidden are functions of theirs that reach out of the script.
var forbidden = []string{"dofile", "loadfile", "print", "collectgarbage", "require", "module", "newproxy"}

// The resolutions of clocks, as scripts name them.
const (
	millisecond = 0
	microsecond = 1
)

// open gives the script what it may use.
func (f *Filter) open() {
	l := f.state
	for _, lib := range libraries {
		l.Push(l.NewFunction(lib.open))
		l.Push(lua.LString(lib.name))
		l.Call(1, 0)
	}
	for _, name := range forbidden {
		l.SetGlobal(name, lua.LNil)
	}
	if text, ok := l.GetGlobal(lua.StringLibName).(*lua.LTable); ok {
		text.RawSetString("rep", l.NewFunction(repeat))
	}
	resolution := l.NewTable()
	resolution.RawSetString("MILLISECOND", lua.LNumber(millisecond))
	resolution.RawSetString("MICROSECOND", lua.LNumber(microsecond))
	l.SetGlobal("EnvoyTimestampResolution", resolution)

	headers := f.object(map[string]lua.LGFunction{"get": f.get, "getNumValues": f.count, "getAtIndex": f.at, "add": f.add, "replace": f.replace, "remove": f.remove})
	metadata := f.object(map[string]lua.LGFunction{"get": f.noted, "set": f.note})
	info := f.object(map[string]lua.LGFunction{"dynamicMetadata": returns(metadata)})
	all := map[string]lua.LGFunction{
		"headers": returns(headers), "streamInfo": returns(info),
		"respond": f.respond, "clearRouteCache": f.clear, "timestamp": timestamp, "timestampString": timestampString,
	}
	for _, level := range []string{"logTrace", "logDebug", "logInfo", "logWarn", "logErr", "logCritical"} {
		all[level] = f.print
	}
	f.handle = f.object(all)
}

// mostRepeated is how long a text may become by one call: memory that is asked
// for at once is had before anything can look at the clock.
const mostRepeated = 1 << 20

func repeat(l *lua.LState) int {
	text, n := l.CheckString(1), max(l.CheckInt(2), 0)
	if len(text) > 0 && n > mostRepeated/len(text) {
		l.RaiseError("string.rep: more than %d bytes are not supported by the embedded data plane", mostRepeated)
	}
	l.Push(lua.LString(strings.Repeat(text, n)))
	return 1
}

// object is a value with methods. One that is not there is an error with its name.
func (f *Filter) object(methods map[string]lua.LGFunction) *lua.LUserData {
	l := f.state
	table := l.SetFuncs(l.NewTable(), methods)
	meta := l.NewTable()
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		method := table.RawGetString(l.CheckString(2))
		if method == lua.LNil {
			l.RaiseError("%s is not supported by the embedded data plane", l.CheckString(2))
		}
		l.Push(method)
		return 1
	}))
	u := l.NewUserData()
	u.Metatable = meta
	return u
}

func returns(v lua.LValue) lua.LGFunction {
	return func(l *lua.LState) int {
		l.Push(v)
		return 1
	}
}

// exchange is the one under way. A script that kept the handle gets an error.
func (f *Filter) exchange(l *lua.LState) function.Exchange {
	if f.call.x == nil {
		l.RaiseError("the handle is used outside of its call")
	}
	return f.call.x
}

func (f *Filter) get(l *lua.LState) int {
	x, name := f.exchange(l), l.CheckString(2)
	var value []byte
	found := true
	switch {
	case f.call.r == nil && name == ":path":
		value = x.Path()
	case f.call.r == nil && name == ":method":
		value = x.Method()
	case f.call.r == nil && name == ":authority":
		value, found = x.Header("host")
	case f.call.r == nil:
		value, found = joined(x, name)
	case name == ":status":
		value = strconv.AppendInt(nil, int64(f.call.r.Status()), 10)
	default:
		value, found = f.call.r.Header(name)
	}
	if !found {
		l.Push(lua.LNil)
		return 1
	}
	l.Push(lua.LString(value))
	return 1
}

// joined is all copies of a request header, with commas between, as Envoy has it.
func joined(x function.Exchange, name string) (value []byte, found bool) {
	function.Copies(x, name, func(copied []byte) bool {
		if found {
			value = append(append(value, ','), copied...)
		} else {
			value, found = append(value, copied...), true
		}
		return true
	})
	return value, found
}

// count is how many copies of a request header there are.
func (f *Filter) count(l *lua.LState) int {
	n := 0
	function.Copies(f.request(l), l.CheckString(2), func([]byte) bool { n++; return true })
	l.Push(lua.LNumber(n))
	return 1
}

// at is one copy of a request header, by its place from 0.
func (f *Filter) at(l *lua.LState) int {
	x, name, i := f.request(l), l.CheckString(2), l.CheckInt(3)
	result := lua.LValue(lua.LNil)
	function.Copies(x, name, func(copied []byte) bool {
		if i == 0 {
			result = lua.LString(copied)
		}
		i--
		return i >= 0
	})
	l.Push(result)
	return 1
}

// request is the exchange in envoy_on_request.
func (f *Filter) request(l *lua.LState) function.Exchange {
	x := f.exchange(l)
	if f.call.r != nil {
		l.RaiseError("copies of a response's header are not supported by the embedded data plane")
	}
	return x
}

func (f *Filter) add(l *lua.LState) int {
	x, name, value := f.exchange(l), l.CheckString(2), []byte(l.CheckString(3))
	if f.call.r != nil {
		f.call.r.AddHeader(name, value)
		return 0
	}
	x.AddHeader(name, value)
	return 0
}

func (f *Filter) replace(l *lua.LState) int {
	x, name, value := f.exchange(l), l.CheckString(2), []byte(l.CheckString(3))
	switch {
	case f.call.r == nil:
		x.SetHeader(name, value)
	case name == ":status":
		status, err := strconv.Atoi(string(value))
		if err != nil {
			l.RaiseError("status %q is no number", value)
		}
		f.call.r.SetStatus(status)
	default:
		f.call.r.SetHeader(name, value)
	}
	return 0
}

func (f *Filter) remove(l *lua.LState) int {
	x, name := f.exchange(l), l.CheckString(2)
	if f.call.r != nil {
		f.call.r.RemoveHeader(name)
		return 0
	}
	x.RemoveHeader(name)
	return 0
}

// noted is what is kept under a name: a table whose fields are looked up one
// by one.
func (f *Filter) noted(l *lua.LState) int {
	prefix := l.CheckString(2) + "."
	meta := l.NewTable()
	meta.RawSetString("__index", l.NewFunction(func(l *lua.LState) int {
		value, found := f.exchange(l).Note(prefix + l.CheckString(2))
		if !found {
			l.Push(lua.LNil)
			return 1
		}
		l.Push(lua.LString(value))
		return 1
	}))
	table := l.NewTable()
	table.Metatable = meta
	l.Push(table)
	return 1
}

func (f *Filter) note(l *lua.LState) int {
	f.exchange(l).SetNote(l.CheckString(2)+"."+l.CheckString(3), []byte(l.CheckString(4)))
	return 0
}

// respond answers the request.
func (f *Filter) respond(l *lua.LState) int {
	x, headers, body := f.exchange(l), l.CheckTable(2), l.OptString(3, "")
	if f.call.r != nil {
		l.RaiseError("respond: not in envoy_on_response")
	}
	status, err := strconv.Atoi(lua.LVAsString(headers.RawGetString(":status")))
	if err != nil || status < 200 || status > 599 {
		l.RaiseError(":status must be from 200 to 599")
	}
	headers.ForEach(func(name, value lua.LValue) {
		if n := name.String(); n[0] != ':' {
			x.AddResponseHeader(n, []byte(value.String()))
		}
	})
	x.Reply(status, body)
	f.call.replied = true
	return 0
}

func (f *Filter) clear(l *lua.LState) int {
	f.exchange(l).ClearRoute()
	return 0
}

func timestamp(l *lua.LState) int {
	if l.OptInt(2, millisecond) != millisecond {
		l.RaiseError("timestamp: only EnvoyTimestampResolution.MILLISECOND is supported")
	}
	l.Push(lua.LNumber(time.Now().UnixMilli()))
	return 1
}

func timestampString(l *lua.LState) int {
	now := time.Now()
	n := now.UnixMilli()
	if l.OptInt(2, millisecond) == microsecond {
		n = now.UnixMicro()
	}
	l.Push(lua.LString(strconv.FormatInt(n, 10)))
	return 1
}

func (f *Filter) print(l *lua.LState) int {
	f.call.log(fmt.Sprint(l.CheckString(2)))
	return 0
}
