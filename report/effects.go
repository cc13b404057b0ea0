package report

import "github.com/taremesh/tare/study"

// Factor is a variable of the study with the levels that it was tried at.
type Factor struct {
	Name   string   `json:"name"`
	Levels []string `json:"levels"`
}

// Effect is what a factor does to an endpoint, or how much two factors depend
// on one another, averaged over the levels of the others.
type Effect struct {
	Name     string   `json:"name"` // connections, or connections×response; with more than two levels "connections 4→64"
	Factors  []string `json:"factors"`
	From     []string `json:"from"` // levels, one for each factor
	To       []string `json:"to"`
	Endpoint string   `json:"endpoint"`
	Interval
	Unit              string    `json:"unit"`
	Ratio             *Interval `json:"ratio"` // of main effects only
	Margin            float64   `json:"margin"`
	Verdict           string    `json:"verdict"`
	Direction         *string   `json:"direction"`
	Primary           bool      `json:"primary"`
	SD                float64   `json:"sd"` // of the effects of the blocks
	MinimumDetectable float64   `json:"minimum_detectable"`
	BlocksNeeded      int       `json:"blocks_needed,omitempty"`
	// Means at each combination of the levels, the last factor turning fastest:
	// from, to; of two factors from-from, from-to, to-from, to-to.
	Means    []float64 `json:"means"`
	Aliases  []string  `json:"aliases,omitempty"` // names of effects that a fraction cannot tell apart
	PerBlock []float64 `json:"per_block,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
}

// Slope is what one more of something costs.
type Slope struct {
	Factor   string `json:"factor"`
	Endpoint string `json:"endpoint"`
	Interval
	Unit string `json:"unit"` // of the endpoint, for each Per
	Per  string `json:"per"`  // what there is one more of: connection, KiB
	// Points are the endpoint's means by level.
	Points    []SlopePoint `json:"points"`
	Curvature *Interval    `json:"curvature"` // null with fewer than 3 levels
	Curved    bool         `json:"curved"`
	Blocks    int          `json:"blocks"`
	PerBlock  []float64    `json:"per_block,omitempty"`
}

// SlopePoint is one level of a slope's factor.
type SlopePoint struct {
	Level      string   `json:"level"`
	X          float64  `json:"x"`
	Value      float64  `json:"value"`
	Treatments []string `json:"treatments"`
}

// Waterfall shares out what all factors together add.
type Waterfall struct {
	Endpoint string   `json:"endpoint"`
	Unit     string   `json:"unit"`
	None     string   `json:"none"` // treatments
	All      string   `json:"all"`
	NoneMean float64  `json:"none_value"`
	AllMean  float64  `json:"all_value"`
	Total    Interval `json:"total"`
	Shares   []Share  `json:"shares"` // they sum to the total
	Method   string   `json:"method"` // of the simultaneous intervals
}

// Share is one factor's.
type Share struct {
	Factor string `json:"factor"`
	From   string `json:"from"`
	To     string `json:"to"`
	Interval
}

// Shift is the shift function of a comparison: the difference at every share
// of the requests, with a band that holds everywhere at once.
type Shift struct {
	Treatment  string    `json:"treatment"`
	Baseline   string    `json:"baseline"`
	Blocks     int       `json:"blocks"`
	Confidence float64   `json:"confidence"`
	Levels     []float64 `json:"levels"`
	Estimate   []float64 `json:"estimate_us"`
	Low        []float64 `json:"low_us"`
	High       []float64 `json:"high_us"`
	Greatest   *float64  `json:"greatest_at"` // the level where the two differ most; null without a band
	Sentence   string    `json:"sentence,omitempty"`
	Why        string    `json:"why,omitempty"` // there is no band
}

// Checks are what the blocks say of the run itself.
type Checks struct {
	Order  Check         `json:"start_order"`
	Drift  Check         `json:"drift"`
	Warmup Check         `json:"warmup"`
	Orders []OrderCheck  `json:"start_orders"`
	Drifts []DriftCheck  `json:"drifts"`
	Warm   []WarmupCheck `json:"warmups"`
}

// Check is one check in a line.
type Check struct {
	Made  bool   `json:"made"` // false: too few blocks, and the line says so
	Fired bool   `json:"fired"`
	Line  string `json:"line"`
}

// OrderCheck is the effect of being started one place later.
type OrderCheck struct {
	Endpoint string `json:"endpoint"`
	Unit     string `json:"unit"`
	Interval
	Span   float64 `json:"span"` // from the first place to the last
	Margin float64 `json:"margin"`
	Fired  bool    `json:"fired"`
}

// DriftCheck is how a treatment's figures moved over the blocks.
type DriftCheck struct {
	Treatment string `json:"treatment"`
	Endpoint  string `json:"endpoint"`
	Unit      string `json:"unit"`
	Interval         // per block
	Changes   []int  `json:"changes"` // places among the treatment's blocks before which the level changed
	Fired     bool   `json:"fired"`
}

// WarmupCheck is what MSER-5 says of a treatment's latency phases.
type WarmupCheck struct {
	Treatment string  `json:"treatment"`
	Requests  float64 `json:"requests"` // at the beginning, that still belong to the warm-up
	Share     float64 `json:"share"`    // of the phase
	Fired     bool    `json:"fired"`
}

// settingsOf are the levels of the study's factors at a treatment.
func settingsOf(s *study.Study, i int) map[string]string {
	var out map[string]string
	for _, one := range s.SettingsOf(i) {
		if out == nil {
			out = map[string]string{}
		}
		out[one.Factor] = one.Level
	}
	return out
}
