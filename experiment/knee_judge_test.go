package experiment

import (
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

// probing is a block with one probe of 1,000 requests in a second, each answered
// after 1 ms but for what change makes of it.
func probing(change func(k int, s *load.Sample), stats load.Stats) *Block {
	samples := make([]load.Sample, 1000)
	for k := range samples {
		at := time.Duration(k) * time.Millisecond
		samples[k] = load.Sample{Intended: at, Written: at, FirstByte: at + time.Millisecond, LastByte: at + time.Millisecond, Status: 200}
		change(k, &samples[k])
	}
	stats.Sent, stats.Wall, stats.Threads = len(samples), time.Second, 1
	return &Block{Phases: []PhaseRecord{{Phase: study.Phase{Kind: study.Probe, Targets: []int{0}, Rate: 1000, Duration: time.Second}, Wall: time.Second, Stats: stats}},
		Samples: [][]load.Sample{samples}}
}

func TestProbeIsJudged(t *testing.T) {
	never := func(s *load.Sample) { s.FirstByte, s.LastByte, s.Class, s.Status = -1, -1, load.Timeout, 0 }
	refuse := func(s *load.Sample) { s.Class, s.Status = load.Limited, 429 }
	for name, c := range map[string]struct {
		objective string
		change    func(k int, s *load.Sample)
		busy      time.Duration
		result    ProbeResult
		why       string
	}{
		"kept":                         {"p50<2ms,errors<2%", func(int, *load.Sample) {}, 0, Met, ""},
		"too slow":                     {"p50<900us", func(int, *load.Sample) {}, 0, Missed, "p50 1000 µs"},
		"exactly the bound":            {"p50<1ms", func(int, *load.Sample) {}, 0, Missed, "p50 1000 µs"},
		"late, though quick once sent": {"p50<2ms", func(_ int, s *load.Sample) { s.Intended -= 5 * time.Millisecond }, 0, Missed, "p50 6000 µs"},
		"slow in the lead only": {"p50<2ms,errors<2%", func(k int, s *load.Sample) {
			if k < 200 {
				never(s)
			}
		}, 0, Met, ""},
		"never answered": {"p90<2ms", func(k int, s *load.Sample) {
			if k >= 200 && k%4 == 0 {
				never(s)
			}
		}, 0, Unjudged, "p90 needs 1000 requests, there are 800"},
		"half never answered": {"p50<2ms", func(k int, s *load.Sample) {
			if k%5 < 3 {
				never(s)
			}
		}, 0, Missed, "p50 +Inf"},
		"refusals are errors": {"p50<2ms,errors<2%", func(k int, s *load.Sample) {
			if k%40 == 0 {
				refuse(s)
			}
		}, 0, Missed, "errors 2.5 %"},
		"missed beside what cannot be judged": {"p50<900us,p90<2ms", func(int, *load.Sample) {}, 0, Missed, "p50"},
		"the generator's own doing":           {"p50<900us", func(int, *load.Sample) {}, 700 * time.Millisecond, Overrun, "the generator worked 70 %"},
		"a busy generator that kept it":       {"p50<2ms", func(int, *load.Sample) {}, 700 * time.Millisecond, Met, ""},
		"spin is not work":                    {"p50<900us", func(int, *load.Sample) {}, 500 * time.Millisecond, Missed, "p50"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := study.ParseObjective(c.objective)
			if err != nil {
				t.Fatal(err)
			}
			b := probing(c.change, load.Stats{CPU: c.busy + 300*time.Millisecond, Spin: 300 * time.Millisecond})
			p := probeOf(&study.Study{Design: study.Design{Objective: o}}, b, 0)
			if p.Result != c.result || !strings.Contains(p.Why, c.why) || p.Requests != 800 {
				t.Errorf("%s, %q of %d requests; want %s, %q of 800", p.Result, p.Why, p.Requests, c.result, c.why)
			}
		})
	}
}

// A hiccup does not send the search to where the knee is not for ever.
func TestSearchRecovers(t *testing.T) {
	met := func(rates ...float64) (ps []Probe) {
		for _, r := range rates {
			ps = append(ps, Probe{Rate: r, Result: Met})
		}
		return ps
	}
	missed := func(rates ...float64) (ps []Probe) {
		for _, r := range rates {
			ps = append(ps, Probe{Rate: r, Result: Missed})
		}
		return ps
	}
	var tr trail
	tr.block(append(missed(500), met(333, 408, 450)...)) // 500 was a hiccup: the knee is at 900
	if !tr.found() {
		t.Fatal("the search has not ended at a factor of 1.1")
	}
	tr.block(met(430, 470, 510, 550))
	if tr.found() || len(tr.replicates) > 0 {
		t.Fatal("a first block that met the objective everywhere is taken for one around the knee")
	}
	s := &study.Study{Load: study.Load{Rate: 500}}
	if rate, _ := chooseRate(s, map[int]*trail{0: &tr}, slot{of: 4}); rate != 825 {
		t.Errorf("the search goes on at %g, want 825", rate)
	}
	tr.block(append(met(825), missed(1238, 1011, 913)...))
	tr.block(append(met(800, 850), missed(950, 1000)...))
	tr.block(met(780, 830, 880, 930)) // by chance: it counts
	if len(tr.replicates) != 2 || tr.blocks[0] != 3 || tr.blocks[1] != 4 {
		t.Errorf("blocks %v count", tr.blocks)
	}
}
