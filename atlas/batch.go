package atlas

import (
	"cmp"
	"fmt"
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

// Batches puts the cells into batches: those of one plane and one form together,
// since they share the no-op of that form. noops are the forms, by plane, that
// the function which does nothing has.
func Batches(cells []Cell, noops map[string][]study.Form, s Screen) []Batch {
	s.Abreast, s.Rate = cmp.Or(s.Abreast, DefaultAbreast), cmp.Or(s.Rate, DefaultRate)
	var groups [][]Cell
	for _, c := range cells {
		k := slices.IndexFunc(groups, func(g []Cell) bool {
			return len(g) < s.Abreast && g[0].Plane == c.Plane && g[0].Form == c.Form
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
		base := b.baseline(root, c)
		noop := b.noop(base, c, noops)
		t := study.Treatment{Name: c.Function, Form: c.Form, Baseline: base, Function: &study.Part{Name: c.Function, Params: c.params}}
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
