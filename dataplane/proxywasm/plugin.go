package proxywasm

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

const pageBytes = 1 << 16

// Plugin is a loaded module and its instances. Its methods may be called by
// many goroutines at a time.
type Plugin struct {
	config   Config
	limits   Limits
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	guest    guest
	shared   *Shared
	space    *space
	metrics  metrics
	loaded   time.Time // where the monotonic clock begins

	calling    context.Context // ends when the plugin is closed
	hangUp     context.CancelFunc
	background sync.WaitGroup // calls, ticks and what else runs beside streams
	keeps      atomic.Bool    // a guest works beside streams: one instance is always there

	failures [failureKinds]atomic.Uint64
	started  atomic.Uint64

	mu     sync.Mutex
	idle   []*instance // the one used last is last, and used next
	count  int         // all instances, and those being made
	owed   []event     // for the next instance to become idle
	delay  time.Duration
	closed bool
}

// Load compiles a module, checks that it is a proxy-wasm module whose imports
// this host has, and starts its first instance. Its errors say what is wrong:
// foreign, truncated, an unknown import by its name, a refused configuration,
// a start that trapped or did not end (a *Failure).
func Load(ctx context.Context, c Config) (*Plugin, error) {
	p := &Plugin{config: c, limits: c.Limits.or(DefaultLimits()), shared: c.Shared, loaded: time.Now()}
	if p.shared == nil {
		p.shared = NewShared(SharedLimits{})
	}
	p.space = p.shared.space(c.VMID)
	p.metrics.most = p.limits.Metrics
	p.calling, p.hangUp = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.load(ctx); err != nil {
		p.hangUp()
		p.background.Wait()
		if p.runtime != nil {
			_ = p.runtime.Close(context.WithoutCancel(ctx))
		}
		return nil, fmt.Errorf("load plugin %s: %w", c.Name, err)
	}
	return p, nil
}

func (p *Plugin) load(ctx context.Context) error {
	if err := p.compile(ctx); err != nil {
		return err
	}
	p.count = 1
	in, err := p.start()
	if err != nil {
		return err
	}
	p.started.Add(1)
	p.give(in)
	return nil
}

// compile makes the module ready to be instantiated.
func (p *Plugin) compile(ctx context.Context) (err error) {
	module, err := p.prepare(p.config.Module)
	if err != nil {
		return err
	}
	defer func() { // a module is foreign: whatever it does to the compiler is its own failure
		if r := recover(); r != nil {
			err = fmt.Errorf("compile: %v", r)
		}
	}()
	p.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCoreFeatures(api.CoreFeaturesV2).
		WithMemoryLimitPages(uint32(p.pages())).
		WithDebugInfoEnabled(false))
	if p.compiled, err = p.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("compile: %w", err)
	}
	if p.guest, err = inspect(p.compiled); err != nil {
		return err
	}
	return p.provide(ctx)
}

// pages is the memory limit in pages, at least one and at most what 32 bits
// can address.
func (p *Plugin) pages() uint64 { return min(max(p.limits.MemoryBytes/pageBytes, 1), 1<<16) }

// Sees reports whether the module exports a hook.
func (p *Plugin) Sees(h Hook) bool { return h >= 0 && h < hookCount && p.guest.sees[h] }

// Stream takes an instance for one stream and creates the stream's context.
// The error is ErrBusy, ErrClosed, or the failure of a guest.
func (p *Plugin) Stream(x Exchange) (*Stream, error) {
	in, err := p.take()
	if err != nil {
		return nil, err
	}
	s := &in.stream
	s.begin(x, in.nextID())
	in.lent.used = 0
	if in.hooks[OnRequest] != nil {
		return s, nil // it may need no context
	}
	if s.create(); in.failure != nil {
		s.exchange = nil
		err := in.failure
		p.give(in)
		return nil, err
	}
	return s, nil
}

// beside counts something that is to run beside streams; false: the plugin is
// closed, and it must not.
func (p *Plugin) beside() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.background.Add(1)
	}
	return !p.closed
}

// take takes an idle instance, or makes one.
func (p *Plugin) take() (*instance, error) {
	p.mu.Lock()
	n := len(p.idle)
	switch {
	case p.closed:
		p.mu.Unlock()
		return nil, ErrClosed
	case n > 0:
		in := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		in.idle = false
		p.mu.Unlock()
		return in, nil
	case p.count >= p.limits.Instances:
		p.mu.Unlock()
		return nil, ErrBusy
	}
	p.count++
	p.mu.Unlock()
	return p.another()
}

// another starts an instance that is counted already.
func (p *Plugin) another() (*instance, error) {
	in, err := p.start()
	if err != nil {
		p.lose()
		return nil, err
	}
	p.started.Add(1)
	return in, nil
}

// give takes an instance back: to be used again, or away with it.
func (p *Plugin) give(in *instance) {
	p.mu.Lock()
	if p.closed || in.failure != nil {
		in.gone = true
		p.mu.Unlock()
		p.discard(in)
		return
	}
	in.inbox = append(in.inbox, p.owed...)
	p.owed = p.owed[:0]
	p.delay = 0
	if len(in.inbox) > 0 {
		p.background.Add(1)
		p.mu.Unlock()
		go p.drain(in)
		return
	}
	in.idle = true
	p.idle = append(p.idle, in)
	p.mu.Unlock()
}

// discard lets go of an instance.
func (p *Plugin) discard(in *instance) {
	if in.timer != nil {
		in.timer.Stop()
	}
	_ = in.module.Close(in)
	p.lose()
}

// lose counts an instance out. The last one of a closed plugin takes the
// compiled code with it; one that works beside streams is replaced.
func (p *Plugin) lose() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count--
	switch {
	case p.count > 0:
	case p.closed:
		_ = p.runtime.Close(context.Background())
	case p.keeps.Load():
		p.replace()
	}
}

// The wait before a failed instance is replaced when no stream asks for one.
const (
	firstDelay = 100 * time.Millisecond
	mostDelay  = 10 * time.Second
)

// replace starts an instance after a while, longer each time; under the lock.
func (p *Plugin) replace() {
	p.delay = min(max(2*p.delay, firstDelay), mostDelay)
	p.background.Add(1)
	timer := time.NewTimer(p.delay)
	go func() {
		defer p.background.Done()
		defer timer.Stop()
		select {
		case <-p.calling.Done():
			return
		case <-timer.C:
		}
		delay := p.wait()
		in, err := p.take()
		if err != nil {
			return
		}
		p.give(in)
		p.mu.Lock()
		p.delay = delay // only a call that succeeds resets it
		p.mu.Unlock()
	}()
}

func (p *Plugin) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}

// Close ends what runs beside streams and waits for it. Streams go on to their
// end; the last one takes the compiled code with it.
func (p *Plugin) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.hangUp()
	p.shared.forget(p)
	for _, in := range idle {
		in.ask(OnDone, rootContext, rootContext)
		in.finish(rootContext)
		p.discard(in)
	}
	p.background.Wait()
	return nil
}

func (p *Plugin) log(l Level, text string) {
	if p.config.Log != nil && l >= p.config.LogLevel {
		p.config.Log(l, text)
	}
}
