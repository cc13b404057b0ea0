package study_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

// The parser of such a text would take all memory.
func TestDeepTextsAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"brackets":  "load: " + strings.Repeat("[", 1_000_000),
		"braces":    strings.Repeat(`{"a":`, 100_000),
		"dashes":    strings.Repeat("- ", 1_000_000),
		"questions": strings.Repeat("? ", 1_000_000),
	} {
		_, err := study.Parse(name+".yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), "nested more than 1000 deep") || !strings.Contains(err.Error(), name+".yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := study.CheckNesting([]byte(strings.Repeat("[[]] - ? - ", 10_000))); err != nil {
		t.Errorf("what is closed again is not deep: %v", err)
	}
}
