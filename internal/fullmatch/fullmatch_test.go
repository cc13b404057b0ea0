package fullmatch_test

import (
	"fmt"
	"regexp"
	"testing"

	"github.com/taremesh/tare/internal/fullmatch"
)

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		expression, text string
		matches          bool
	}{
		{"a|b", "a", true}, {"a|ab", "ab", true}, {"a|b", "ab", false}, {"", "", true}, {"", "a", false},
		{`\Qa.b`, "a.b", true}, {`\Qa.b`, "acb", false}, {`\Q`, "", true}, {`\Q`, ")", false}, {`\Qa\E.`, "ab", true},
		{"a$", "a", true}, {"(?i)a", "A", true}, {"a.b", "a\nb", false}, {"a", "a\n", false},
	} {
		r, err := fullmatch.Compile(c.expression)
		if err != nil {
			t.Errorf("%q: %v", c.expression, err)
			continue
		}
		if r.MatchString(c.text) != c.matches {
			t.Errorf("%q on %q: %v", c.expression, c.text, !c.matches)
		}
	}
	for _, bad := range []string{")(", "a)", "(", `\E`, "[", "a**"} {
		if _, err := fullmatch.Compile(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// What is an expression is one when it must match whole, and matches what the
// longest match from the beginning covers.
func FuzzCompile(f *testing.F) {
	f.Add(`a|ab`, "ab")
	f.Add(`\Qa`, "a")
	f.Fuzz(func(t *testing.T, expression, text string) {
		alone, err := regexp.Compile(expression)
		whole, wholeErr := fullmatch.Compile(expression)
		if (err == nil) != (wholeErr == nil) {
			t.Fatalf("%v, %v", err, wholeErr)
		}
		if err != nil {
			return
		}
		alone.Longest()
		at := alone.FindStringIndex(text)
		if want := at != nil && at[0] == 0 && at[1] == len(text); whole.MatchString(text) != want {
			t.Errorf("%q on %q: %v", expression, text, !want)
		}
	})
}

func Example() {
	fmt.Println(fullmatch.MustCompile("/v[0-9]").MatchString("/v10"))
	// Output: false
}
