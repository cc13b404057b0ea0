package experiment

import (
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// What those need who judge beyond one experiment: two results against each
// other, or a gate.

// Margin is the plan's for the endpoint, in its unit, given a baseline's value.
func (e Endpoint) Margin(m study.Margins, baseline float64) float64 { return e.margin(m, baseline) }

// Direction turns that of the statistics, where less is better, round for an
// endpoint of which more is better.
func (e Endpoint) Direction(d stat.Direction) stat.Direction { return e.direction(d) }

// Noisy reports whether the A/A gate of treatment i failed for an endpoint:
// that of its own data plane and level, all of them where it has none.
func (an *Analysis) Noisy(p *study.Plan, i int, e Endpoint) bool {
	return an.noisy(&sheet{plan: p}, Comparison{Treatment: i, Endpoint: e})
}

// AnalyseVerdicts is Analyse without what only a report shows: it has the
// treatments, the comparisons, the gates and the interference controls. Its
// errors are those of Analyse.
func AnalyseVerdicts(p *study.Plan, blocks []Block) (*Analysis, error) {
	return analyse(p, blocks, cache{})
}
