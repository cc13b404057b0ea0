package stat

import "fmt"

// Verdict is one of four words on a comparison. The constants are the words
// used in JSON; Words gives those to print. The zero value is no verdict.
type Verdict string

const (
	// Material: the interval lies wholly beyond the margin.
	Material Verdict = "material"
	// Immaterial: the interval lies within the margin and excludes 0.
	Immaterial Verdict = "immaterial"
	// NoDifference: the interval lies within the margin and holds 0.
	NoDifference Verdict = "none"
	// Undecided: the interval lies neither within nor beyond the margin, or
	// no other verdict may be given.
	Undecided Verdict = "undecided"
)

// Words is the verdict as it is printed.
func (v Verdict) Words() string {
	if v == NoDifference {
		return "no difference beyond the margin"
	}
	return string(v)
}

// UnmarshalText takes one of the four words and nothing else.
func (v *Verdict) UnmarshalText(text []byte) error {
	switch w := Verdict(text); w {
	case Material, Immaterial, NoDifference, Undecided:
		*v = w
		return nil
	}
	return fmt.Errorf("read verdict %q: not one of %q, %q, %q, %q", text, Material, Immaterial, NoDifference, Undecided)
}

// Direction says on which side of 0 a whole interval lies; the zero value:
// on neither. Latency and CPU: more is worse.
type Direction string

const (
	// Worse: more than the baseline.
	Worse Direction = "worse"
	// Better: less than the baseline.
	Better Direction = "better"
)

// Judge gives the verdict on the interval of a difference (treatment −
// baseline) against the margin, in this order: wholly beyond +margin or
// −margin: Material; within ±margin and without 0: Immaterial; within ±margin
// with 0: NoDifference; else Undecided. The direction is that of an interval
// without 0, whatever the verdict.
//
// A difference of exactly the margin is not beyond it, and an interval that
// ends at 0 holds 0. An interval with NaN or with Low above High, and a margin
// that is negative or NaN, are Undecided.
func Judge(i Interval, margin float64) (Verdict, Direction) {
	if !(i.Low <= i.High) || !(margin >= 0) {
		return Undecided, ""
	}
	side := directionOf(i)
	switch {
	case i.Low > margin || i.High < -margin:
		return Material, side
	case i.Inside(margin) && side != "":
		return Immaterial, side
	case i.Inside(margin):
		return NoDifference, side
	}
	return Undecided, side
}

func directionOf(i Interval) Direction {
	switch {
	case i.Low > 0:
		return Worse
	case i.High < 0:
		return Better
	}
	return ""
}
