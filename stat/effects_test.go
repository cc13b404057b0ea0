package stat_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

// standardOrder is a full factorial of k factors of two levels, the first
// factor turning fastest, with one block of the values given.
func standardOrder(k int, values []float64) []stat.Combination {
	combinations := make([]stat.Combination, len(values))
	for i, v := range values {
		levels := make([]int, k)
		for f := range levels {
			levels[f] = i >> f & 1
		}
		combinations[i] = stat.Combination{Levels: levels, Values: []float64{v}}
	}
	return combinations
}

// letters names an effect as the books do: A, B, AB.
func letters(e stat.Effect) string {
	name := ""
	for _, f := range e.Factors {
		name += string(rune('A' + f))
	}
	return name
}

func byLetters(t *testing.T, levels []int, combinations []stat.Combination) map[string]float64 {
	t.Helper()
	effects, err := stat.Effects(levels, combinations)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, e := range effects {
		got[letters(e)] = math.Round(1e9*(e.B[0]-e.A[0])) / 1e9
	}
	return got
}

// Box, Hunter and Hunter, "Statistics for Experimenters", 2nd ed., §5.3: the
// pilot plant, temperature, concentration and catalyst.
func TestEffectsOfThePilotPlant(t *testing.T) {
	got := byLetters(t, []int{2, 2, 2}, standardOrder(3, []float64{60, 72, 54, 68, 52, 83, 45, 80}))
	want := map[string]float64{"A": 23, "B": -5, "C": 1.5, "AB": 1.5, "AC": 10, "BC": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

var filtration = []float64{45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96}

// Montgomery, "Design and Analysis of Experiments", 8th ed., example 6.2: the
// filtration rate, and example 8.1: its half fraction of resolution IV.
func TestEffectsOfTheFiltrationRate(t *testing.T) {
	full := standardOrder(4, filtration)
	got := byLetters(t, []int{2, 2, 2, 2}, full)
	want := map[string]float64{
		"A": 21.625, "B": 3.125, "C": 9.875, "D": 14.625,
		"AB": 0.125, "AC": -18.125, "AD": 16.625, "BC": 2.375, "BD": -0.375, "CD": -1.125,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	half := slices.DeleteFunc(slices.Clone(full), func(c stat.Combination) bool {
		return (c.Levels[0]+c.Levels[1]+c.Levels[2]+c.Levels[3])%2 != 0
	})
	want = map[string]float64{
		"A": 19, "B": 1.5, "C": 14, "D": 16.5,
		"AB": -1, "AC": -18.5, "AD": 19, "BC": 19, "BD": -18.5, "CD": -1,
	}
	if diff := cmp.Diff(want, byLetters(t, []int{2, 2, 2, 2}, half)); diff != "" {
		t.Errorf("half: %s", diff)
	}
}

// Any numbers of levels, from a law whose effects are known; two blocks, the
// second of which has everything three times.
func TestEffectsOfManyLevels(t *testing.T) {
	levels := []int{3, 2, 4}
	a, b, c := []float64{0, 5, 9}, []float64{0, 2}, []float64{0, 1, -1, 4}
	law := func(i, j, k int) float64 { return 100 + a[i] + b[j] + c[k] + 6*float64(i*j) - 2*float64(j*k) }
	var combinations []stat.Combination
	for i := range 3 {
		for j := range 2 {
			for k := range 4 {
				y := law(i, j, k)
				combinations = append(combinations, stat.Combination{Levels: []int{i, j, k}, Values: []float64{y, 3 * y}})
			}
		}
	}
	effects, err := stat.Effects(levels, combinations)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"A1": 5 + 3, "A2": 9 + 6, // j is ½ on average
		"B1": 2 + 6 - 2*1.5,
		"C1": 0, "C2": -1 - 2, "C3": 4 - 3,
		"AB11": 3, "AB21": 6, // half of 6·i
		"AC11": 0, "AC12": 0, "AC13": 0, "AC21": 0, "AC22": 0, "AC23": 0,
		"BC11": -1, "BC12": -2, "BC13": -3,
	}
	if len(effects) != len(want) {
		t.Errorf("%d effects, want %d", len(effects), len(want))
	}
	for _, e := range effects {
		name := letters(e)
		for _, level := range e.Levels {
			name += fmt.Sprint(level)
		}
		near(t, name, e.B[0]-e.A[0], want[name], 1e-12)
		near(t, name+", block 2", e.B[1]-e.A[1], 3*want[name], 1e-12)
	}
}

func TestEffectsRefusals(t *testing.T) {
	full := standardOrder(2, []float64{1, 2, 3, 4})
	with := func(change func([]stat.Combination) []stat.Combination) []stat.Combination {
		return change(slices.Clone(full))
	}
	tests := []struct {
		name         string
		levels       []int
		combinations []stat.Combination
		want         error
	}{
		{"none", []int{2, 2}, nil, stat.ErrShape},
		{"no factors", nil, full, stat.ErrShape},
		{"one level", []int{2, 1}, full, stat.ErrShape},
		{"another number of factors", []int{2, 2, 2}, full, stat.ErrShape},
		{"a level beyond", []int{2, 2}, with(func(c []stat.Combination) []stat.Combination {
			c[1].Levels = []int{2, 0}
			return c
		}), stat.ErrShape},
		{"blocks missing", []int{2, 2}, with(func(c []stat.Combination) []stat.Combination {
			c[1].Values = nil
			return c
		}), stat.ErrShape},
		{"NaN", []int{2, 2}, with(func(c []stat.Combination) []stat.Combination {
			c[1].Values = []float64{math.NaN()}
			return c
		}), stat.ErrNotFinite},
		{"infinite", []int{2, 2}, with(func(c []stat.Combination) []stat.Combination {
			c[1].Values = []float64{math.Inf(-1)}
			return c
		}), stat.ErrNotFinite},
		{"a combination missing", []int{2, 2}, full[:3], stat.ErrUnbalanced},
		{"a level missing", []int{2, 3}, full, stat.ErrUnbalanced},
		{"two factors that are one", []int{2, 2}, []stat.Combination{full[0], full[3]}, stat.ErrUnbalanced},
	}
	for _, tt := range tests {
		if got, err := stat.Effects(tt.levels, tt.combinations); !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// The airport game (Littlechild and Owen, "A simple expression for the Shapley
// value in a special case", Management Science 20, 1973): a runway costs what
// its greatest plane needs, here 8, 11, 13 and 18; the shares are 2, 3, 4 and 9.
func TestShapleyOfTheAirport(t *testing.T) {
	costs := []float64{8, 11, 13, 18}
	values := make([]float64, 16)
	for mask := range values {
		for f, c := range costs {
			if mask>>f&1 == 1 {
				values[mask] = max(values[mask], c)
			}
		}
	}
	shares, err := stat.Shapley(standardOrder(4, values))
	if err != nil {
		t.Fatal(err)
	}
	for f, want := range []float64{2, 3, 4, 9} {
		near(t, "share", shares[f].B[0]-shares[f].A[0], want, 1e-12)
	}
}

// All orders written out, for every number of factors; shares sum to all − none.
func TestShapleyAgainstAllOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for k := 1; k <= stat.MostShared; k++ {
		values := make([]float64, 1<<k)
		for i := range values {
			values[i] = 100 + 10*r.NormFloat64()
		}
		want, orders := make([]float64, k), 0.0
		permute(k, func(order []int) {
			orders++
			mask := 0
			for _, f := range order {
				want[f] += values[mask|1<<f] - values[mask]
				mask |= 1 << f
			}
		})
		combinations := standardOrder(k, values)
		r.Shuffle(len(combinations), func(i, j int) { combinations[i], combinations[j] = combinations[j], combinations[i] })
		shares, err := stat.Shapley(combinations)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for f, e := range shares {
			d := e.B[0] - e.A[0]
			near(t, fmt.Sprintf("k=%d", k), d, want[f]/orders, 1e-10)
			sum += d
		}
		near(t, "sum", sum, values[1<<k-1]-values[0], 1e-10)
	}
}

// permute calls do with every order of 0 … k−1 (Heap's algorithm).
func permute(k int, do func([]int)) {
	order := make([]int, k)
	for i := range order {
		order[i] = i
	}
	var rest func(n int)
	rest = func(n int) {
		if n <= 1 {
			do(order)
			return
		}
		for i := range n {
			rest(n - 1)
			j := i
			if n%2 == 1 {
				j = 0
			}
			if i < n-1 {
				order[j], order[n-1] = order[n-1], order[j]
			}
		}
	}
	rest(k)
}

func TestShapleyRefusals(t *testing.T) {
	full := standardOrder(2, []float64{1, 2, 3, 4})
	twice := slices.Clone(full)
	twice[1] = twice[2]
	three := slices.Clone(full)
	three[1].Levels = []int{2, 0}
	unknown := slices.Clone(full)
	unknown[1].Values = []float64{math.NaN()}
	tests := []struct {
		name         string
		combinations []stat.Combination
		want         error
	}{
		{"none", nil, stat.ErrShape},
		{"one missing", full[:3], stat.ErrShape},
		{"one twice", twice, stat.ErrUnbalanced},
		{"seven factors", standardOrder(7, make([]float64, 128)), stat.ErrShape},
		{"three levels", three, stat.ErrShape},
		{"NaN", unknown, stat.ErrNotFinite},
	}
	for _, tt := range tests {
		if got, err := stat.Shapley(tt.combinations); err == nil || tt.want != stat.ErrUnbalanced && !errors.Is(err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// Effects and shares go through Compare as any pair does.
func TestEffectsGoThroughCompare(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	combinations := standardOrder(2, []float64{250, 260, 255, 275})
	for i := range combinations {
		at := combinations[i].Values[0]
		combinations[i].Values = nil
		for range 12 {
			combinations[i].Values = append(combinations[i].Values, at+0.5*r.NormFloat64())
		}
	}
	effects, err := stat.Effects([]int{2, 2}, combinations)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []stat.Pair
	for _, e := range effects {
		pairs = append(pairs, stat.Pair{Name: letters(e), A: e.A, B: e.B, Margin: 2})
	}
	got, err := stat.Compare(pairs, stat.Options{Level: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []float64{15, 10, 5} {
		if c := got[k]; !c.Difference.Contains(want) || c.Verdict != stat.Material || c.Difference.Half() > 1 {
			t.Errorf("%s: %+v %s, want about %g", c.Name, c.Difference, c.Verdict, want)
		}
	}
}
