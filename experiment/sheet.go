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
	copies map[twin]int      // that passed their A/A gate
	// readings are what else the raw samples say, in the same order.
	readings []map[int]*reading
}

// twin is a treatment that has an A/A copy which is the same by the endpoint.
type twin struct {
	treatment int
	by        Endpoint
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
	s := &sheet{plan: p, blocks: blocks, copies: map[twin]int{}}
	for _, b := range blocks {
		key := attempt{b.Index, b.Attempt}
		one, ok := known[key]
		if !ok {
			arms := p.Arms(b.Index)
			one = made{figures: map[int]figures{}, readings: readingsOf(b, arms)}
			for _, i := range arms {
				f := figuresOf(b, i)
				if slices.Contains(p.Study.Endpoints, study.EndpointMean) {
					f.addMean(b, i)
				}
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

// pair gives the values of two treatments in the blocks that both stood in, each
// the mean of its twins.
func (s *sheet) pair(e Endpoint, i, j int) (a, b []float64) {
	as, bs := s.twins(e, i), s.twins(e, j)
	values := s.together(e, slices.Concat(as, bs))
	if values == nil {
		return nil, nil
	}
	return meanOf(values[:len(as)]), meanOf(values[len(as):])
}

// twins are treatment i and, where the A/A gate says that the two are the same
// and both have the endpoint in the same blocks, its copy: the mean of both
// varies less than either.
func (s *sheet) twins(e Endpoint, i int) []int {
	k, same := s.copies[twin{i, gateOf(e)}]
	if !same {
		return []int{i}
	}
	own, both := s.together(e, []int{i}), s.together(e, []int{i, k})
	if both == nil || len(both[0]) < len(own[0]) {
		return []int{i}
	}
	return []int{i, k}
}

// meanOf averages lists of the same length, value by value.
func meanOf(lists [][]float64) []float64 {
	out := make([]float64, len(lists[0]))
	for _, xs := range lists {
		for n, x := range xs {
			out[n] += x / float64(len(lists))
		}
	}
	return out
}

// together gives the values of several treatments in the blocks that all of
// them stood in, one list for each; nil if there is none, or if one of them
// lacks the endpoint in one of these.
func (s *sheet) together(e Endpoint, is []int) [][]float64 {
	if e == s.hidden || len(is) == 0 {
		return nil
	}
	out := make([][]float64, len(is))
	for _, fs := range s.of {
		if slices.ContainsFunc(is, func(i int) bool { _, stood := fs[i]; return !stood }) {
			continue
		}
		for k, i := range is {
			x, has := fs[i].values[e]
			if !has {
				return nil
			}
			out[k] = append(out[k], x)
		}
	}
	if len(out[0]) == 0 {
		return nil
	}
	return out
}
