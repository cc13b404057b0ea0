// Package fleet offers one load from several machines: workers that join a
// coordinator.
//
// A Fleet is a load.Generator. It listens, writes an Invitation (a file with
// certificates made for this fleet alone), and waits until its workers have
// joined over mutually authenticated TLS. A worker offers what it is told to
// with a generator of its own machine.
//
// # One schedule
//
// Every worker computes the whole schedule and takes its share of it: worker k
// of N the arrivals whose number is k modulo N, with a share of each target's
// connections. All begin at one moment. Their samples come while the load
// runs and are merged in the order of their intended times, each of them as it
// was measured, so that whatever is computed of them is computed of one load.
//
// # Clocks
//
// Before each load the clock of each worker is compared with the coordinator's
// by Pings exchanges; the one with the shortest round trip gives the offset, and
// half of that round trip its bound (D. L. Mills, RFC 5905, section 8). A
// sample's times are all of one worker's clock, so durations are exact; only
// how one worker's samples lie to another's is known to that bound.
//
// # Lost workers
//
// A worker whose connection ends during a load is lost. By the rule Void the
// others are cancelled and the load has failed. By the rule GoOn they carry on,
// and the arrivals of which nothing was heard are counted in its load.Part.
//
// # What it does not do
//
// Workers are not started, and none can join while a session is open. A worker
// trusts its coordinator as far as WorkerConfig.Check does.
package fleet
