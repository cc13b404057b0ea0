package experiment

import (
	"slices"

	"github.com/taremesh/tare/study"
)

// sheet is the figures of every treatment in every block that counts.
type sheet struct {
	plan   *study.Plan
	blocks []*Block
	of     []map[int]figures // by block: those that stood
	hidden Endpoint          // may not be given; empty: none
	// readings are what else the raw samples say, in the same order.
	readings []map[int]*reading
}

// cache keeps what was made of the samples of finished blocks, which never change.
type cache map[attempt]made

type attempt struct{ index, attempt int }

// made is one block's, by treatment.
type made struct {
	figures  map[int]figures
	readings map[int]*reading
}

func newSheet(p *study.Plan, blocks []*Block, known cache) *sheet {
	s := &sheet{plan: p, blocks: blocks}
	for _, b := range blocks {
		key := attempt{b.Index, b.Attempt}
		one, ok := known[key]
		if !ok {
			arms := p.Arms(b.Index)
			one = made{figures: map[int]figures{}, readings: readingsOf(b, arms)}
			for _, i := range arms {
				f := figuresOf(b, i)
				f.probes = probesOf(&p.Study, b, i)
				one.figures[i] = f
			}
			known[key] = one
		}
		s.of, s.readings = append(s.of, one.figures), append(s.readings, one.readings)
	}
	return s
}

// own are the positions of the blocks that treatment i's own figures come from:
// all that it stood in, but not as the baseline of an A/A block.
func (s *sheet) own(i int) []int {
	var ks []int
	for k, b := range s.blocks {
		arms := s.plan.Arms(b.Index)
		aside := s.plan.Study.Design.Name == study.DesignPairs && arms[0] == i && s.isCopy(arms[1])
		if slices.Contains(arms, i) && !aside {
			ks = append(ks, k)
		}
	}
	return ks
}

func (s *sheet) isCopy(i int) bool { return s.plan.Study.Treatments[i].Control == study.AA }

// pair gives the values of two treatments in the blocks that both stood in; nil
// if there is none, or if one of them lacks the endpoint in one of these.
func (s *sheet) pair(e Endpoint, i, j int) (a, b []float64) {
	if e == s.hidden {
		return nil, nil
	}
	for _, fs := range s.of {
		f, stood := fs[i]
		g, too := fs[j]
		if !stood || !too {
			continue
		}
		x, has := f.values[e]
		y, also := g.values[e]
		if !has || !also {
			return nil, nil
		}
		a, b = append(a, x), append(b, y)
	}
	return a, b
}
