// Package openloop offers load at intended times, from a process of its own, and
// keeps four timestamps of every request: over HTTP/1.1, HTTP/2, gRPC, WebSocket
// and TCP, in the clear or over TLS. The same engine offers closed loads.
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
// Requests that differ each time (templates, drawn sizes) are rendered into a
// thread's own memory as they are sent, from the load's seed and the request's
// number; renewal.go says how connections end that do not last.
//
// # Closed loads
//
// A closed load runs on the same threads, pools and code; only what takes up a
// request differs. There is one loop for each connection that a target's pool
// stands with (Target.Connections; the pool never grows), and with streams one
// for each stream: as soon as it has the
// answer, in the same round of events, it draws the next user and sends the
// next request. A request that was written to a connection which the server had
// closed goes to another one, as in an open load, and Intended with it. A
// request without a whole response ends in its class, and its loop rests for
// 10 ms before the next, so that a target that is gone is not asked in a circle.
// The time in which a loop rests or waits for a connection is in the throughput
// and in no response time. After the duration no request is taken up; those under
// way are waited for. Thread k of N sends the k-th, k+N-th … of the users that
// the seed draws. Nothing spins.
//
// # Samples
//
// Memory follows the requests that are under way, not the length of the load.
// Each thread computes its arrivals one ahead and keeps them in chunks of
// 16,384; a chunk whose arrivals all have their outcome leaves, in order, and
// comes back empty. A collector beside the threads, which never wait for it,
// looks at them ten times a second. It holds back 1,048,576 samples
// (Config.HoldBack): a load of no more sends none while it runs, since sending
// would disturb what is measured. Once more have come, it brings all threads'
// samples into the order of their intended times and sends them as they come.
// A parent that is slow delays no request: 262,144 samples more and 2 MiB of
// encoded ones wait in memory, what comes beyond them in a file without a name
// (in TMPDIR) until the parent has caught up. A disk that is full ends the load,
// with what was done. More than 33,554,432 requests of one thread under way at
// the same time end it too.
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
// # Protocols
//
// The loop knows no protocol: it paces, keeps pools, lines and deadlines. What a
// protocol adds is what it writes for a request and how it knows the answer's
// first and last byte.
//
// HTTP/1.1 carries one request at a time on a connection. So do TCP, where the
// bytes sent must come back, and WebSocket, where the message must (over one
// connection each, upgraded when it opens, with the path of the first kind of
// request and the header of the first user; pings are answered; the mask is 0,
// as what is sent is not a stranger's). Of protocol connect each request is a
// connection: Written is when the kernel was told to open it, both last times
// are when it stood (with TLS: when the session did), and then it is closed.
//
// HTTP/2 carries Target.Streams requests on a connection, or as many as the
// server allows. A connection counts as open when the server's SETTINGS are
// there, so that no limit is guessed. Which header fields get an entry of the
// dynamic table is settled before the load, the most frequent first, as many as
// fit: nothing is evicted, and a field costs a byte. The server may send 1 GiB
// ahead, and gets window back at half; bodies wait for the server's windows.
// What requests of one round put on a connection is written by one call, and
// Written is the moment before the call that took the request's first byte. A
// request whose time runs out is reset and its connection serves on. Streams
// above a GOAWAY's last one were not looked at: they go elsewhere, when the
// connection was there before them. So does a stream that was refused, as often
// as its connection has answered others. Broken streams are malformed alone,
// broken framing with all that is on the connection.
//
// gRPC is HTTP/2 with messages as bytes (Request.Messages times the body, then
// the end): with that many the call is a client's stream, with many in answer a
// server's, with both it goes both ways, without waiting for each other. A call
// ends with its trailers. Its status is load.GRPCStatus plus grpc-status, and
// decides the class: 0 ok; 8 RESOURCE_EXHAUSTED limited; 4 DEADLINE_EXCEEDED
// timeout, without a last byte, as there is no whole answer; what the caller did
// wrong (1, 3, 5, 6, 7, 9, 10, 11, 16) client-error; all else server-error. An
// answer without grpc-status, or with a message cut short, is malformed; one
// with another HTTP status than 200 has that status and its class.
//
// # TLS
//
// crypto/tls reads and writes a descriptor that never blocks: a read that would
// is a temporary error, which keeps its state, and a write is always taken, into
// memory where the kernel takes no more. Only the handshake blocks, on a
// goroutine, a few at a time and five seconds at most; its time is in the
// response time of the request that waits for it. Every handshake is a whole
// one: no session is resumed. A session that does not come to be settles one
// request as tls, and Open says why. So is a request whose connection the server
// ends by an alert before it has said anything: in TLS 1.3 a client learns no
// sooner what became of its certificate.
//
// # The protocol: tare-generate/6
//
// The child's first line is the protocol's name; a parent that speaks another
// version refuses it by that name (1 had no closed loads, 2 no bodies and no
// weights, 3 no kinds of request, 4 no samples while a load runs, 5 no times of
// failures). Then both sides send frames: one byte of kind, four bytes of length
// (big endian), the payload. Control payloads are JSON.
//
//	parent  O  open: targets, population, threads, spin cap, samples held back
//	child   R  ready: all pools stand; epoch, threads
//	parent  G  generate: a load.Load, and whether progress is to be told
//	parent  C  cancel the load that runs; no effect without one
//	child   S  the next samples, a whole set of tare-samples/3 (docs/formats)
//	child   P  progress, about once a second
//	child   T  the end of a load, after all its samples: stats, whether it was
//	           canceled, and what else ended it
//	child   F  fault: why the last request could not be carried out
//
// The end of its input ends the child.
//
// # What it does not do
//
// No chunked requests, no pipelining, no redirects followed, no server push, no
// priorities, no compressed messages, no answers to messages one by one.
// It computes no quantiles: see package stat.
package openloop
