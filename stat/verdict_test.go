package stat_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/taremesh/tare/stat"
)

// orders has for every place of Low (rows) and High (columns) the verdict and
// the direction. The seven places are: below −δ, at −δ, between −δ and 0, at 0,
// between 0 and δ, at δ, above δ. M material, I immaterial, = no difference,
// ? undecided; + worse, - better, and a blank for neither.
var orders = [7][7]string{
	{"M-", "?-", "?-", "? ", "? ", "? ", "? "},
	{"", "I-", "I-", "= ", "= ", "= ", "? "},
	{"", "", "I-", "= ", "= ", "= ", "? "},
	{"", "", "", "= ", "= ", "= ", "? "},
	{"", "", "", "", "I+", "I+", "?+"},
	{"", "", "", "", "", "I+", "?+"},
	{"", "", "", "", "", "", "M+"},
}

// degenerate is the same for δ = 0: below 0, at 0, above 0.
var degenerate = [3][3]string{
	{"M-", "? ", "? "},
	{"", "= ", "? "},
	{"", "", "M+"},
}

var (
	verdictOf   = map[byte]stat.Verdict{'M': stat.Material, 'I': stat.Immaterial, '=': stat.NoDifference, '?': stat.Undecided}
	directionOf = map[byte]stat.Direction{'+': stat.Worse, '-': stat.Better, ' ': ""}
)

func judged(t *testing.T, low, high, margin float64, cell string) {
	t.Helper()
	v, d := stat.Judge(stat.Interval{Estimate: (low + high) / 2, Low: low, High: high}, margin)
	if v != verdictOf[cell[0]] || d != directionOf[cell[1]] {
		t.Errorf("[%g, %g] against ±%g: got %q %q, want %q %q", low, high, margin, v, d, verdictOf[cell[0]], directionOf[cell[1]])
	}
}

func TestJudgeEveryOrder(t *testing.T) {
	const margin = 2.0
	// Two values for each open place, so that Low and High are also equal and
	// in order within one.
	places := [7][]float64{{-9, -3}, {-margin}, {-1.5, -0.5}, {0}, {0.5, 1.5}, {margin}, {3, 9}}
	cells := 0
	for row, lows := range places {
		for column, highs := range places {
			for _, low := range lows {
				for _, high := range highs {
					if low > high {
						continue
					}
					cells++
					judged(t, low, high, margin, orders[row][column])
				}
			}
		}
	}
	if cells != 11*12/2 {
		t.Errorf("looked at %d orders, want %d", cells, 11*12/2)
	}
}

func TestJudgeMarginZero(t *testing.T) {
	places := [3][]float64{{-2, -1}, {0}, {1, 2}}
	for row, lows := range places {
		for column, highs := range places {
			for _, low := range lows {
				for _, high := range highs {
					if low <= high {
						judged(t, low, high, 0, degenerate[row][column])
					}
				}
			}
		}
	}
}

func TestJudgeNoNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct{ low, high, margin float64 }{
		{nan, 1, 2}, {-1, nan, 2}, {nan, nan, 2}, {-1, 1, nan}, {3, 4, -1}, {4, 3, 1}, {-inf, inf, 1},
	}
	for _, tt := range tests {
		judged(t, tt.low, tt.high, tt.margin, "? ")
	}
}

func TestVerdictWords(t *testing.T) {
	tests := []struct {
		verdict     stat.Verdict
		word, print string
	}{
		{stat.Material, `"material"`, "material"},
		{stat.Immaterial, `"immaterial"`, "immaterial"},
		{stat.NoDifference, `"none"`, "no difference beyond the margin"},
		{stat.Undecided, `"undecided"`, "undecided"},
	}
	for _, tt := range tests {
		text, err := json.Marshal(tt.verdict)
		if err != nil || string(text) != tt.word {
			t.Errorf("JSON of %q: %s, %v; want %s", tt.verdict, text, err, tt.word)
		}
		var back stat.Verdict
		if err := json.Unmarshal(text, &back); err != nil || back != tt.verdict {
			t.Errorf("%s read back: %q, %v", text, back, err)
		}
		if tt.verdict.Words() != tt.print {
			t.Errorf("printed %q, want %q", tt.verdict.Words(), tt.print)
		}
	}
	var v stat.Verdict
	if err := json.Unmarshal([]byte(`"significant"`), &v); err == nil {
		t.Errorf("read %q as a verdict", v)
	}
}
