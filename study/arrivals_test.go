package study_test

import (
	"strings"
	"testing"

	"github.com/taremesh/tare/study"
)

const spaced = `tare: study/1
name: spaced
workload: {name: echo}
load: {arrivals: KIND, rate: RATE}
treatments:
  - {name: direct, control: direct}
  - {name: router, control: router, baseline: direct}
`

func TestArrivals(t *testing.T) {
	of := func(kind, rate string) ([]byte, string) {
		return []byte(strings.NewReplacer("KIND", kind, "RATE", rate).Replace(spaced)), kind
	}
	for _, kind := range []string{study.Poisson, study.Uniform, study.Bursts} {
		text, want := of(kind, "500/s")
		s, err := study.Parse("s.yaml", text)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		} else if s.Load.Arrivals != want {
			t.Errorf("%s: arrivals are %q", kind, s.Load.Arrivals)
		}
	}
	for _, c := range []struct{ kind, rate, want string }{
		{"regular", "500/s", `unknown arrivals "regular" (known: poisson, uniform, bursts)`},
		{study.Bursts, "130000/s", "a burst has 4 times as many: want at most 250000/s"},
	} {
		text, _ := of(c.kind, c.rate)
		if _, err := study.Parse("s.yaml", text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s at %s: error %v, want %q in it", c.kind, c.rate, err, c.want)
		}
	}
}
