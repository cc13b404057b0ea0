package experiment_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/study"
)

const aheadStudy = `tare: study/1
name: ahead
workload: {name: fake}
load: {rate: 500/s}
treatments:
  - {name: a, control: direct}
  - {name: a-aa, control: aa, baseline: a}
  - {name: b, baseline: a, workload: {work: 5us}}
design: {time: 2m, warmup: 10, idle: 50ms, latency: 2s, control_every: -1}
`

// starts is a machine whose treatments settle on another value at every start:
// medians of a block differ by sd of between, and requests by within.
func starts(t *testing.T, p *study.Plan, between, within, add float64, took time.Duration) []experiment.Block {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 9))
	var bs []experiment.Block
	for _, plan := range p.Blocks {
		b := experiment.Block{Index: plan.Index, Attempt: 1, Took: took}
		arms := p.Arms(plan.Index)
		settled := map[int]float64{}
		for _, i := range arms {
			settled[i] = 500 + between*r.NormFloat64()
			if p.Study.Treatments[i].Name == "b" {
				settled[i] += add
			}
		}
		for _, ph := range plan.Phases {
			rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration}
			var samples []load.Sample
			if ph.Kind == study.Latency {
				n := int(ph.Rate * ph.Duration.Seconds())
				for k := range n {
					i := arms[r.IntN(len(arms))]
					at := time.Duration(float64(ph.Duration) * float64(k) / float64(n))
					took := time.Duration((settled[i] + within*r.NormFloat64()) * 1000)
					samples = append(samples, load.Sample{Intended: at, Written: at, FirstByte: at + took, LastByte: at + took, Target: uint16(i), Status: 200})
				}
			}
			for _, i := range arms {
				cpu := ph.Duration / 10
				if ph.Kind == study.Idle {
					cpu = 0
				}
				rec.Parts = append(rec.Parts, experiment.Part{Treatment: i, Role: "service", CPU: cpu + time.Duration(1e4*r.Float64())})
			}
			b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
		}
		bs = append(bs, b)
	}
	return bs
}

func ahead(t *testing.T, text string, o study.Options, between, within float64, cores int, precision time.Duration) *experiment.Outlook {
	t.Helper()
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, o)
	if err != nil {
		t.Fatal(err)
	}
	pilot, err := p.Pilot(*s)
	if err != nil {
		t.Fatal(err)
	}
	took := 2 * pilot.Expected / time.Duration(len(pilot.Blocks))
	out, err := experiment.NewOutlook(p, "a pilot", pilot, starts(t, pilot, between, within, 20, took), cores, precision)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What a pilot says is what its blocks' spread gives: the planted spread lies
// within what is said of it, the time follows from it and from how long blocks
// took, and a narrower half-width takes longer.
func TestOutlookFollowsTheSpread(t *testing.T) {
	o := ahead(t, aheadStudy, study.Options{}, 3, 60, 2, 0)
	if o.Blocks != 6 || math.Abs(o.Slower-2) > 0.01 || math.Abs(o.Busy-0.15) > 0.001 || o.Refused != nil || len(o.Gates) != 2 {
		t.Errorf("%+v", o)
	}
	for _, x := range o.Prospects {
		if x.Endpoint != experiment.P50 {
			continue
		}
		// √2 of the spread of a start, and what a median of 1000 requests adds.
		truth := math.Sqrt2 * math.Hypot(3, 60*1.2533/math.Sqrt(1000))
		if !(x.SDLow < truth && truth < x.SDHigh) || !(x.SDLow < x.SD && x.SD < x.SDHigh) {
			t.Errorf("sd %.2f (%.2f to %.2f), planted %.2f", x.SD, x.SDLow, x.SDHigh, truth)
		}
		if x.Stated || x.Target != x.Margin/2 || x.HalfWidth == nil || *x.HalfWidth <= 0 || *x.Detectable <= *x.HalfWidth {
			t.Errorf("%+v", x)
		}
		if !(x.TimeLow <= x.Time && x.Time <= x.TimeHigh) || x.Needed < 2 {
			t.Errorf("%+v", x)
		}
	}
	fine := ahead(t, aheadStudy, study.Options{}, 3, 60, 2, time.Microsecond)
	for k, x := range fine.Prospects {
		if x.Target != 1 {
			t.Errorf("%s by %s is asked for ± %g", x.Name, x.Endpoint, x.Target)
		}
		if y := o.Prospects[k]; y.Target > 1 && x.Time < y.Time {
			t.Errorf("%s by %s: %v for ± 1, %v for ± %g", x.Name, x.Endpoint, x.Time, y.Time, y.Target)
		}
	}
	if _, err := json.Marshal(o); err != nil {
		t.Error(err)
	}
}

// The interval that was foretold is the one that the run gives.
func TestOutlookForetellsTheInterval(t *testing.T) {
	s, err := study.Parse("s.yaml", []byte(aheadStudy))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blocks := starts(t, p, 3, 60, 20, time.Second)
	o, err := experiment.NewOutlook(p, "itself", p, blocks, 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Second.Seconds() * float64(len(p.Blocks)) / p.Expected.Seconds(); math.Abs(o.Slower-want) > 1e-6 {
		t.Errorf("blocks took %g of their time, want %g", o.Slower, want)
	}
	for k, x := range o.Prospects {
		if x.Time.Round(time.Millisecond) != time.Duration(x.Needed)*time.Second { // a block took one
			t.Errorf("%d blocks are said to take %v", x.Needed, x.Time)
		}
		half := an.Comparisons[k].Difference.Half()
		if x.Endpoint == experiment.P50 && (half > *x.HalfWidth*1.001 || half < *x.HalfWidth*0.7) {
			t.Errorf("%s: ± %.3f was foretold, ± %.3f came", x.Name, *x.HalfWidth, half)
		}
	}
	if n := experiment.Primaries(p); n != len(o.Prospects) {
		t.Errorf("%d primary comparisons were announced, %d came", n, len(o.Prospects))
	}
}

// What cannot answer its question is refused, saying what would: margins that
// the study states, also of the gate, and a load that the host cannot serve. A
// default margin is nobody's promise, and a screening promises nothing.
func TestOutlookRefusals(t *testing.T) {
	stated := aheadStudy + "margin: {p50: 1us}\n"
	for _, c := range []struct {
		name, text string
		o          study.Options
		want       []string // in the order of the refusals
	}{
		{"default margins", aheadStudy, study.Options{}, nil},
		{"a stated margin", stated, study.Options{}, []string{"the margin of b − a by p50, ± 1 µs, is out of reach: the interval would be ±", "the margin of A/A of a by p50, ± 1 µs, is out of reach: the interval of the gate would be ±"}},
		{"a margin within reach", aheadStudy + "margin: {p50: 200us}\n", study.Options{}, nil},
		{"a screening", stated, study.Options{Quick: true}, nil},
		{"a short time", stated, study.Options{Time: 20 * time.Second}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			holdRefusals(t, ahead(t, c.text, c.o, 30, 60, 2, 0), c.want...)
		})
	}
	busy := "the load is saturated: it keeps the host 60 % busy, more than 50 %, so that queues would be part of every latency; "
	holdRefusals(t, busier(t, aheadStudy), busy+"410/s for each treatment would fit, or fewer treatments")
	rates := strings.Replace(aheadStudy, "  - {name: b,", "  - {name: more, baseline: a, set: {rate: 600/s}}\n  - {name: b,", 1)
	holdRefusals(t, busier(t, rates), "it fits at 62 % of these rates")
	holdRefusals(t, busier(t, strings.Replace(aheadStudy, "load: {rate: 500/s}\n", "", 1))) // the run lowers it
	o := ahead(t, stated, study.Options{}, 30, 60, 2, 0)
	if !strings.Contains(o.Refused[0], "give it --time ") || !strings.Contains(o.Refused[0], "or state a margin of ") {
		t.Errorf("no remedy in: %s", o.Refused[0])
	}
}

func holdRefusals(t *testing.T, o *experiment.Outlook, want ...string) {
	t.Helper()
	if len(o.Refused) != len(want) {
		t.Fatalf("refused: %q", o.Refused)
	}
	for k, w := range want {
		if !strings.Contains(o.Refused[k], w) {
			t.Errorf("refused: %s\nwant %s", o.Refused[k], w)
		}
	}
}

// A margin that the spread may still allow for, as far as a pilot can tell, is
// not refused.
func TestOutlookRefusesWhatIsCertain(t *testing.T) {
	x := ahead(t, aheadStudy, study.Options{}, 30, 60, 2, 0).Prospects[0]
	margin := *x.HalfWidth * (1 + x.SDLow/x.SD) / 2 // between the half-width by the least sd and that by the sd
	text := aheadStudy + fmt.Sprintf("margin: {%s: %.0fns}\n", x.Endpoint, 1000*margin)
	o := ahead(t, text, study.Options{}, 30, 60, 2, 0)
	for _, why := range o.Refused {
		if strings.Contains(why, "margin of "+x.Name) {
			t.Errorf("refused: %s", why)
		}
	}
	if y := o.Prospects[0]; !y.Stated || y.Margin >= *y.HalfWidth {
		t.Errorf("%+v", y)
	}
}

// busier is the outlook of blocks that took twice the CPU time.
func busier(t *testing.T, text string) *experiment.Outlook {
	t.Helper()
	s, err := study.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := study.MakePlan(*s, study.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blocks := starts(t, p, 3, 60, 0, time.Second)
	for _, b := range blocks {
		for k := range b.Phases {
			for j := range b.Phases[k].Parts {
				b.Phases[k].Parts[j].CPU *= 2
			}
		}
	}
	o, err := experiment.NewOutlook(p, "a pilot", p, blocks, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// The length of the latency phase is where a block's time is best spent:
// longer where requests are what varies, shorter where starts are.
func TestOutlookNamesTheLength(t *testing.T) {
	noisy := ahead(t, aheadStudy, study.Options{Time: 4 * time.Minute}, 0.1, 400, 2, 0)
	if l := noisy.Length; l == nil || l.Best <= l.Now || l.Narrower < 0.1 || l.Within < 10*l.Between || math.Abs(l.Within/502-1) > 0.4 { // 2·(1.2533·400)²/1000
		t.Errorf("requests vary: %+v", noisy.Length)
	}
	settled := ahead(t, strings.Replace(aheadStudy, "latency: 2s", "latency: 20s", 1), study.Options{Time: 15 * time.Minute}, 30, 5, 2, 0)
	if l := settled.Length; l == nil || l.Best >= l.Now || l.Narrower < 0.1 || l.Between < 10*l.Within {
		t.Errorf("starts vary: %+v", settled.Length)
	}
	few := ahead(t, strings.Replace(aheadStudy, "500/s", "50/s", 1), study.Options{}, 3, 5, 2, 0)
	if few.Length != nil {
		t.Errorf("of 100 requests: %+v", few.Length)
	}
}

// Spreads are those of the same treatments.
func TestOutlookOfAnotherStudy(t *testing.T) {
	p := planOf(t, aheadStudy)
	other := planOf(t, strings.Replace(aheadStudy, "name: b", "name: c", 1))
	if _, err := experiment.NewOutlook(p, "a result", other, starts(t, other, 3, 60, 0, time.Second), 2, 0); err == nil || !strings.Contains(err.Error(), "take one of this study, or --pilot") {
		t.Errorf("got %v", err)
	}
	if _, err := experiment.NewOutlook(p, "a result", p, starts(t, p, 3, 60, 0, time.Second)[:1], 2, 0); err == nil || !strings.Contains(err.Error(), "want at least 2") {
		t.Errorf("one block: %v", err)
	}
	if _, err := experiment.NewOutlook(p, "a result", p, nil, 2, 0); err == nil {
		t.Error("no block")
	}
}

// Of a factorial the effects are foretold, each of those that it tells apart.
func TestOutlookOfAFactorial(t *testing.T) {
	text := `tare: study/1
name: over
workload: {name: fake}
load: {rate: 500/s}
treatments:
  - {name: a, control: direct}
factors: {connections: [2, 16], response: [1KiB, 2KiB]}
design: {name: factorial, time: 3m, warmup: 10, idle: 50ms, latency: 2s, control_every: -1}
`
	o := ahead(t, text, study.Options{}, 3, 60, 2, 0)
	var names []string
	for _, x := range o.Prospects {
		if x.Endpoint == experiment.P50 {
			names = append(names, x.Name)
		}
	}
	if got := strings.Join(names, "; "); got != "connections 2→16; response 1KiB→2KiB; connections×response 2→16 1KiB→2KiB" {
		t.Errorf("foretold: %s", got)
	}
	if n := experiment.Primaries(planOf(t, text)); n != len(o.Prospects) {
		t.Errorf("%d primary effects were announced, %d came", n, len(o.Prospects))
	}
	if o.Length == nil {
		t.Error("no length")
	}
}

// In design pairs every cell has its own blocks, and its own share of the level.
func TestOutlookOfPairs(t *testing.T) {
	p := planOf(t, pairsStudy)
	o, err := experiment.NewOutlook(p, "itself", p, simulated(t, p, pairsMachine()), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	an, err := experiment.Analyse(p, simulated(t, p, pairsMachine()))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Prospects) != 10 || experiment.Primaries(p) != 2 { // p50 and CPU at two rates, requests/s in a closed loop, on two planes
		t.Errorf("%d prospects, %d announced in a cell", len(o.Prospects), experiment.Primaries(p))
	}
	k := 0
	for _, c := range an.Comparisons {
		if !c.Primary {
			continue
		}
		x := o.Prospects[k]
		k++
		if x.Blocks != len(c.PerBlock) || math.Abs(*x.HalfWidth/c.Difference.Half()-1) > 0.3 {
			t.Errorf("%s by %s: ± %.3f after %d blocks was foretold, ± %.3f after %d came", x.Name, x.Endpoint, *x.HalfWidth, x.Blocks, c.Difference.Half(), len(c.PerBlock))
		}
	}
}
