package study

import (
	"encoding/json"
	"fmt"
	"time"
)

// Margins are the differences that are too small to matter, per endpoint,
// fixed before any data are seen (method.md §3).
type Margins struct {
	P50 Margin `yaml:"p50" json:"p50"` // default: the greater of 2 % and 2 µs
	P99 Margin `yaml:"p99" json:"p99"` // default: 5 %
	CPU Margin `yaml:"cpu" json:"cpu"` // default: 2 %
	// Rate is that of the requests/s of a closed loop; default in design pairs: 2 %.
	Rate Margin `yaml:"rate" json:"rate,omitzero"`
}

// Margin is the greater of a part of the baseline and an absolute time. In
// text it is one of the two: "2%" or "5us".
type Margin struct {
	Relative float64       `json:"relative"` // of the baseline's value
	Least    time.Duration `json:"least"`
}

// UnmarshalText reads "2%" or "5us".
func (m *Margin) UnmarshalText(text []byte) error {
	var p Percent
	if err := p.UnmarshalText(text); err == nil && p > 0 {
		*m = Margin{Relative: float64(p)}
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("margin %q: want a share such as 2%% or a time such as 5us, above 0", text)
	}
	*m = Margin{Least: d}
	return nil
}

// UnmarshalJSON takes back what is marshalled, which holds both; the text of a
// study file is one of the two.
func (m *Margin) UnmarshalJSON(text []byte) error {
	type fields Margin
	return json.Unmarshal(text, (*fields)(m))
}

func (ms *Margins) setDefaults() {
	for _, d := range []struct{ m, dflt *Margin }{
		{&ms.P50, &Margin{Relative: 0.02, Least: 2 * time.Microsecond}},
		{&ms.P99, &Margin{Relative: 0.05}},
		{&ms.CPU, &Margin{Relative: 0.02}},
	} {
		if *d.m == (Margin{}) {
			*d.m = *d.dflt
		}
	}
}

// IsZero reports whether there is no margin.
func (m Margin) IsZero() bool { return m == Margin{} }

func (ms *Margins) setRate() {
	if ms.Rate.IsZero() {
		ms.Rate = Margin{Relative: 0.02}
	}
}

// Of is the margin in microseconds for a baseline in microseconds.
func (m Margin) Of(baseline float64) float64 {
	return max(m.Relative*baseline, float64(m.Least)/float64(time.Microsecond))
}
