package store

import (
	"fmt"
	"strings"
	"time"
)

// Last is the name of the newest experiment.
const Last = "last"

// Resolve finds the experiment that a user means by a name: "last" is the
// newest, else a whole id or the beginning of exactly one. On a miss the error
// lists what there is. The entries are newest first, as List returns them.
func Resolve(entries []Entry, name string) (string, error) {
	if len(entries) == 0 {
		return "", fmt.Errorf("find experiment %q: %w; start one with: tare run FILE", name, ErrNothing)
	}
	if name == Last {
		return entries[0].ID, nil
	}
	var found []Entry
	for _, e := range entries {
		if e.ID == name {
			return e.ID, nil
		}
		if name != "" && strings.HasPrefix(e.ID, name) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("find experiment %q: %w; name it by %q or the beginning of one of these:%s", name, ErrUnknown, Last, listing(entries))
	case 1:
		return found[0].ID, nil
	}
	return "", fmt.Errorf("find experiment %q: %w; give more of one of these:%s", name, ErrAmbiguous, listing(found))
}

// mostListed keeps a message on one screen.
const mostListed = 10

func listing(entries []Entry) string {
	var s strings.Builder
	for _, e := range entries[:min(len(entries), mostListed)] {
		fmt.Fprintf(&s, "\n  %s  %s  %s  %s", e.ID, e.Started.UTC().Format(time.DateTime), e.State, e.Study)
	}
	if more := len(entries) - mostListed; more > 0 {
		fmt.Fprintf(&s, "\n  and %d older", more)
	}
	return s.String()
}
