package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Baseline is a kept result under a name that stays while results come and go:
// what later ones are compared with.
type Baseline struct {
	Name       string    `json:"name"`
	Experiment string    `json:"experiment"`
	Since      time.Time `json:"since"` // UTC
	Why        string    `json:"why,omitempty"`
}

// TagKeep is the tag that retention never takes.
const TagKeep = "keep"

// Labels are what people say of kept experiments. None of it changes what was
// measured. A change of an experiment that is not there is ErrUnknown.
type Labels interface {
	// SetBaseline gives a kept experiment a name, or the name to another one.
	SetBaseline(ctx context.Context, b Baseline) error
	// RemoveBaseline takes a name away, also one whose experiment is gone;
	// ErrNoBaseline without it.
	RemoveBaseline(ctx context.Context, name string) error
	// Baselines lists the names in their order.
	Baselines(ctx context.Context) ([]Baseline, error)
	// Annotate replaces the note of an experiment; an empty one takes it away.
	Annotate(ctx context.Context, id, note string) error
	// Tag adds tags to an experiment and takes others away.
	Tag(ctx context.Context, id string, add, remove []string) error
}

// Limits of what is said of an experiment.
const (
	maxNote = 4096 // bytes, of a note and of a baseline's why
	maxTags = 32   // of one experiment
)

var labelRule = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]{0,63}$`)

// Check refuses a name that could not be typed and a reason that is no text.
func (b Baseline) Check() error {
	if err := checkLabel("baseline", b.Name); err != nil {
		return err
	}
	return CheckNote(b.Why)
}

// CheckTags refuses tags that could not be typed, and more than an experiment may have.
func CheckTags(tags []string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%d tags: an experiment has at most %d", len(tags), maxTags)
	}
	for _, t := range tags {
		if err := checkLabel("tag", t); err != nil {
			return err
		}
	}
	return nil
}

func checkLabel(what, name string) error {
	if !labelRule.MatchString(name) {
		return fmt.Errorf("%s %q: want 1 to 64 of a-z, 0-9 and . _ / -, a letter or digit first", what, name)
	}
	return nil
}

// CheckNote refuses what is no text for one screen: control characters would
// reach the terminal of whoever lists it.
func CheckNote(note string) error {
	switch {
	case len(note) > maxNote:
		return fmt.Errorf("the text has %d bytes: want at most %d", len(note), maxNote)
	case !utf8.ValidString(note):
		return fmt.Errorf("the text is not UTF-8")
	case strings.ContainsFunc(note, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }):
		return fmt.Errorf("the text has control characters")
	}
	return nil
}

// FindBaseline returns the baseline of that name. Without one the error is
// ErrNoBaseline and lists those there are; where its experiment is not among
// the entries it is ErrGone.
func FindBaseline(baselines []Baseline, entries []Entry, name string) (Baseline, error) {
	i := slices.IndexFunc(baselines, func(b Baseline) bool { return b.Name == name })
	if i < 0 {
		var names []string
		for _, b := range baselines {
			names = append(names, b.Name)
		}
		known := "none is set; set one with: tare baseline set NAME ID"
		if len(names) > 0 {
			known = "known: " + strings.Join(names, ", ")
		}
		return Baseline{}, fmt.Errorf("find baseline %q: %w (%s)", name, ErrNoBaseline, known)
	}
	b := baselines[i]
	if !slices.ContainsFunc(entries, func(e Entry) bool { return e.ID == b.Experiment }) {
		return Baseline{}, fmt.Errorf("find baseline %q: %w: it names experiment %s since %s; name another with: tare baseline set %s ID",
			name, ErrGone, b.Experiment, b.Since.UTC().Format(time.DateTime), name)
	}
	return b, nil
}
