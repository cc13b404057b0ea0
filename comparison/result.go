package comparison

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// ErrEmpty is a result without a block that counts: there is nothing to judge.
var ErrEmpty = errors.New("no block that counts has finished")

// Result is one kept result with what its blocks say.
type Result struct {
	experiment.Experiment
	State    experiment.State
	Analysis *experiment.Analysis
	// asked are the margins that replaced the plan's; nil: none did.
	asked *study.Margins
}

// Read analyses a result. Margins that are not zero take the place of the
// plan's: the intervals are the same, and judged anew.
func Read(e experiment.Experiment, state experiment.State, blocks []experiment.Block, asked study.Margins) (*Result, error) {
	r := &Result{Experiment: e, State: state}
	if asked != (study.Margins{}) {
		r.asked = &study.Margins{}
		*r.asked = e.Plan.Study.Margin // to say what they were
		r.Plan.Study.Margin = replaced(e.Plan.Study.Margin, asked)
	}
	an, err := experiment.AnalyseVerdicts(&r.Plan, blocks)
	switch {
	case errors.Is(err, experiment.ErrNoBlocks):
		return nil, fmt.Errorf("read result %s: %w", e.ID, ErrEmpty)
	case err != nil:
		return nil, fmt.Errorf("read result %s: %w", e.ID, err)
	}
	if e.Plan.Study.Design.Name == study.Knee {
		return nil, fmt.Errorf("read result %s: %w: design %s gives capacities and no treatments to compare by their latency", e.ID, ErrIncomparable, e.Plan.Study.Design.Name)
	}
	r.Analysis = an
	return r, r.finite()
}

// replaced takes each margin that is asked for.
func replaced(plan, asked study.Margins) study.Margins {
	for _, m := range []struct{ into, from *study.Margin }{
		{&plan.P50, &asked.P50}, {&plan.P99, &asked.P99}, {&plan.CPU, &asked.CPU}, {&plan.Rate, &asked.Rate},
	} {
		if !m.from.IsZero() {
			*m.into = *m.from
		}
	}
	return plan
}

// finite refuses figures that are no numbers, which only a record that no run
// wrote can give.
func (r *Result) finite() error {
	for _, t := range r.Analysis.Treatments {
		for e, vs := range t.PerBlock {
			for k, v := range vs {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("read result %s: %s of %s in block %d is %g: %w", r.ID, e, t.Name, k, v, stat.ErrNotFinite)
				}
			}
		}
	}
	return nil
}

// treatments lists those that stand and are no A/A copies.
func (r *Result) treatments() []int {
	var is []int
	s := &r.Plan.Study
	for i, t := range s.Treatments {
		if s.Stands(i) && t.Control != study.AA {
			is = append(is, i)
		}
	}
	return is
}

// own are the values of a treatment, block by block.
func (r *Result) own(i int, e experiment.Endpoint) []float64 {
	return r.Analysis.Treatments[i].PerBlock[e]
}

// differences are treatment − baseline in the blocks that both stood in, and
// the baseline's values there.
func (r *Result) differences(i, base int, e experiment.Endpoint) (d, of []float64) {
	t, b := &r.Analysis.Treatments[i], &r.Analysis.Treatments[base]
	if len(t.PerBlock[e]) != len(t.Stood) || len(b.PerBlock[e]) != len(b.Stood) {
		return nil, nil
	}
	for k, block := range t.Stood {
		if j := slices.Index(b.Stood, block); j >= 0 {
			d = append(d, t.PerBlock[e][k]-b.PerBlock[e][j])
			of = append(of, b.PerBlock[e][j])
		}
	}
	return d, of
}

// why says why a treatment lacks an endpoint.
func (r *Result) why(i int, e experiment.Endpoint) string {
	if why := r.Analysis.Treatments[i].Why[e]; why != "" {
		return why
	}
	return fmt.Sprintf("result %s has no %s of %s", r.ID, e, r.Analysis.Treatments[i].Name)
}

// screening reports whether a result is too short for a verdict.
func (r *Result) screening() bool { return r.Plan.Screening || r.Analysis.Blocks < study.MinBlocks }

// Side is one of the two results of an answer.
type Side struct {
	ID        string    `json:"id"`
	Study     string    `json:"study"`
	Started   time.Time `json:"started"`
	State     string    `json:"state"`
	Blocks    int       `json:"blocks"`
	Digest    string    `json:"digest"` // of the plan
	Tare      string    `json:"tare"`   // version
	Screening bool      `json:"screening"`
}

func (r *Result) side() Side {
	return Side{ID: r.ID, Study: r.Plan.Study.Name, Started: r.Started.UTC(), State: string(r.State), Blocks: r.Analysis.Blocks,
		Digest: r.Plan.Digest, Tare: r.Program.Version, Screening: r.screening()}
}

// warnings are those of the result that bear on every verdict made of it.
func (r *Result) warnings() []string {
	var ws []string
	if r.State != experiment.Done {
		ws = append(ws, fmt.Sprintf("result %s is not done but %s: it has %d of the %d blocks of its plan", r.ID, r.State, r.Analysis.Blocks, len(r.Plan.Blocks)))
	}
	if n := r.Analysis.Voids; n > 0 {
		ws = append(ws, fmt.Sprintf("%d blocks of result %s are void", n, r.ID))
	}
	return ws
}

// warnMargins says that verdicts are by other margins than the plan's.
func (r *Result) warnMargins() []string {
	if r.asked == nil {
		return nil
	}
	var ws []string
	for _, m := range []struct {
		name      string
		plan, now study.Margin
	}{
		{"p50", r.asked.P50, r.Plan.Study.Margin.P50}, {"p99", r.asked.P99, r.Plan.Study.Margin.P99},
		{"cpu", r.asked.CPU, r.Plan.Study.Margin.CPU}, {"rate", r.asked.Rate, r.Plan.Study.Margin.Rate},
	} {
		if m.plan != m.now {
			ws = append(ws, fmt.Sprintf("judged anew from the same intervals: the margin of %s is %s, the plan's was %s", m.name, marginText(m.now), marginText(m.plan)))
		}
	}
	return ws
}

func marginText(m study.Margin) string {
	switch {
	case m.IsZero():
		return "none"
	case m.Least == 0:
		return fmt.Sprintf("%.4g %%", 100*m.Relative)
	case m.Relative == 0:
		return fmt.Sprintf("%.4g µs", m.Of(0))
	}
	return fmt.Sprintf("the greater of %.4g %% and %.4g µs", 100*m.Relative, m.Of(0))
}
