// Package openloop offers HTTP/1.1 load at intended times, from a process of
// its own, and keeps four timestamps of every request. The same engine offers
// closed loads.
//
// # The engine
//
// Serve, in the child process, runs a few locked OS threads. Each has its own
// epoll, its own share of every target's connections, its own slice of the
// schedule and a sample buffer that is filled in place. Requests are built
// once for each user (bodies are one piece of memory for all); nothing is
// allocated while a load runs, and garbage is collected between loads. A thread sleeps until a margin before the next
// intended time and then spins, reading responses all the while. The margin is
// taken from the sleep's own overshoot; spinning is held to a share of one core
// (15 % where there are fewer than three), and what that costs in lateness
// stays in the samples. Stats.Spin is the thread CPU time of rounds that found
// nothing to do; work on responses is not in it.
//
// The loop is open: a slow target never delays the schedule. When every
// connection of a target is busy its pool grows to MaxConnections; beyond that
// the request waits in line with its intended time kept, and the load is marked
// Saturated. Every arrival gives exactly one sample.
//
// # Closed loads
//
// A closed load runs on the same threads, pools and code; only what takes up a
// request differs. There is one loop for each connection that a target's pool
// stands with (Target.Connections; the pool never grows): as soon as it has the
// answer, in the same round of events, it draws the next user and sends the
// next request. A request that was written to a connection which the server had
// closed goes to another one, as in an open load, and Intended with it. A
// request without a whole response ends in its class, and its loop rests for
// 10 ms before the next, so that a target that is gone is not asked in a circle.
// The time in which a loop rests or waits for a connection is in the throughput
// and in no response time. After the duration no request is taken up; those under
// way are waited for. Thread k of N sends the k-th, k+N-th … of the users that
// the seed draws. Nothing spins. Samples are kept in chunks of 16,384, the only
// allocation under load, and at load.MaxClosed of them the load ends early,
// with Stats.Capped set.
//
// # Connections
//
// The connection that has rested longest is used next. So all connections of
// pools of equal size are used equally often, however fast their targets
// answer, and no target has warmer connections than another.
//
// A connection that the server closed before the request reached it (its FIN
// does not acknowledge the request) is no outcome: the request goes to another
// connection. A connection reset in any other way is, and is never retried: the
// server may have done the work.
//
// # The protocol: tare-generate/3
//
// The child's first line is the protocol's name; a parent that speaks another
// version refuses it by that name (1 had no closed loads, 2 no bodies and no
// weights). Then both sides send frames:
// one byte of kind, four bytes of length (big endian), the payload. Control
// payloads are JSON.
//
//	parent  O  open: targets, population, threads, spin cap
//	child   R  ready: all pools stand; epoch, threads
//	parent  G  generate: a load.Load
//	parent  C  cancel the load that runs; no effect without one
//	child   T  stats of the load, and whether it was canceled
//	child   S  a piece of its samples, encoded as tare-samples/1 (docs/formats)
//	child   E  the end of the samples
//	child   F  fault: why the last request could not be carried out
//
// The end of its input ends the child.
//
// # What it does not do
//
// No TLS, no HTTP/2, no chunked requests, no pipelining, no redirects followed.
// It computes no quantiles: see package stat.
package openloop
