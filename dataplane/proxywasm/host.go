package proxywasm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/api"
)

// hostFunction is a function that guests may import. It finds its parameters in
// the stack, and puts its result, when it has one, into the first place.
type hostFunction struct {
	params  []api.ValueType
	results []api.ValueType
	call    func(*instance, []uint64)
}

// The types of parameters, written short: i is an i32, l an i64.
func types(letters string) []api.ValueType {
	all := make([]api.ValueType, len(letters))
	for i, l := range letters {
		all[i] = api.ValueTypeI32
		if l == 'l' {
			all[i] = api.ValueTypeI64
		}
	}
	return all
}

// answers makes a host function that answers with a status.
func answers(letters string, f func(*instance, []uint64) status) hostFunction {
	return hostFunction{types(letters), types("i"), func(in *instance, s []uint64) {
		in.watch.charge(0)
		s[0] = uint64(f(in, s))
	}}
}

// hostModules are the functions that guests may import, by module and name.
func hostModules() map[string]map[string]hostFunction {
	env := map[string]hostFunction{}
	for _, group := range []map[string]hostFunction{
		fieldFunctions(), bufferFunctions(), streamFunctions(), sharedFunctions(), metricFunctions(), callFunctions(), environmentFunctions(),
	} {
		for name, f := range group {
			env[name] = f
		}
	}
	wasi := wasiFunctions()
	return map[string]map[string]hostFunction{
		"env":                    env,
		"wasi_snapshot_preview1": wasi,
		"wasi_unstable":          wasi,
	}
}

// provide registers what the module imports, and refuses by name what this
// host does not have.
func (p *Plugin) provide(ctx context.Context) error {
	known := hostModules()
	known[meterModule] = map[string]hostFunction{meterFunction: {nil, types("i"), func(in *instance, s []uint64) {
		in.watch.check()
		s[0] = slice
	}}}
	wanted := map[string][]string{}
	for _, def := range p.compiled.ImportedFunctions() {
		module, name, _ := def.Import()
		f, ok := known[module][name]
		if !ok {
			return fmt.Errorf("it imports %s.%s, which this host does not have", module, name)
		}
		if !slices.Equal(def.ParamTypes(), f.params) || !slices.Equal(def.ResultTypes(), f.results) {
			return fmt.Errorf("it imports %s.%s with another type than the ABI's", module, name)
		}
		if !slices.Contains(wanted[module], name) {
			wanted[module] = append(wanted[module], name)
		}
	}
	if len(p.compiled.ImportedMemories()) > 0 {
		return fmt.Errorf("it imports a memory; a proxy-wasm module brings its own")
	}
	for module, names := range wanted {
		b := p.runtime.NewHostModuleBuilder(module)
		for _, name := range names {
			f := known[module][name]
			b.NewFunctionBuilder().WithGoFunction(bound(f.call), f.params, f.results).Export(name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("provide %s: %w", strings.Join(names, ", "), err)
		}
	}
	return nil
}

// bound finds the instance that a host function works for: it is the context
// that the call of the guest was made with. (The engine's other kind of host
// function, which is handed the module, is dearer.)
func bound(call func(*instance, []uint64)) api.GoFunc {
	return func(ctx context.Context, stack []uint64) { call(ctx.(*instance), stack) }
}

// bytes reads a piece of the guest's memory, which stands until the guest runs.
// While the module's start function runs, there is none to be read.
func (in *instance) bytes(ptr, size uint64) ([]byte, bool) {
	if in.memory == nil {
		return nil, size == 0
	}
	if uint32(size) == 0 {
		return nil, true
	}
	in.watch.charge(int(uint32(size)))
	return in.memory.Read(uint32(ptr), uint32(size))
}

func (in *instance) putWord(ptr uint64, v uint32) bool {
	return in.memory != nil && in.memory.WriteUint32Le(uint32(ptr), v)
}

func (in *instance) putLong(ptr uint64, v uint64) bool {
	return in.memory != nil && in.memory.WriteUint64Le(uint32(ptr), v)
}

// hand gives a value to the guest: in memory from its own allocator, whose
// address and size it finds where it said. An empty value has the address 0.
func (in *instance) hand(value []byte, at, sizeAt uint64) status {
	address := uint32(0)
	if len(value) > 0 {
		in.watch.charge(len(value))
		var st status
		if address, st = in.memoryFor(len(value)); st != statusOK {
			return st
		}
		if !in.memory.Write(address, value) {
			return statusInvalidMemory
		}
	}
	if !in.putWord(at, address) || !in.putWord(sizeAt, uint32(len(value))) {
		return statusInvalidMemory
	}
	return statusOK
}

// memoryFor asks the guest for memory. When its allocator fails, so does the
// call that it is part of.
func (in *instance) memoryFor(size int) (uint32, status) {
	if in.allocate == nil || in.memory == nil {
		return 0, statusInternalFailure // its start function runs: nothing can be called yet
	}
	if in.allocating {
		panic(errReentry)
	}
	if address, ok := in.lent.take(size); ok && in.stream.id != 0 && in.effective == in.stream.id {
		return address, statusOK
	}
	in.allocating = true
	in.small[0] = uint64(size)
	effective := in.effective
	if err := in.allocate.CallWithStack(in, in.small[:]); err != nil {
		panic(err)
	}
	in.effective = effective
	in.allocating = false
	if address := uint32(in.small[0]); address != 0 {
		return address, statusOK
	}
	return 0, statusInvalidMemory
}

// read reads two pieces of memory, as most functions have a name and a value.
func (in *instance) read(ptrA, sizeA, ptrB, sizeB uint64) (a, b []byte, ok bool) {
	a, okA := in.bytes(ptrA, sizeA)
	b, okB := in.bytes(ptrB, sizeB)
	return a, b, okA && okB
}

// here is the exchange that host functions act on; nil when the effective
// context is not the stream's.
func (in *instance) here() Exchange {
	if in.effective != in.stream.id || in.stream.id == 0 {
		return nil
	}
	return in.stream.exchange
}
