package proxywasm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// rootContext is the id of each instance's plugin context. Streams count on
// from it.
const rootContext = 1

// mostLingering is how many finished streams a guest may keep back by answering
// on_done with false; the oldest is finished for it when there are more.
const mostLingering = 1000

// instance is one instantiation of the module. One goroutine uses it at a time.
//
// It is itself the context that guest calls carry, so that host functions find
// it without an allocation and without a search.
type instance struct {
	plugin   *Plugin
	module   api.Module
	memory   api.Memory
	hooks    [hookCount]api.Function
	allocate api.Function
	lent     lent
	wants    []want // of a guest that takes requests whole
	whole    bool   // it does so now

	stack      [8]uint64 // parameters and result of a hook
	small      [1]uint64 // those of the allocator
	running    string    // what the host called, by its export's name
	effective  uint32    // the context that host functions act on
	allocating bool
	watch      watch
	failure    *Failure

	stream    Stream
	lastID    uint32
	lingering []uint32 // contexts whose on_done was answered with false
	finished  []uint32 // those of them that the guest has since called done
	calls     int      // http_calls under way
	lastCall  uint32
	response  *CallResponse // while its hook runs
	scratch   []byte
	known     []byte // the key of shared data that was read last
	knownAt   *value
	pairs     []pair

	period time.Duration
	timer  *time.Timer
	wake   chan struct{} // something came into the inbox of a busy instance

	// Under the plugin's lock:
	inbox []event
	idle  bool
	gone  bool
}

var _ context.Context = (*instance)(nil)

// Deadline, Done, Err and Value are those of an empty context: calls of guests
// end by the watch.
func (*instance) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is nil.
func (*instance) Done() <-chan struct{} { return nil }

// Err is nil.
func (*instance) Err() error { return nil }

// Value says how its memory is had, as long as it has none.
func (in *instance) Value(key any) any {
	if in.module != nil {
		return nil
	}
	return mapped.Value(key)
}

// instantiate maps the instance's memory and runs the module's own start.
func (in *instance) instantiate() (mod api.Module, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("instantiate: %v", r)
		}
	}()
	return in.plugin.runtime.InstantiateModule(in, in.plugin.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
}

// start makes an instance and brings it as far as its first stream.
func (p *Plugin) start() (*instance, error) {
	in := &instance{plugin: p, lastID: rootContext, wake: make(chan struct{}, 1)}
	in.stream.in = in
	in.watch.limit = p.limits.StartDeadline
	in.enter("start", rootContext)
	mod, err := in.instantiate()
	if err != nil {
		return nil, in.fail(err)
	}
	in.module, in.memory = mod, mod.Memory()
	in.allocate = mod.ExportedFunction(p.guest.allocator)
	if err := in.borrow(); err != nil {
		_ = mod.Close(in)
		return nil, err
	}
	for h, seen := range p.guest.sees {
		if seen {
			in.hooks[h] = mod.ExportedFunction(hookTypes[h].export)
		}
	}
	if err := in.configure(); err != nil {
		_ = mod.Close(in)
		return nil, err
	}
	if err := in.inquire(); err != nil {
		_ = mod.Close(in)
		return nil, err
	}
	in.watch.limit = p.limits.Deadline
	return in, nil
}

// configure runs what a guest does before its first stream.
func (in *instance) configure() error {
	p := in.plugin
	for _, name := range p.guest.starts {
		in.enter(name, rootContext)
		if err := in.module.ExportedFunction(name).CallWithStack(in, in.stack[:]); err != nil {
			return in.fail(err)
		}
	}
	in.invoke(OnContextCreate, rootContext, rootContext, 0)
	accepted, _ := in.ask(OnVMStart, rootContext, rootContext, uint64(len(p.config.VMConfiguration)))
	if in.failure == nil && !accepted {
		return fmt.Errorf("the guest refused its VM configuration (%s returned false)", OnVMStart)
	}
	accepted, _ = in.ask(OnConfigure, rootContext, rootContext, uint64(len(p.config.Configuration)))
	if in.failure == nil && !accepted {
		return fmt.Errorf("the guest refused its configuration (%s returned false)", OnConfigure)
	}
	if in.failure != nil {
		return in.failure
	}
	return nil
}

// enter prepares for a call of the guest.
func (in *instance) enter(name string, context uint32) {
	in.running, in.effective = name, context
	in.watch.begin()
}

// invoke calls a hook on behalf of a context: the one place where guests are
// called, and where their failures end. False: the guest has failed. A hook
// that it does not export does nothing.
func (in *instance) invoke(h Hook, context uint32, args ...uint64) (result uint64, ok bool) {
	f := in.hooks[h]
	if f == nil || in.failure != nil {
		return 0, in.failure == nil
	}
	in.enter(hookTypes[h].export, context)
	copy(in.stack[:], args)
	if err := f.CallWithStack(in, in.stack[:]); err != nil {
		in.fail(err)
		return 0, false
	}
	result = in.stack[0]
	if len(in.finished) > 0 {
		in.finishLingering()
	}
	return uint64(uint32(result)), in.failure == nil
}

// ask calls a hook that answers yes or no; one that is not there says yes.
func (in *instance) ask(h Hook, context uint32, args ...uint64) (yes, ok bool) {
	if in.hooks[h] == nil {
		return true, in.failure == nil
	}
	r, ok := in.invoke(h, context, args...)
	return ok && r != 0, ok
}

// fail finds out why a call of the guest came to nothing, and keeps it.
func (in *instance) fail(err error) *Failure {
	reason := ErrTrap
	for _, known := range []error{ErrDeadline, ErrExit, ErrMemory} {
		if errors.Is(err, known) {
			reason = known
		}
	}
	if reason == ErrTrap && in.memory != nil && uint64(in.memory.Size()) >= in.plugin.pages()*pageBytes {
		reason = ErrMemory
	}
	in.failure = &Failure{Plugin: in.plugin.config.Name, In: in.running, Reason: reason, Cause: err}
	in.plugin.failed(in.failure)
	return in.failure
}

// finishLingering ends the contexts that the guest has called done.
func (in *instance) finishLingering() {
	done := in.finished
	in.finished = nil
	for _, id := range done {
		in.finish(id)
	}
}

// finish is the end of a context.
func (in *instance) finish(id uint32) {
	in.invoke(OnLog, id, uint64(id))
	in.invoke(OnDelete, id, uint64(id))
}

// linger keeps a context whose guest is not done with it.
func (in *instance) linger(id uint32) {
	in.lingering = append(in.lingering, id)
	if len(in.lingering) > mostLingering {
		oldest := in.lingering[0]
		in.lingering = in.lingering[1:]
		in.finish(oldest)
	}
}

// nextID is the id of a new stream's context.
func (in *instance) nextID() uint32 {
	in.lastID++
	if in.lastID <= rootContext {
		in.lastID = rootContext + 1
	}
	return in.lastID
}
