package experiment_test

import (
	stdcmp "cmp"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/measure"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// planted is a machine whose response times are a known function of the cell:
// base plus what it adds, plus what a whole block and every start add by
// chance.
type planted struct {
	study string
	seed  uint64
	// adds is what a treatment adds in a block, in µs.
	adds func(levels []int, treatment, block, place int) float64
	// start and mood are the standard deviations from start to start, and from
	// block to block, in µs.
	start, mood float64
	alone       float64 // what solo windows vary by
	requests    int     // of each treatment in each block; default enough for a p50
	cold        float64 // µs that the first twentieth takes longer
}

// blocks carries the plan out without processes.
func (m planted) blocks(p *study.Plan) []experiment.Block {
	r := rand.New(rand.NewPCG(m.seed, 17))
	requests := stdcmp.Or(m.requests, 220)
	levels := map[int][]int{}
	for _, c := range p.Study.Combinations() {
		levels[c.Treatment] = c.Levels
	}
	for i, t := range p.Study.Treatments {
		if t.Control == study.AA {
			levels[i] = levels[p.Study.Index(t.Baseline)]
		}
	}
	var bs []experiment.Block
	for _, plan := range p.Blocks {
		mood := m.mood * r.NormFloat64()
		b := experiment.Block{Index: plan.Index, Attempt: 1}
		idle := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Idle}, Wall: time.Second}
		busy := experiment.PhaseRecord{Phase: study.Phase{Kind: study.Latency, Duration: 2 * time.Second}, Wall: 2 * time.Second,
			Host: measure.HostCPU{Busy: time.Second, Idle: 3 * time.Second}}
		var samples []load.Sample
		for _, i := range p.Arms(plan.Index) {
			us := 300 + mood + m.start*r.NormFloat64() + m.adds(levels[i], i, plan.Index, slices.Index(plan.Start, i))
			for k := range requests {
				at := time.Duration(k) * 5 * time.Millisecond
				x := load.Sample{Intended: at, Written: at, Target: uint16(i), Status: 200}
				x.LastByte = at + time.Duration((us+40*r.Float64()-20)*1e3)
				if k < requests/20 {
					x.LastByte += time.Duration(m.cold * 1e3)
				}
				x.FirstByte = x.LastByte
				samples = append(samples, x)
			}
			cpu := us / 3 * float64(requests) * (1 + 0.003*r.NormFloat64())
			busy.Parts = append(busy.Parts, experiment.Part{Treatment: i, Role: "proxy", CPU: time.Duration(cpu * 1e3)})
		}
		busy.Stats = load.Stats{Scheduled: len(samples), Sent: len(samples)}
		b.Phases, b.Samples = []experiment.PhaseRecord{idle, busy}, [][]load.Sample{nil, samples}
		m.addSolo(&b, plan, levels)
		bs = append(bs, b)
	}
	return bs
}

// addSolo adds the windows of the interference control, in which everything
// takes what it does without chance, and the heaviest is the last cell.
func (m planted) addSolo(b *experiment.Block, plan study.Block, levels map[int][]int) {
	for _, ph := range plan.Phases {
		if ph.Kind != study.Solo {
			continue
		}
		if ph.Heaviest {
			ph.Targets = []int{len(levels) - 1 + slices.Min(slices.Collect(maps.Keys(levels))) - 1} // before the A/A copy
		}
		i := ph.Targets[0]
		us := 300 + m.alone*float64(b.Index%3) + m.adds(levels[i], i, plan.Index, 0)
		b.Phases = append(b.Phases, experiment.PhaseRecord{Phase: ph})
		b.Samples = append(b.Samples, answers(i, 300, time.Duration(us*1e3)))
	}
}

func (m planted) analyse(t *testing.T) (*study.Plan, *experiment.Analysis) {
	t.Helper()
	p := planAt(t, m.study, m.seed)
	an, err := experiment.Analyse(p, m.blocks(p))
	if err != nil {
		t.Fatal(err)
	}
	return p, an
}

const crossedStudy = `tare: study/1
name: crossed
workload: {name: fake}
load: {rate: 200/s}
dataplane: embedded
treatments:
  - {name: router, control: router}
factors: {connections: [4, 16], response: [1KiB, 65KiB], access-log: [off, on]}
design: {name: factorial, blocks: 12, latency: 2s, stop: fixed}
margin: {p50: 5us, cpu: 5us}
`

// crossing adds 20 µs for connections, 0.25 µs per KiB of response, and with
// both 24 µs more; the access log adds nothing.
func crossing(levels []int, _, _, _ int) float64 {
	x := 20*float64(levels[0]) + 16*float64(levels[1])
	return x + 24*float64(levels[0]*levels[1])
}

func TestEffectsFindWhatIsPlanted(t *testing.T) {
	p, an := planted{study: crossedStudy, seed: 3, adds: crossing, start: 1.5, mood: 8}.analyse(t)
	want := map[string]float64{ // an interaction is half of the difference of differences
		"connections": 32, "response": 28, "access-log": 0,
		"connections×response": 12, "connections×access-log": 0, "response×access-log": 0,
	}
	seen := map[string]bool{}
	for _, x := range an.Effects {
		name := experiment.EffectName(p.Study.Factors, x.Factors)
		if x.Endpoint != experiment.P50 && x.Endpoint != experiment.CPU {
			t.Errorf("%s by %s", name, x.Endpoint)
			continue
		}
		truth := want[name]
		if x.Endpoint == experiment.CPU {
			truth /= 3
		} else {
			seen[name] = true
		}
		if !x.Primary || !x.Difference.Contains(truth) || x.Difference.Half() > 2 || x.Blocks != 12 {
			t.Errorf("%s by %s: %+v, primary %t, planted %g", name, x.Endpoint, x.Difference, x.Primary, truth)
		}
		if (x.Ratio != nil) != (len(x.Factors) == 1) {
			t.Errorf("%s: ratio %v", name, x.Ratio)
		}
		verdict := stat.NoDifference
		if truth > 5 {
			verdict = stat.Material
		}
		if x.Endpoint == experiment.P50 && x.Verdict != verdict {
			t.Errorf("%s: %s, want %s (%+v)", name, x.Verdict, verdict, x.Difference)
		}
		if m := x.Means; name == "connections×response" && x.Endpoint == experiment.P50 && (math.Abs(m[1]-m[0]-16) > 3 || math.Abs(m[2]-m[0]-20) > 3 || math.Abs(m[3]-m[0]-60) > 3) {
			t.Errorf("means %v, planted +16 for response, +20 for connections, +60 for both", m)
		}
		if x.Multiplicity.Comparisons != 12 {
			t.Errorf("%s holds together with %d, want 12", name, x.Multiplicity.Comparisons)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("found %v", seen)
	}
}

// Slopes are found with what they bend by, and where one says not all that is said.
func TestSlopesFindWhatIsPlanted(t *testing.T) {
	three := strings.NewReplacer("connections: [4, 16], response: [1KiB, 65KiB], access-log: [off, on]", "connections: [4, 16, 64]", "factorial", "sweep").Replace(crossedStudy)
	straight := func(levels []int, _, _, _ int) float64 { return []float64{0, 6, 30}[levels[0]] }
	bent := func(levels []int, _, _, _ int) float64 { return []float64{0, 25, 30}[levels[0]] }
	for _, c := range []struct {
		name, study, factor string
		adds                func([]int, int, int, int) float64
		slope               float64 // µs at p50
		levels              int
		curved              bool
	}{
		{"factorial", crossedStudy, "connections", crossing, 32.0 / 12, 2, false},
		{"factorial, KiB", crossedStudy, "response", crossing, 28.0 / 64, 2, false},
		{"sweep", strings.Replace(crossedStudy, "factorial", "sweep", 1), "response", crossing, 16.0 / 64, 2, false},
		{"three levels", three, "connections", straight, 0.5, 3, false},
		{"three levels, bent", three, "connections", bent, 0.3810, 3, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, an := planted{study: c.study, seed: 4, adds: c.adds, start: 1.5, mood: 8}.analyse(t)
			k := slices.IndexFunc(an.Slopes, func(l experiment.Slope) bool { return l.Factor == c.factor && l.Endpoint == experiment.P50 })
			if k < 0 {
				t.Fatalf("%+v", an.Slopes)
			}
			l := an.Slopes[k]
			if !l.Contains(c.slope) || l.Half() > 0.15*c.slope+0.02 || len(l.Points) != c.levels || l.Curved != c.curved {
				t.Errorf("%+v, planted %g", l, c.slope)
			}
			if (l.Curvature != nil) != (c.levels > 2) {
				t.Errorf("curvature %+v of %d levels", l.Curvature, c.levels)
			}
		})
	}
}

// The shares of all factors sum to what all of them add.
func TestShapleySharesSumToTheTotal(t *testing.T) {
	p, an := planted{study: crossedStudy, seed: 5, adds: crossing, start: 1.5, mood: 8}.analyse(t)
	if len(an.Shapley) != 2 {
		t.Fatalf("%d waterfalls, want those of p50 and CPU", len(an.Shapley))
	}
	for _, w := range an.Shapley {
		sum := 0.0
		for _, s := range w.Shares {
			sum += s.Estimate
		}
		if math.Abs(sum-w.Total.Estimate) > 1e-9 || math.Abs(w.AllValue-w.NoneValue-w.Total.Estimate) > 1e-9 {
			t.Errorf("%s: shares sum to %v of %v", w.Endpoint, sum, w.Total.Estimate)
		}
		if w.Endpoint != experiment.P50 {
			continue
		}
		for k, want := range []float64{32, 28, 0} { // the interaction's 24 are shared
			if !w.Shares[k].Contains(want) {
				t.Errorf("%s: %+v, want %g", p.Study.Factors[k].Name, w.Shares[k], want)
			}
		}
		if !w.Total.Contains(60) {
			t.Errorf("total %+v, want 60", w.Total)
		}
	}
}

// Of a fraction every effect says what it cannot be told from, and none stands
// under two names.
func TestFractionNamesItsAliases(t *testing.T) {
	half := strings.NewReplacer("factorial", "fraction", "response: [1KiB, 65KiB], access-log: [off, on]", "response: [1KiB, 65KiB], access-log: [off, on], replicas: [1, 2]").Replace(crossedStudy)
	p, an := planted{study: half, seed: 7, adds: crossing, start: 1.5, mood: 8}.analyse(t)
	if n := len(p.Study.Combinations()); n != 8 {
		t.Fatalf("%d combinations", n)
	}
	want := map[string]string{
		"connections": "response×access-log×replicas", "response": "connections×access-log×replicas",
		"access-log": "connections×response×replicas", "replicas": "connections×response×access-log",
		"connections×response": "access-log×replicas", "connections×access-log": "response×replicas", "connections×replicas": "response×access-log",
	}
	got := map[string]string{}
	for _, x := range an.Effects {
		if x.Endpoint != experiment.P50 {
			continue
		}
		var aliases []string
		for _, a := range x.Aliases {
			aliases = append(aliases, experiment.EffectName(p.Study.Factors, a))
		}
		name := experiment.EffectName(p.Study.Factors, x.Factors)
		got[name] = strings.Join(aliases, ", ")
		if planted := map[string]float64{"connections": 32, "response": 28, "connections×response": 12}[name]; !x.Difference.Contains(planted) {
			t.Errorf("%s: %+v, planted %g", name, x.Difference, planted)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(an.Shapley) > 0 {
		t.Error("a fraction has no Shapley shares")
	}
}

// The interference control of a design over factors holds the first cell
// against the heaviest.
func TestInterferenceControlOverFactors(t *testing.T) {
	for _, design := range []string{"factorial", "sweep"} {
		p, an := planted{study: strings.Replace(crossedStudy, "factorial", design, 1), seed: 8, adds: crossing, start: 0.5, alone: 0.2}.analyse(t)
		if len(an.Interference) != 1 {
			t.Fatalf("%s: %+v", design, an.Interference)
		}
		in, first := an.Interference[0], p.Study.Combinations()[0].Treatment
		if in.Baseline != first || in.Heaviest == first || in.Blocks < 3 || in.Disagreement == nil || in.Interferes {
			t.Errorf("%s: %+v, the first cell is %d", design, in, first)
		}
	}
}

// In a study without factors, treatments that set one number each on one
// treatment are a line with it.
func TestSlopeOfSettings(t *testing.T) {
	text := `tare: study/1
name: settings
workload: {name: fake}
load: {rate: 200/s, connections: 4}
dataplane: embedded
treatments:
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: c16, set: {connections: 16}, baseline: router}
  - {name: c64, set: {connections: 64}, baseline: router}
  - {name: chain4, set: {chain: 4}, baseline: c16}
design: {blocks: 12, latency: 2s, stop: fixed}
`
	adds := func(_ []int, i, _, _ int) float64 { return []float64{0, 0, 6, 30, 16}[i] }
	_, an := planted{study: text, seed: 9, adds: adds, start: 1, mood: 5}.analyse(t)
	want := map[string]float64{"connections": 0.5, "chain": 2.5}
	for _, l := range an.Slopes {
		if l.Endpoint != experiment.P50 {
			continue
		}
		if !l.Contains(want[l.Factor]) || l.Points[0].Treatments[0] != map[string]int{"connections": 0, "chain": 2}[l.Factor] {
			t.Errorf("%+v, planted %g", l, want[l.Factor])
		}
		delete(want, l.Factor)
	}
	if len(want) > 0 {
		t.Errorf("no slope of %v", want)
	}
}

// One block says what it gave and nothing more; no figure is no number.
func TestOneBlockOverFactors(t *testing.T) {
	p := planAt(t, crossedStudy, 1)
	blocks := planted{study: crossedStudy, seed: 1, adds: crossing}.blocks(p)[:1]
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		t.Fatal(err)
	}
	if an.Effects != nil || an.Slopes != nil || an.Shapley != nil || an.Shifts != nil || an.Checks.Order != nil || an.Checks.Drift != nil {
		t.Errorf("%+v", an)
	}
	if _, err := experiment.Analyse(p, nil); !errors.Is(err, experiment.ErrNoBlocks) {
		t.Errorf("no blocks: %v", err)
	}
	two := planted{study: crossedStudy, seed: 1, adds: crossing, start: 1}.blocks(p)[:2]
	if an, err = experiment.Analyse(p, two); err != nil || len(an.Effects) == 0 {
		t.Fatalf("two blocks: %v, %d effects", err, len(an.Effects))
	}
	for _, x := range an.Effects {
		if x.Verdict != stat.Undecided {
			t.Errorf("two blocks: %s is %s", x.Name, x.Verdict)
		}
	}
	for i := range two { // the last cell was asked nothing
		two[i].Samples[1] = slices.DeleteFunc(two[i].Samples[1], func(s load.Sample) bool { return int(s.Target) == p.Study.Combinations()[7].Treatment })
	}
	if an, err = experiment.Analyse(p, two); err != nil || an.Effects != nil || an.Shapley != nil {
		t.Errorf("a cell without figures: %v, %+v", err, an.Effects)
	}
}

// A function that did not do its work in one cell leaves no verdict on any effect.
func TestFaultOfACellForbidsVerdicts(t *testing.T) {
	p := planAt(t, crossedStudy, 1)
	blocks := planted{study: crossedStudy, seed: 1, adds: crossing, start: 1}.blocks(p)
	blocks[3].Judged = []experiment.Judgement{{Treatment: p.Study.Combinations()[2].Treatment, Wrong: "forgets a user"}}
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range an.Effects {
		if x.Verdict != stat.Undecided || x.BlocksNeeded != 0 {
			t.Errorf("%s: %s", x.Name, x.Verdict)
		}
	}
}

// CPU time that a process spends at any rate is no part of what one more
// request takes: the slope over two rates in windows leaves it out.
func TestMarginalCPUOverTwoRates(t *testing.T) {
	p := planOf(t, `tare: study/1
name: rates
workload: {name: fake}
load: {rate: 100/s}
dataplane: embedded
treatments:
  - {name: router, control: router}
  - {name: router-aa, control: aa, baseline: router}
  - {name: fast, set: {rate: 400/s}, baseline: router}
design: {name: windows, blocks: 12, latency: 3s, stop: fixed}
`)
	const fixed, each = 2000.0, 50.0 // µs/s and µs per request
	r := rand.New(rand.NewPCG(4, 4))
	var blocks []experiment.Block
	for _, plan := range p.Blocks {
		b := experiment.Block{Index: plan.Index}
		for _, ph := range plan.Phases {
			rec := experiment.PhaseRecord{Phase: ph, Wall: ph.Duration}
			var samples []load.Sample
			if ph.Kind == study.Latency {
				n := int(ph.Rate*ph.Duration.Seconds()) + r.IntN(21) - 10
				samples = answers(ph.Targets[0], n, 100*time.Microsecond)
				cpu := (fixed*ph.Duration.Seconds() + each*float64(n)) * (1 + 0.002*r.NormFloat64())
				rec.Parts = []experiment.Part{{Treatment: ph.Targets[0], Role: "proxy", CPU: time.Duration(cpu * 1e3)}}
			}
			b.Phases, b.Samples = append(b.Phases, rec), append(b.Samples, samples)
		}
		blocks = append(blocks, b)
	}
	an, err := experiment.Analyse(p, blocks)
	if err != nil {
		t.Fatal(err)
	}
	k := slices.IndexFunc(an.Slopes, func(l experiment.Slope) bool { return l.Endpoint == experiment.MarginalCPU })
	if k < 0 {
		t.Fatalf("%+v", an.Slopes)
	}
	l := an.Slopes[k]
	// At 100/s the CPU time per request is 70 µs, at 400/s 55.
	if !l.Contains(each) || l.Half() > 1 || l.Unit != "request" || len(l.Points) != 2 {
		t.Errorf("%+v", l)
	}
	if cpu := an.Treatments[0].Values[experiment.CPU]; cpu < 69 || cpu > 71 {
		t.Errorf("%g µs per request at the lower rate, want 70", cpu)
	}
}

// Where the A/A copy of the first cell differs from it, no effect is called none.
func TestGateOfTheFirstCellHoldsForEffects(t *testing.T) {
	p := planAt(t, crossedStudy, 1)
	unlike := func(levels []int, i, block, place int) float64 {
		if p.Study.Treatments[i].Control == study.AA {
			return 40
		}
		return crossing(levels, i, block, place)
	}
	_, an := planted{study: crossedStudy, seed: 1, adds: unlike, start: 0.5}.analyse(t)
	material := 0
	for _, x := range an.Effects {
		if x.Verdict == stat.NoDifference {
			t.Errorf("%s is %s (%+v)", x.Name, x.Verdict, x.Difference)
		}
		if x.Verdict == stat.Material {
			material++
		}
	}
	if material == 0 || len(an.Gates) != 1 {
		t.Errorf("%d material effects, %d gates", material, len(an.Gates))
	}
}

// A run stops when the primary effects are narrow enough, as with comparisons.
func TestEffectsAreWhatStoppingLooksAt(t *testing.T) {
	_, an := planted{study: crossedStudy, seed: 1, adds: crossing, start: 1}.analyse(t)
	halves, margins := experiment.PrimaryWidths(an)
	if len(halves) != 12 || len(margins) != 12 || halves[0] != an.Effects[0].Difference.Half() || margins[0] != 5 {
		t.Errorf("%v, %v", halves, margins)
	}
}
