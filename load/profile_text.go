package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// profileForm is what an error says a profile looks like.
const profileForm = `"1000/s for 10s, 1000/s..5000/s for 30s, 0/s for 1s; repeat"`

// ParseProfile reads a profile as text: stages with commas between them, each a
// rate, or a rate to begin and one to end with, and how long; and "; repeat"
// where they go on from the first.
//
//	1000/s for 10s, 1000/s..5000/s for 30s, 0/s for 1s; repeat
func ParseProfile(text string) (Profile, error) {
	p, err := parseProfile(text)
	if err == nil {
		err = p.Check()
	}
	if err != nil {
		return Profile{}, fmt.Errorf("read the profile %q: %w", text, err)
	}
	return p, nil
}

func parseProfile(text string) (Profile, error) {
	p := Profile{}
	stages, end, given := strings.Cut(text, ";")
	if given {
		if strings.TrimSpace(end) != "repeat" {
			return Profile{}, fmt.Errorf("after the semicolon stands %q, not repeat", strings.TrimSpace(end))
		}
		p.Repeat = true
	}
	for i, part := range strings.Split(stages, ",") {
		if i == MaxStages {
			return Profile{}, fmt.Errorf("more than %d stages", MaxStages)
		}
		s, err := parseStage(part)
		if err != nil {
			return Profile{}, fmt.Errorf("stage %d: %w", i+1, err)
		}
		p.Stages = append(p.Stages, s)
	}
	return p, nil
}

func parseStage(text string) (Stage, error) {
	rates, long, found := strings.Cut(text, " for ")
	if !found {
		return Stage{}, fmt.Errorf("%q is not a rate for a time, as in %s", strings.TrimSpace(text), profileForm)
	}
	from, to, ramp := strings.Cut(rates, "..")
	s, err := Stage{}, error(nil)
	if s.From, err = parseRate(from); err != nil {
		return Stage{}, err
	}
	if s.To = s.From; ramp {
		if s.To, err = parseRate(to); err != nil {
			return Stage{}, err
		}
	}
	if s.Duration, err = time.ParseDuration(strings.TrimSpace(long)); err != nil {
		return Stage{}, fmt.Errorf("%q is not a time, as 10s or 500ms", strings.TrimSpace(long))
	}
	return s, nil
}

// parseRate reads requests per second: 1000/s, or 1000 for short.
func parseRate(text string) (float64, error) {
	number := strings.TrimSuffix(strings.TrimSpace(text), "/s")
	r, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(r) || math.IsInf(r, 0) {
		return 0, fmt.Errorf("%q is not a rate, as 1000/s", strings.TrimSpace(text))
	}
	return r, nil
}

// String is the profile as ParseProfile reads it.
func (p Profile) String() string {
	var b strings.Builder
	for i, s := range p.Stages {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(formatRate(s.From))
		if s.To != s.From {
			b.WriteString(".." + formatRate(s.To))
		}
		b.WriteString(" for " + s.Duration.String())
	}
	if p.Repeat {
		b.WriteString("; repeat")
	}
	return b.String()
}

func formatRate(r float64) string { return strconv.FormatFloat(r, 'g', -1, 64) + "/s" }
