package experiment_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
)

// A pause of the tail alone is found in the tail; one difference everywhere is
// called even.
func TestShiftsSayWhere(t *testing.T) {
	for _, c := range []struct {
		name  string
		slow  time.Duration // added to the slowest fifth
		all   time.Duration // added to all
		even  bool
		least float64 // of the greatest level
	}{
		{"tail", 80 * time.Microsecond, 0, false, 0.8},
		{"everywhere", 0, 30 * time.Microsecond, true, 0},
	} {
		p := planOf(t, weighed)
		var blocks []experiment.Block
		r := rand.New(rand.NewPCG(2, 2))
		for k := range 12 {
			b := handmade(k)
			b.Samples[1] = nil
			for i := range 3 {
				start := 1000 * r.NormFloat64()
				for n := range 1200 {
					us := 100*time.Microsecond + time.Duration(n)*50*time.Nanosecond + time.Duration(start) + time.Duration(2000*r.NormFloat64())
					if i == 2 {
						if us += c.all; n > 960 {
							us += c.slow
						}
					}
					at := time.Duration(n) * time.Millisecond
					b.Samples[1] = append(b.Samples[1], load.Sample{Intended: at, Written: at, FirstByte: at + us, LastByte: at + us, Target: uint16(i), Status: 200})
				}
			}
			blocks = append(blocks, b)
		}
		an, err := experiment.Analyse(p, blocks)
		if err != nil || len(an.Shifts) != 1 {
			t.Fatalf("%s: %v, %+v", c.name, err, an.Shifts)
		}
		s := an.Shifts[0]
		if s.Even != c.even || !s.Differs || s.Levels[s.Greatest] < c.least || len(s.Levels) != len(s.Band) {
			t.Errorf("%s: even %t, differs %t, greatest at %g of %v", c.name, s.Even, s.Differs, s.Levels[s.Greatest], s.Levels)
		}
		if last := s.Levels[len(s.Levels)-1]; last < 0.9 || last > 1-100.0/1200 {
			t.Errorf("%s: given up to %g with 1200 requests", c.name, last)
		}
		for k, q := range s.Levels { // what was planted lies in the band
			want := float64(c.all) / 1e3
			if c.slow > 0 && q > 0.75 {
				continue
			}
			if !s.Band[k].Contains(want) {
				t.Errorf("%s at %g: %+v, planted %g", c.name, q, s.Band[k], want)
			}
		}
	}
}

// Every class of outcome has its figures, beside all requests offered; one
// without an answer never ends.
func TestOutcomesByClass(t *testing.T) {
	var blocks []experiment.Block
	for k := range 3 {
		b := handmade(k)
		latency := answers(2, 200, 100*time.Microsecond)
		for i := range 220 {
			x := answers(2, 1, 10*time.Microsecond)[0]
			x.Status, x.Class, x.Intended = 429, load.Limited, time.Duration(i)*time.Millisecond
			x.Written, x.FirstByte, x.LastByte = x.Intended, x.Intended+10*time.Microsecond, x.Intended+time.Duration(10+k)*time.Microsecond
			latency = append(latency, x)
		}
		for range 80 {
			latency = append(latency, load.Sample{Written: 0, FirstByte: -1, LastByte: -1, Target: 2, Class: load.Timeout})
		}
		b.Samples[1] = latency
		blocks = append(blocks, b)
	}
	an, err := experiment.Analyse(planOf(t, weighed), blocks)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(an.Treatments[2].Outcomes); n != 1 {
		t.Fatalf("outcomes of %d kinds of phases", n)
	}
	o := an.Treatments[2].Outcomes[0]
	// Of 500 offered in a block 220 are limited and fast: the median of all is
	// that of neither class, and the p90 lies among those that never ended.
	if o.All.Count != 1500 || o.All.Share != 1 || o.All.Values[experiment.P50] != 100 {
		t.Errorf("all: %+v", o.All)
	}
	if why := o.All.Why[experiment.P90]; !strings.Contains(why, "240 of 1500 requests got no whole response") {
		t.Errorf("p90 of all: %q, %v", why, o.All.Values)
	}
	if len(o.Classes) != 3 {
		t.Fatalf("%+v", o.Classes)
	}
	ok, limited, timeout := o.Classes[0], o.Classes[1], o.Classes[2]
	if ok.Count != 600 || ok.Values[experiment.P50] != 100 || ok.Share != 0.4 {
		t.Errorf("ok: %+v", ok)
	}
	i, has := limited.Intervals[experiment.P50]
	if limited.Class != load.Limited || limited.Count != 660 || limited.Values[experiment.P50] != 11 || !has || !i.Contains(11) {
		t.Errorf("limited: %+v", limited)
	}
	if timeout.Class != load.Timeout || timeout.Count != 240 || len(timeout.Values) != 0 || timeout.Why[experiment.P50] == "" {
		t.Errorf("timeout: %+v", timeout)
	}
}
