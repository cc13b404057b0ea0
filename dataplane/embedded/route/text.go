package route

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/taremesh/tare/internal/fullmatch"
)

// text is a compiled StringMatcher.
type text struct {
	kind  textKind
	value []byte
	fold  bool // without regard to case
	regex *regexp.Regexp
}

type textKind uint8

const (
	exact textKind = iota
	prefix
	suffix
	contains
	matching
)

func newText(m *matcherv3.StringMatcher) (t text, err error) {
	t.fold = m.GetIgnoreCase()
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		t.kind, t.value = exact, []byte(p.Exact)
	case *matcherv3.StringMatcher_Prefix:
		t.kind, t.value = prefix, []byte(p.Prefix)
	case *matcherv3.StringMatcher_Suffix:
		t.kind, t.value = suffix, []byte(p.Suffix)
	case *matcherv3.StringMatcher_Contains:
		t.kind, t.value = contains, []byte(p.Contains)
	case *matcherv3.StringMatcher_SafeRegex:
		if t.fold {
			return t, errors.New("field ignore_case: has no effect on safe_regex")
		}
		t.kind = matching
		t.regex, err = whole(p.SafeRegex)
		return t, err
	default:
		return t, errors.New("a pattern is required")
	}
	if t.kind != exact && len(t.value) == 0 {
		return t, errors.New("the pattern is empty")
	}
	if t.fold && t.kind == contains {
		t.value = bytes.ToLower(t.value)
	}
	return t, nil
}

// whole compiles an expression that has to match all of a text.
func whole(m *matcherv3.RegexMatcher) (*regexp.Regexp, error) {
	if m.GetRegex() == "" {
		return nil, errors.New("field safe_regex.regex: is required")
	}
	r, err := fullmatch.Compile(m.GetRegex())
	if err != nil {
		return nil, fmt.Errorf("field safe_regex.regex: %w", err)
	}
	return r, nil
}

func (t *text) match(b []byte) bool {
	n := len(t.value)
	switch t.kind {
	case exact:
		return len(b) == n && t.same(b)
	case prefix:
		return len(b) >= n && t.same(b[:n])
	case suffix:
		return len(b) >= n && t.same(b[len(b)-n:])
	case contains:
		if t.fold {
			return bytes.Contains(bytes.ToLower(b), t.value)
		}
		return bytes.Contains(b, t.value)
	}
	return t.regex.Match(b)
}

func (t *text) same(b []byte) bool {
	if t.fold {
		return equalFold(b, t.value)
	}
	return bytes.Equal(b, t.value)
}

// equalFold compares two of one length, ASCII letters without regard to case.
func equalFold[S string | []byte](a []byte, b S) bool {
	for i := range a {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// rewriter replaces all that an expression matches, as RE2's GlobalReplace.
type rewriter struct {
	regex *regexp.Regexp
	parts []piece
}

// piece is text, and then what a group matched.
type piece struct {
	text  string
	group int // -1: none
}

func newRewriter(m *matcherv3.RegexMatchAndSubstitute) (*rewriter, error) {
	if m == nil {
		return nil, nil
	}
	if m.GetPattern().GetRegex() == "" {
		return nil, errors.New("field pattern.regex: is required")
	}
	regex, err := regexp.Compile(m.GetPattern().GetRegex())
	if err != nil {
		return nil, fmt.Errorf("field pattern.regex: %w", err)
	}
	r := &rewriter{regex: regex}
	rest := m.GetSubstitution()
	if strings.ContainsAny(rest, "\r\n\x00") {
		return nil, errors.New("field substitution: holds a control character")
	}
	for {
		before, after, found := strings.Cut(rest, `\`)
		if !found {
			r.parts = append(r.parts, piece{before, -1})
			return r, nil
		}
		switch {
		case after == "":
			return nil, errors.New(`field substitution: ends in a \`)
		case after[0] == '\\':
			r.parts = append(r.parts, piece{before + `\`, -1})
		case '0' <= after[0] && after[0] <= '9' && int(after[0]-'0') <= regex.NumSubexp():
			r.parts = append(r.parts, piece{before, int(after[0] - '0')})
		default:
			return nil, fmt.Errorf(`field substitution: \%c is neither \\ nor a group of the pattern`, after[0])
		}
		rest = after[1:]
	}
}

// append appends what becomes of the text.
func (r *rewriter) append(to, text []byte) []byte {
	done := 0
	for _, m := range r.regex.FindAllSubmatchIndex(text, -1) {
		to = append(to, text[done:m[0]]...)
		done = m[1]
		for _, p := range r.parts {
			to = append(to, p.text...)
			if p.group >= 0 && m[2*p.group] >= 0 {
				to = append(to, text[m[2*p.group]:m[2*p.group+1]]...)
			}
		}
	}
	return append(to, text[done:]...)
}
