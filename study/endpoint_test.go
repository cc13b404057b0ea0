package study_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

func TestFurtherEndpoints(t *testing.T) {
	if s := parse(t, factored); len(s.Endpoints) != 1 || s.Endpoints[0] != study.EndpointMean {
		t.Errorf("endpoints %v", s.Endpoints)
	}
	for _, c := range []struct{ text, want string }{
		{"endpoints: [p50]\n", `unknown endpoint "p50" (known beside p50, p90, p99 and cpu: mean)`},
		{"endpoints: [mean, mean]\n", "asked for twice"},
	} {
		if _, err := study.Parse("x.yaml", []byte(small+c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
	}
}
