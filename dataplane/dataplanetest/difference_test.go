package dataplanetest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// headerLines are the fields in the order of their names; dates differ.
func headerLines(prefix string, h http.Header) (lines []string) {
	for name, values := range h {
		for _, v := range values {
			if name == "Date" {
				v = "(a date)"
			}
			lines = append(lines, prefix+strings.ToLower(name)+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

// difference is one that is known: Envoy has the first line where the embedded
// plane has the second; an empty one is no line.
type difference struct {
	Case     string `json:"case"` // a prefix of the case's name; empty: all
	Envoy    string `json:"envoy,omitempty"`
	Embedded string `json:"embedded,omitempty"`
	Reason   string `json:"reason"`
	met      bool
}

// known are the differences that are listed, with their reasons. Those of the
// prefixes must be met by the end of the test, or they are none any more.
func known(t *testing.T, prefixes ...string) []*difference {
	t.Helper()
	text, err := os.ReadFile("differences.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []*difference
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if d.Reason == "" {
			t.Errorf("a difference without a reason: %+v", d)
		}
	}
	t.Cleanup(func() {
		for _, d := range all {
			for _, p := range prefixes {
				if strings.HasPrefix(d.Case, p) && !d.met {
					t.Errorf("a listed difference was not met: %+v", *d)
				}
			}
		}
	})
	return all
}

// hold finds fault with differences between two records of a case that are not
// listed. Lines that both have are no difference, whatever their order.
func hold(t *testing.T, listed []*difference, name string, envoy, embedded []string) {
	t.Helper()
	a, b := slices.Clone(envoy), slices.Clone(embedded)
	for _, line := range envoy {
		if i := slices.Index(b, line); i >= 0 {
			b = slices.Delete(b, i, i+1)
			a = slices.Delete(a, slices.Index(a, line), slices.Index(a, line)+1)
		}
	}
	for _, d := range listed {
		for applies(d, name) && (d.Envoy != "" || d.Embedded != "") {
			i, j := slices.Index(a, d.Envoy), slices.Index(b, d.Embedded)
			if d.Envoy != "" && i < 0 || d.Embedded != "" && j < 0 {
				break
			}
			d.met = true
			if d.Envoy != "" {
				a = slices.Delete(a, i, i+1)
			}
			if d.Embedded != "" {
				b = slices.Delete(b, j, j+1)
			}
		}
	}
	for _, line := range a {
		t.Errorf("%s: on Envoy alone: %s", name, line)
	}
	for _, line := range b {
		t.Errorf("%s: on the embedded plane alone: %s", name, line)
	}
}

// inform reads a whole response into lines.
func inform(r *http.Response, err error) []string {
	if err != nil {
		return []string{"no response"}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	lines := []string{fmt.Sprintf("status %d by %s", r.StatusCode, r.Proto)}
	lines = append(lines, headerLines("header ", r.Header)...)
	text := string(body)
	if len(text) > 100 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:20], len(text))
	}
	lines = append(lines, fmt.Sprintf("body %q", text))
	lines = append(lines, headerLines("trailer ", r.Trailer)...)
	if err != nil {
		lines = append(lines, "the body breaks off")
	}
	return lines
}

// applies reports whether a difference is one of the case: of raw ones by the
// whole name.
func applies(d *difference, name string) bool {
	if strings.HasPrefix(d.Case, "raw") {
		return name == d.Case
	}
	return strings.HasPrefix(name, d.Case)
}
