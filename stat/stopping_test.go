package stat_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/stat"
)

func TestRuleLook(t *testing.T) {
	tests := []struct {
		name string
		rule stat.Rule
		want []int // of 0 … 17
	}{
		{"default", stat.DefaultRule(), []int{10, 12, 14, 16}},
		{"every block", stat.Rule{First: 14, Every: 1}, []int{14, 15, 16, 17}},
		{"from an odd block", stat.Rule{First: 9, Every: 4}, []int{9, 13, 17}},
		{"once", stat.Rule{First: 12}, []int{12}},
		{"zero", stat.Rule{}, nil},
	}
	for _, tt := range tests {
		var got []int
		for n := range 18 {
			if tt.rule.Look(n) {
				got = append(got, n)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestRuleEnough(t *testing.T) {
	tests := []struct {
		name           string
		halves, margin []float64
		want           bool
	}{
		{"all narrow", []float64{1, 2}, []float64{2, 5}, true},
		{"one wide", []float64{1, 2.6}, []float64{2, 5}, false},
		{"at the limit", []float64{1}, []float64{2}, true},
		{"within the margin but not half of it", []float64{1.5}, []float64{2}, false},
		{"none", nil, nil, false},
		{"no match", []float64{1}, []float64{2, 5}, false},
		{"NaN width", []float64{math.NaN()}, []float64{2}, false},
		{"NaN margin", []float64{1}, []float64{math.NaN()}, false},
		{"infinite width", []float64{math.Inf(1)}, []float64{2}, false},
	}
	for _, tt := range tests {
		if got := stat.DefaultRule().Enough(tt.halves, tt.margin); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestBlocks(t *testing.T) {
	tests := []struct {
		sd, half float64
		want     int
	}{
		{1, 1, 8}, // 2·1.96² = 7.68
		{10, 2, 193},
		{2 / math.Sqrt2, 1.1, 13}, // block differences with sd 2: (1.96·2/1.1)² = 12.7
		{0, 1, 2},
		{0.001, 1, 2},
		{1, 0, 0}, {1, -1, 0}, {-1, 1, 0},
		{math.NaN(), 1, 0}, {1, math.NaN(), 0}, {math.Inf(1), 1, 0},
		{1, 1e-9, 0},
	}
	for _, tt := range tests {
		if got := stat.Blocks(tt.sd, tt.half); got != tt.want {
			t.Errorf("Blocks(%g, %g) = %d, want %d", tt.sd, tt.half, got, tt.want)
		}
	}
}

func TestMinimumDetectableEnds(t *testing.T) {
	for _, c := range []struct {
		sd    float64
		n     int
		level float64
	}{{1, 1, 0.95}, {1, 0, 0.95}, {-1, 10, 0.95}, {math.NaN(), 10, 0.95}, {1, 10, 1}, {1, 10, math.NaN()}} {
		if got := stat.MinimumDetectable(c.sd, c.n, c.level); !math.IsInf(got, 1) {
			t.Errorf("%+v: %g, want +Inf", c, got)
		}
	}
	if got := stat.MinimumDetectable(0, 10, 0.95); got != 0 {
		t.Errorf("sd 0: %g", got)
	}
}

func TestVoidRule(t *testing.T) {
	sound := stat.Strain{Scheduled: 1000, Sent: 1000, Steal: 0.10, Lateness: []float64{40, 40.5, 40.2}, Margin: 2}
	with := func(change func(*stat.Strain)) stat.Strain {
		s := sound
		change(&s)
		return s
	}
	tests := []struct {
		name   string
		strain stat.Strain
		want   string
	}{
		{"sound, at both limits and late alike", sound, ""},
		{"zero", stat.Strain{}, ""},
		{"died", with(func(s *stat.Strain) { s.Died = []string{"proxy of native"} }), "proxy of native died"},
		{"sent fewer", with(func(s *stat.Strain) { s.Sent-- }), "999 requests sent of 1000 scheduled"},
		{"sent more", with(func(s *stat.Strain) { s.Sent++ }), "1001 requests sent of 1000 scheduled"},
		{"errors", with(func(s *stat.Strain) { s.Errors = 3 }), "3 errors of the apparatus"},
		{"steal", with(func(s *stat.Strain) { s.Steal = 0.123 }), "steal 12.3 %, the limit is 10.0 %"},
		{"steal unknown", with(func(s *stat.Strain) { s.Steal = math.NaN() }), "steal NaN %, the limit is 10.0 %"},
		{"lateness", with(func(s *stat.Strain) { s.Lateness = []float64{40, 40.51} }), "lateness differs by 0.51 between treatments, the limit is 0.5"},
		{"lateness, earlier", with(func(s *stat.Strain) { s.Lateness = []float64{40, 39} }), "lateness differs by 1 between treatments, the limit is 0.5"},
		{"lateness unknown", with(func(s *stat.Strain) { s.Lateness = []float64{40, math.NaN()} }), "lateness differs by NaN between treatments, the limit is 0.5"},
	}
	for _, tt := range tests {
		if got := stat.DefaultVoidRule().Reason(tt.strain); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestVoidRuleAllows(t *testing.T) {
	tests := []struct {
		voids, planned int
		want           bool
	}{
		{0, 4, false}, {0, 5, true}, {1, 9, false}, {1, 10, true}, {1, 12, true}, {2, 12, false}, {2, 15, true}, {0, 0, false},
	}
	for _, tt := range tests {
		if got := stat.DefaultVoidRule().Allows(tt.voids, tt.planned); got != tt.want {
			t.Errorf("%d voids of %d planned: one more %t", tt.voids, tt.planned, got)
		}
	}
}
