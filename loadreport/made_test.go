package loadreport_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

// made is a load whose samples are made without any generator.
type made struct {
	load      load.Load
	requests  []load.Request
	stats     load.Stats
	answer    func(n int, r *rand.Rand) (time.Duration, load.Class) // of request n; 0: it never came
	late      func(n int, r *rand.Rand) time.Duration
	floor     *loadreport.Result
	cut       int // of the samples; 0: all are there
	noBytes   bool
	interrupt bool
}

// samples are those of a load that begins 3 s after the session.
func (m *made) samples(t testing.TB) []load.Sample {
	t.Helper()
	const began = 3 * time.Second
	s, err := load.NewSchedule(m.load, 1, load.Population{Requests: m.requests})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(m.load.Seed, 1))
	var out []load.Sample
	for n := 0; ; n++ {
		a, more := s.Next()
		if !more || m.cut > 0 && n == m.cut {
			return out
		}
		x := load.Sample{Intended: began + a.At, Request: uint16(a.Request), FirstByte: -1, LastByte: -1}
		x.Written = x.Intended + time.Duration(r.IntN(2000))
		if m.late != nil {
			x.Written = x.Intended + m.late(n, r)
		}
		took, class := time.Duration(90e3*math.Exp(0.3*r.NormFloat64())), load.OK
		if m.answer != nil {
			took, class = m.answer(n, r)
		}
		x.Class, x.Status = class, map[load.Class]uint16{load.OK: 200, load.Limited: 429, load.ServerError: 503}[class]
		if took > 0 {
			x.FirstByte = x.Written + took*9/10
			x.LastByte = x.Written + took
		} else {
			x.Failed = x.Written + 20*time.Millisecond + time.Duration(n%97)*100*time.Microsecond
		}
		out = append(out, x)
	}
}

// report takes the samples in pieces and reports.
func (m *made) report(t testing.TB, conditions string) *loadreport.Result {
	t.Helper()
	samples := m.samples(t)
	c := loadreport.NewCollector(m.load, load.Population{Requests: m.requests})
	for len(samples) > 0 {
		n := min(777, len(samples))
		if err := c.Take(samples[:n]); err != nil {
			t.Fatal(err)
		}
		samples = samples[n:]
		m.stats.Sent += n
	}
	if m.stats.Wall == 0 {
		m.stats.Wall = m.load.Duration
	}
	if m.stats.Scheduled == 0 {
		m.stats.Scheduled = m.stats.Sent
	}
	if m.stats.Threads == 0 {
		m.stats.Threads = 1
	}
	if !m.noBytes {
		m.stats.BytesSent, m.stats.BytesReceived = int64(m.stats.Sent)*60, int64(m.stats.Sent)*100
	}
	conds, err := loadreport.ParseConditions(conditions)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Report(loadreport.Run{
		URL: "http://127.0.0.1:8080/", Target: load.Target{Addr: "127.0.0.1:8080", Connections: 16}, Generator: "openloop", Version: "v0",
		Command: []string{"tare", "load", "http://127.0.0.1:8080/"}, Started: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC),
		Load: m.load, Requests: m.requests, Stats: m.stats, Interrupted: m.interrupt,
		Use:   loadreport.Use{Generator: m.stats.CPU + 40*time.Millisecond, Parent: 20 * time.Millisecond, Cores: 8},
		Floor: m.floor, NoFloor: "not asked for (--no-floor)",
	}, conds)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func steady() *made {
	return &made{load: load.Load{Rate: 2000, Duration: 10 * time.Second, Seed: 7}, stats: load.Stats{CPU: 120 * time.Millisecond, Spin: 20 * time.Millisecond, Opened: 16}}
}

// troubled has a stall each second, errors of three classes and two kinds.
func troubled() *made {
	m := steady()
	m.requests = []load.Request{{Name: "read", Method: "GET", Path: "/", Weight: 3}, {Method: "POST", Path: "/orders", Weight: 1}}
	m.answer = func(n int, r *rand.Rand) (time.Duration, load.Class) {
		took := time.Duration(90e3 * math.Exp(0.3*r.NormFloat64()))
		if at := n % 2000; at < 300 {
			took += time.Duration(300-at) * 500 * time.Microsecond
		}
		switch {
		case n > 12000 && n%40 == 0:
			return took, load.ServerError
		case n > 12000 && n%100 == 1:
			return 0, load.Reset
		case n%50 == 3:
			return took, load.Limited
		}
		return took, load.OK
	}
	m.late = func(n int, r *rand.Rand) time.Duration { return time.Duration(r.ExpFloat64() * 20e3) }
	m.floor = &loadreport.Result{}
	return m
}
