package load

import (
	"errors"
	"fmt"
	"math"
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

// newAlias prepares the drawing of users; a population without users gives nil.
func newAlias(p Population) (*alias, error) {
	n := len(p.Users)
	if n == 0 {
		return nil, nil
	}
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("%d users are too many", n)
	}
	sum := 0.0
	for i, u := range p.Users {
		if !(u.Weight >= 0) || math.IsInf(u.Weight, 1) {
			return nil, fmt.Errorf("user %d has the weight %v", i, u.Weight)
		}
		sum += u.Weight
	}
	if sum == 0 {
		return nil, errors.New("every user has the weight 0")
	}
	if math.IsInf(sum, 1) {
		return nil, errors.New("the users' weights are too great to be added")
	}
	a := &alias{own: make([]float64, n), other: make([]int32, n)}
	var small, large []int32
	for i, u := range p.Users {
		a.own[i] = u.Weight / sum * float64(n)
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
	// What is left over is 1 but for rounding. A user of weight 0 that is left
	// over must still never be drawn, so it gives its column to a heavy one.
	heaviest := int32(0)
	for i, u := range p.Users {
		if u.Weight > p.Users[heaviest].Weight {
			heaviest = int32(i)
		}
	}
	for _, i := range append(small, large...) {
		if p.Users[i].Weight == 0 {
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
