package study

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Rate is a number of requests per second. In text it needs its unit: "500/s".
type Rate float64

// UnmarshalText reads "500/s" or "30/min".
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, ok := strings.Cut(string(text), "/")
	if !ok {
		return fmt.Errorf("rate %q has no unit; write it as %q or %q", text, number+"/s", number+"/min")
	}
	per := map[string]float64{"s": 1, "min": 60}[unit]
	if per == 0 {
		return fmt.Errorf("rate %q: unknown unit %q (known: s, min)", text, unit)
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n <= 0 {
		return fmt.Errorf("rate %q: not a positive number of requests", text)
	}
	*r = Rate(n / per)
	return nil
}

// MarshalText writes the rate per second.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'g', -1, 64) + "/s" }

// Percent is a share, 0 to 1. In text it is written "20%".
type Percent float64

// UnmarshalText reads "20%".
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	if !ok {
		return fmt.Errorf("share %q has no unit; write it as %q", text, string(text)+"%")
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return errors.New("share " + strconv.Quote(string(text)) + " is not between 0% and 100%")
	}
	*p = Percent(n / 100)
	return nil
}

// MarshalText writes the share in percent.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String writes the percentage that is read back as the same share: a plan that
// is kept and taken up again must draw the same users.
func (p Percent) String() string {
	n := float64(p) * 100
	for _, near := range []float64{n, math.Nextafter(n, 0), math.Nextafter(n, 101)} {
		if near/100 == float64(p) {
			n = near
			break
		}
	}
	return strconv.FormatFloat(n, 'g', -1, 64) + "%"
}
