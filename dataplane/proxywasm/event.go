package proxywasm

import (
	"context"
	"time"
)

// event is something that a guest is told on its plugin context.
type event struct {
	hook     Hook // OnTick, OnQueueReady or OnCallResponse
	id       uint32
	response *CallResponse // of OnCallResponse; nil: the call failed
}

// handle tells the guest.
func (in *instance) handle(e event) {
	switch e.hook {
	case OnTick:
		in.invoke(OnTick, rootContext, rootContext)
		if in.period > 0 && in.failure == nil {
			in.timer.Reset(in.period)
		}
	case OnQueueReady:
		in.invoke(OnQueueReady, rootContext, rootContext, uint64(e.id))
	case OnCallResponse:
		in.calls--
		in.respond(e)
	}
}

func (in *instance) respond(e event) {
	none := CallResponse{}
	in.response = e.response
	if in.response == nil {
		in.response = &none
	}
	r := in.response
	in.invoke(OnCallResponse, rootContext, rootContext, uint64(e.id), uint64(len(r.Headers)), uint64(len(r.Body)), uint64(len(r.Trailers)))
	in.response = nil
}

// tickEvery sets the period of an instance's timer; 0 stops it.
func (in *instance) tickEvery(period time.Duration) {
	in.period = period
	if in.timer != nil {
		in.timer.Stop()
	}
	if period == 0 {
		return
	}
	in.plugin.keeps.Store(true)
	in.timer = time.AfterFunc(period, func() { in.plugin.post(in, event{hook: OnTick}) })
}

// post hands an event to an instance: at once when it is idle, else when its
// stream waits or ends. It runs on a goroutine that may be used for the guest.
func (p *Plugin) post(in *instance, e event) {
	p.mu.Lock()
	if p.closed || in.gone {
		p.mu.Unlock()
		return
	}
	in.inbox = append(in.inbox, e)
	if !in.idle {
		p.mu.Unlock()
		select {
		case in.wake <- struct{}{}:
		default:
		}
		return
	}
	p.rouse(in)
	p.background.Add(1)
	p.mu.Unlock()
	p.drain(in)
}

// rouse takes an instance from among the idle; under the lock.
func (p *Plugin) rouse(in *instance) {
	for i, x := range p.idle {
		if x == in {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	in.idle = false
}

// drain handles all that waits for an instance, and gives it back.
func (p *Plugin) drain(in *instance) {
	defer p.background.Done()
	for in.failure == nil {
		e, ok := p.next(in)
		if !ok {
			break
		}
		in.handle(e)
	}
	p.give(in)
}

// next takes an instance's oldest event.
func (p *Plugin) next(in *instance) (event, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(in.inbox) == 0 {
		return event{}, false
	}
	e := in.inbox[0]
	in.inbox = in.inbox[1:]
	return e, true
}

// mostEvents is how many items an instance may be told of that it has not heard
// of yet; it is told of no more until it has.
const mostEvents = 10_000

// announce tells one instance of a plugin of a new item in a queue: an idle
// one, or else the next to become idle. from is the instance that put it there,
// which is told itself when it is of this plugin and no other is idle.
func (p *Plugin) announce(id uint32, from *instance) {
	e := event{hook: OnQueueReady, id: id}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch n := len(p.idle); {
	case p.closed || !p.guest.sees[OnQueueReady]:
	case n > 0:
		in := p.idle[n-1]
		p.rouse(in)
		in.inbox = append(in.inbox, e)
		p.background.Add(1)
		go p.drain(in)
	case from.plugin == p && len(from.inbox) < mostEvents:
		from.inbox = append(from.inbox, e)
	case from.plugin != p && len(p.owed) < mostEvents:
		p.owed = append(p.owed, e)
	}
}

// send makes an http_call on a goroutine of its own; false: the plugin is closed.
func (in *instance) send(c Call) (uint32, bool) {
	p := in.plugin
	if !p.beside() {
		return 0, false
	}
	in.calls++
	in.lastCall++
	id := in.lastCall
	go func() {
		defer p.background.Done()
		ctx, cancel := p.calling, context.CancelFunc(func() {})
		if c.Timeout > 0 {
			ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		}
		defer cancel()
		e := event{hook: OnCallResponse, id: id}
		if r, err := p.config.Call(ctx, c); err == nil {
			e.response = &r
		} else {
			p.log(Warn, "http_call to "+c.Cluster+": "+err.Error())
		}
		p.post(in, e)
	}()
	return id, true
}
