package atlas

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taremesh/tare/study"
)

// Batch is some cells that stand at a time, with the controls that they share,
// as a study of its own.
type Batch struct {
	Study *study.Study
	Cells []Cell
	// Treatments are the cells' names in the study.
	Treatments []string
}

// What the names of a batch and of its controls are made of.
const (
	batchPrefix = "atlas-"
	noopSuffix  = "-noop"
)

// Screen is how the atlas looks at everything a little.
type Screen struct {
	Abreast int           // cells that stand at a time
	Time    time.Duration // for all of them; 0: as long as the default takes
	Rate    study.Rate    // for each treatment
}

// The screening design. A batch of six cells has about ten treatments.
const (
	DefaultAbreast = 6
	DefaultRate    = study.Rate(200)
	blockTime      = 1500 * msec // of latency: many short blocks
	batchTime      = 30 * time.Second
	leastTime      = 10 * time.Second
)

// What a treatment may need at most: a process of Envoy, a service, a share of
// the generator. A batch may have half of the memory, and beside its cells, each
// with a baseline of its own in the worst case, three controls.
const (
	treatmentMemory = 128 << 20
	batchControls   = 3
)

// AbreastIn is how many cells stand at a time on a host with so much memory, in
// bytes; 0: nobody knows. It depends on nothing that changes from day to day:
// the same command makes the same batches.
func AbreastIn(memory uint64) int {
	if memory == 0 {
		return DefaultAbreast
	}
	treatments := memory / 2 / treatmentMemory
	if treatments < batchControls+2 {
		return 1
	}
	return int(min((treatments-batchControls)/2, DefaultAbreast))
}

// abreast is how many cells of a form stand at a time. A module from Go has
// megabytes, which a plane compiles for seconds in each of its processes: many
// at once would not come up in time.
func (s Screen) abreast(form study.Form) int {
	if form == study.FormWasmGo {
		return 1
	}
	return s.Abreast
}

// Batches puts the cells into batches: those of one plane and one form together,
// since they share the no-op of that form. noops are the forms, by plane, that
// the function which does nothing has.
func Batches(cells []Cell, noops map[string][]study.Form, s Screen) []Batch {
	s.Abreast, s.Rate = cmp.Or(s.Abreast, DefaultAbreast), cmp.Or(s.Rate, DefaultRate)
	var groups [][]Cell
	for _, c := range cells {
		k := slices.IndexFunc(groups, func(g []Cell) bool {
			return len(g) < s.abreast(c.Form) && g[0].Plane == c.Plane && g[0].Form == c.Form
		})
		if k < 0 {
			groups = append(groups, nil)
			k = len(groups) - 1
		}
		groups[k] = append(groups[k], c)
	}
	time := max(leastTime, s.Time/time.Duration(max(1, len(groups))))
	if s.Time == 0 {
		time = batchTime
	}
	all := make([]Batch, len(groups))
	numbers := map[string]int{}
	for i, g := range groups {
		kind := string(g[0].Form)
		if g[0].Plane != "" {
			kind = strings.NewReplacer("@", "-", ".", "-").Replace(g[0].Plane) + "-" + kind
		}
		numbers[kind]++
		all[i] = batch(fmt.Sprintf(batchPrefix+"%s-%d", kind, numbers[kind]), g, noops[plainly(g[0].Plane)], time, s.Rate)
	}
	return all
}

func batch(name string, cells []Cell, noops []study.Form, time time.Duration, rate study.Rate) Batch {
	b := Batch{Cells: cells, Study: &study.Study{
		Format: study.Format, Name: name, Question: "What does each function add, in this form?",
		Workload: study.Part{Name: "echo"}, Load: study.Load{Rate: rate},
		Design: study.Design{Name: study.Interleaved, Time: time, Latency: blockTime, Warmup: 200, Idle: 300 * msec, ControlEvery: -1, Stop: study.StopFixed},
	}}
	if plane := cells[0].Plane; plane != "" {
		b.Study.DataPlane = study.Planes{plane}
	}
	root := "direct"
	if cells[0].Plane == "" {
		b.add(study.Treatment{Name: root, Control: study.Direct})
	} else {
		root = "router"
		b.add(study.Treatment{Name: root, Control: study.Router})
	}
	b.add(study.Treatment{Name: root + "-aa", Control: study.AA, Baseline: root})
	for _, c := range cells {
		b.carry(c.headers)
		base := b.baseline(root, c)
		noop := b.noop(base, c, noops)
		t := study.Treatment{Name: c.Function, Form: c.Form, Baseline: base, Function: &study.Part{Name: c.Function, Params: c.params}}
		if len(c.settings) > 0 {
			t.Form, t.Function, t.Set = "", nil, c.settings
		}
		if noop != "" {
			t.Against = []string{noop}
		}
		if k := b.Study.Index(base); len(b.Study.Treatments[k].Set) > 0 {
			t.Against = append(t.Against, b.Study.Treatments[k].Baseline)
		}
		b.add(t)
		b.Treatments = append(b.Treatments, t.Name)
	}
	return b
}

// carry adds what a cell's requests must have to those of the whole batch: all
// treatments get the same ones.
func (b *Batch) carry(headers study.Headers) {
	if len(headers) > 0 && b.Study.Load.Headers == nil {
		b.Study.Load.Headers = study.Headers{}
	}
	maps.Copy(b.Study.Load.Headers, headers)
}

// sidecars is what a function between two proxies stands on.
const sidecars = "sidecars"

// replicas is the factor that gives a treatment several services.
const replicas = "replicas"

const msec = time.Millisecond

// add adds a treatment once.
func (b *Batch) add(t study.Treatment) {
	if b.Study.Index(t.Name) < 0 {
		b.Study.Treatments = append(b.Study.Treatments, t)
	}
}

// baseline is what a cell stands on: the same apparatus without the function.
func (b *Batch) baseline(root string, c Cell) string {
	base := root
	if c.calls {
		b.add(study.Treatment{Name: "relay", Control: study.Relay, Baseline: root})
		base = "relay"
	}
	if len(c.settings) > 0 { // it is between two sidecars
		b.add(study.Treatment{Name: sidecars, Control: study.Router, Site: study.SiteClient, Baseline: root})
		return sidecars
	}
	if c.replicas <= 1 {
		return base
	}
	name := fmt.Sprintf("%s-%d", base, c.replicas)
	b.add(study.Treatment{Name: name, Baseline: base, Set: study.Settings{{Factor: replicas, Level: fmt.Sprint(c.replicas)}}})
	return name
}

// noop is the control that does nothing in the cell's form, on its baseline.
func (b *Batch) noop(base string, c Cell, forms []study.Form) string {
	if c.Plane == "" || !slices.Contains(forms, c.Form) {
		return ""
	}
	name := base + noopSuffix
	b.add(study.Treatment{Name: name, Control: study.Noop, Form: c.Form, Baseline: base})
	return name
}

// Without is the batch without some of its cells; nil when none is left.
func (b Batch) Without(gone []int, noops []study.Form) *Batch {
	var left []Cell
	for i, c := range b.Cells {
		if !slices.Contains(gone, i) {
			left = append(left, c)
		}
	}
	if len(left) == 0 {
		return nil
	}
	out := batch(b.Study.Name, left, noops, b.Study.Design.Time, b.Study.Load.Rate)
	return &out
}
