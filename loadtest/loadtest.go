// Package loadtest holds any load.Generator to its contract.
//
// TestGenerator offers loads to servers with planted behaviour (delays,
// statuses, framings, resets, silence, a stall, bodies read or not) and holds every sample against
// what the schedule says and what the server saw. Nothing in it depends on how
// fast the machine is: times are compared by order and by lower bounds that the
// server enforces.
//
// TestAdapter holds the settings of a load.Adapter, with the real tool of others,
// against servers whose delays and counts are known.
//
// It does not judge how late or how costly a generator is: those are figures,
// and each implementation has benchmarks for them.
package loadtest

import (
	"context"
	"testing"

	"github.com/taremesh/tare/load"
)

// TestGenerator runs the whole suite.
func TestGenerator(t *testing.T, g load.Generator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(*testing.T, load.Generator)
	}{
		{"Outcomes", testOutcomes},
		{"TimeoutInLine", testTimeoutInLine},
		{"Delays", testDelays},
		{"Schedule", testSchedule},
		{"UsersInOrder", testUsersInOrder},
		{"Weights", testWeights},
		{"Bodies", testBodies},
		{"LongHead", testLongHead},
		{"EarlyAnswer", testEarlyAnswer},
		{"StallKeepsIntendedTimes", testStall},
		{"CapQueues", testCap},
		{"PhasesShareConnections", testPhases},
		{"IdleClosed", testIdleClosed},
		{"TargetGone", testTargetGone},
		{"Cancel", testCancel},
		{"OpenRefused", testOpenRefused},
		{"BadLoad", testBadLoad},
		{"ClosedCount", testClosedCount},
		{"ClosedDuration", testClosedDuration},
		{"ClosedUsers", testClosedUsers},
		{"ClosedTargetGone", testClosedGone},
		{"ClosedSilence", testClosedSilence},
		{"ClosedKeepAlive", testClosedKeepAlive},
		{"ClosedCancel", testClosedCancel},
		{"ClosedPhases", testClosedPhases},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, g) })
	}
}

func open(t *testing.T, g load.Generator, p load.Population, targets ...load.Target) load.Session {
	t.Helper()
	session, err := g.Open(context.Background(), targets, p)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := session.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return session
}

func generate(t *testing.T, s load.Session, l load.Load) ([]load.Sample, load.Stats) {
	t.Helper()
	samples, stats, err := load.Collect(context.Background(), s, l)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	return samples, stats
}

// checkSchedule holds samples against the schedule, arrival for arrival, and
// each sample against itself.
func checkSchedule(t *testing.T, l load.Load, targets int, p load.Population, samples []load.Sample, stats load.Stats) {
	t.Helper()
	schedule, err := load.NewSchedule(l, targets, p)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for a, ok := schedule.Next(); ok; a, ok = schedule.Next() {
		if n == len(samples) {
			t.Fatalf("%d samples, and the schedule has more", n)
		}
		s := samples[n]
		if s.Intended != stats.Began+a.At || int(s.Target) != a.Target || int(s.User) != a.User || int(s.Request) != a.Request {
			t.Fatalf("sample %d is %+v, the schedule (from %v) wants %+v", n, s, stats.Began, a)
		}
		checkSample(t, s)
		n++
	}
	if len(samples) != n || stats.Scheduled != n {
		t.Errorf("%d samples, %d scheduled by the generator's account, want %d", len(samples), stats.Scheduled, n)
	}
}

// checkSample holds a sample's times to their order, and to its class.
func checkSample(t *testing.T, s load.Sample) {
	t.Helper()
	previous := s.Intended
	for _, at := range []struct {
		name string
		at   int64
	}{{"written", int64(s.Written)}, {"first byte", int64(s.FirstByte)}, {"last byte", int64(s.LastByte)}} {
		if at.at < 0 {
			continue // it never came
		}
		if at.at < int64(previous) {
			t.Errorf("%s before what must precede it: %+v", at.name, s)
		}
		previous = max(previous, s.Written)
	}
	whole := s.Class == load.OK || s.Class == load.Limited || s.Class == load.ClientError || s.Class == load.ServerError
	if whole && (s.Written < 0 || s.FirstByte < 0 || s.LastByte < s.FirstByte || s.Class != load.OK && s.Status == 0) {
		t.Errorf("a whole response without all of its times: %+v", s)
	}
	if !whole && s.LastByte >= 0 {
		t.Errorf("a last byte without a whole response: %+v", s)
	}
	if whole != (s.Failed == 0) || !whole && s.Failed < max(previous, s.FirstByte) {
		t.Errorf("failed at %v: %+v", s.Failed, s)
	}
	if s.Class == load.Refused && s.Written >= 0 {
		t.Errorf("written without a connection: %+v", s)
	}
}

func checkClasses(t *testing.T, samples []load.Sample, want load.Class) {
	t.Helper()
	counts := map[load.Class]int{}
	for _, s := range samples {
		counts[s.Class]++
	}
	if len(samples) == 0 || counts[want] != len(samples) {
		t.Errorf("classes %v of %d samples, want all %v", counts, len(samples), want)
	}
}
