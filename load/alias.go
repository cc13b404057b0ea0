package load

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
)

// alias draws an index in proportion to weights in constant time: each column
// holds a share of its own index and gives the rest to one other.
// M. D. Vose, "A linear algorithm for generating random numbers with a given
// distribution", IEEE Trans. Softw. Eng. 17 (1991).
type alias struct {
	own   []float64
	other []int32
}

// newAlias prepares the drawing among so many of a kind ("user"); none of them
// give nil.
func newAlias(kind string, n int, weight func(i int) float64) (*alias, error) {
	if n == 0 {
		return nil, nil
	}
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("%d %ss are too many", n, kind)
	}
	sum := 0.0
	for i := range n {
		if w := weight(i); !(w >= 0) || math.IsInf(w, 1) {
			return nil, fmt.Errorf("%s %d has the weight %v", kind, i, w)
		}
		sum += weight(i)
	}
	if sum == 0 {
		return nil, fmt.Errorf("every %s has the weight 0", kind)
	}
	if math.IsInf(sum, 1) {
		return nil, fmt.Errorf("the %ss' weights are too great to be added", kind)
	}
	a := &alias{own: make([]float64, n), other: make([]int32, n)}
	var small, large []int32
	for i := range n {
		a.own[i] = weight(i) / sum * float64(n)
		a.other[i] = int32(i)
		if a.own[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.other[s] = l
		a.own[l] -= 1 - a.own[s]
		if a.own[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	// What is left over is 1 but for rounding. One of weight 0 that is left
	// over must still never be drawn, so it gives its column to a heavy one.
	heaviest := int32(0)
	for i := range n {
		if weight(i) > weight(int(heaviest)) {
			heaviest = int32(i)
		}
	}
	for _, i := range append(small, large...) {
		if weight(int(i)) == 0 {
			a.own[i], a.other[i] = 0, heaviest
			continue
		}
		a.own[i], a.other[i] = 1, i
	}
	return a, nil
}

func (a *alias) draw(r *rand.Rand) int {
	i := r.IntN(len(a.own))
	if r.Float64() < a.own[i] {
		return i
	}
	return int(a.other[i])
}

// pick draws by one number: its high part takes the column, its low part the
// share.
func (a *alias) pick(x uint64) int {
	column, rest := bits.Mul64(x, uint64(len(a.own)))
	if unitFloat(rest) < a.own[column] {
		return int(column)
	}
	return int(a.other[column])
}
