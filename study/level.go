package study

import (
	"fmt"
	"strings"
)

// ClosedLevel is how a closed loop is written where a rate could stand.
const ClosedLevel = "closed"

// Level is how much traffic each treatment of a pair gets: a rate, or as much
// as it answers (a closed loop). In text it is "100/s" or "closed".
type Level struct {
	Rate   Rate
	Closed bool
}

// UnmarshalText reads "100/s" or "closed".
func (l *Level) UnmarshalText(text []byte) error {
	if string(text) == ClosedLevel {
		*l = Level{Closed: true}
		return nil
	}
	var r Rate
	if err := r.UnmarshalText(text); err != nil {
		return fmt.Errorf("level %q is neither %q nor a rate: %w", text, ClosedLevel, err)
	}
	*l = Level{Rate: r}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Level) String() string {
	if l.Closed {
		return ClosedLevel
	}
	return l.Rate.String()
}

// IsZero reports whether there is no level.
func (l Level) IsZero() bool { return l == Level{} }

// suffix is what the level adds to a treatment's name.
func (l Level) suffix() string {
	if l.Closed {
		return "-" + ClosedLevel
	}
	number, _, _ := strings.Cut(l.Rate.String(), "/")
	return "-at-" + strings.ReplaceAll(number, ".", "-")
}
