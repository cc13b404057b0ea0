package store

import (
	"slices"
	"time"
)

// Retention says which results may go: those beyond the newest Keep of their
// study and older than Older, as far as each is given.
type Retention struct {
	Keep  int           // newest results of each study that stay; 0: not asked
	Older time.Duration // results that began within it stay; 0: not asked
}

// Parting is one experiment that retention would take.
type Parting struct {
	Entry
	// Held says what keeps it nevertheless; empty: it goes.
	Held string `json:"held,omitempty"`
}

// Partings lists what a retention takes of the entries, which are newest first,
// as List returns them, and what it would take but for a baseline or the tag
// keep. A retention that asks for nothing takes nothing.
func (r Retention) Partings(entries []Entry, now time.Time) []Parting {
	if r.Keep <= 0 && r.Older <= 0 {
		return nil
	}
	var out []Parting
	seen := map[string]int{}
	for _, e := range entries {
		seen[e.Study]++
		if r.Keep > 0 && seen[e.Study] <= r.Keep || r.Older > 0 && now.Sub(e.Started) <= r.Older {
			continue
		}
		out = append(out, Parting{Entry: e, Held: e.Holds()})
	}
	return out
}

// Holds says what keeps an experiment from going; empty: nothing.
func (e Entry) Holds() string {
	switch {
	case len(e.Baselines) > 0:
		return "baseline " + e.Baselines[0]
	case slices.Contains(e.Tags, TagKeep):
		return "tag " + TagKeep
	}
	return ""
}

// Holds says whether Remove heeds what keeps an experiment.
type Holds int

const (
	// HeedHolds: what a baseline names or the tag keep holds is not removed.
	HeedHolds Holds = iota
	// ForceHolds: it is removed all the same; the baseline then names what is gone.
	ForceHolds
)
