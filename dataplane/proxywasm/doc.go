// Package proxywasm runs proxy-wasm modules: it is the host side of the ABI that
// filters for Envoy and other proxies are built for, versions 0.2.1, 0.2.0 and
// 0.1.0.
//
// Load compiles a module with wazero, checks it and starts an instance. Each
// stream, a request and its response, has an instance to itself from Stream to
// End; idle instances are used again, the last one first, and more are made when
// they are needed. A stream that the guest takes whole is ended when the guest
// has seen the request, so that one instance serves many. What guests share lies with the host, in Shared. Ticks, news
// of queues and responses to calls come on the plugin context of an instance:
// at once when it is idle, else when its stream waits or ends. A timer belongs
// to the instance that set it; an item in a queue is announced to one instance
// of the plugin that registered the queue last. What was answered to a request
// costs no allocation.
//
// A guest that traps, runs too long, uses up its memory or leaves its process
// fails its own stream: the engine unwinds it, one place (instance.invoke) makes
// a Failure of it, and its instance is thrown away. Nothing else runs in that
// instance, so nothing else is harmed.
//
// That a guest can be interrupted at all is the work of package meter, which
// makes the module ask now and then whether it may go on. A goroutine that
// watches a clock cannot do it: where one processor runs Go code, as in our
// proxy, nothing but the guest runs while it loops. The engine's own way
// (closing a module when a context ends) starts a goroutine with every call and
// leaves native code at every loop: measured with the rate limit's filter it
// takes 20 µs for a request, and 10 for a filter that does nothing, against 1.5
// and 0.3 with the meter (called by the ABI alone), of which the meter is less than a tenth. When a guest
// asks, others run first.
//
// It does no gRPC calls and no TCP streams, and knows one foreign function:
// docs/formats/proxy-wasm.md lists what is answered instead. The plane does not
// let a guest change what has gone on already. Deep recursion is ended by the
// engine, which may hold up to 100 MB for the stack of such a guest until it is
// thrown away.
package proxywasm
