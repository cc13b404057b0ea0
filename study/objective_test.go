package study_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taremesh/tare/study"
)

func TestObjectives(t *testing.T) {
	for text, want := range map[string]struct {
		o        study.Objective
		requests int
		written  string
	}{
		"p99<5ms":                   {study.Objective{{Quantile: 0.99, Response: 5 * time.Millisecond}}, 10_000, "p99<5ms"},
		" p50 < 800us , errors<1% ": {study.Objective{{Quantile: 0.5, Response: 800 * time.Microsecond}, {Errors: 0.01}}, 1000, "p50<800µs,errors<1%"},
		"p50<1ms,p90<2ms,p99.9<1s":  {study.Objective{{Quantile: 0.5, Response: time.Millisecond}, {Quantile: 0.9, Response: 2 * time.Millisecond}, {Quantile: 0.999, Response: time.Second}}, 100_000, "p50<1ms,p90<2ms,p99.9<1s"},
		"errors<0.1%":               {study.Objective{{Errors: 0.001}}, 10_000, "errors<0.1%"},
	} {
		got, err := study.ParseObjective(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(want.o, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if got.Requests() != want.requests || got.String() != want.written {
			t.Errorf("%q needs %d requests and is written %q, want %d and %q", text, got.Requests(), got, want.requests, want.written)
		}
	}
}

func TestBrokenObjectives(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "the objective is empty",
		"  ":                    "the objective is empty",
		"p99<5ms,":              "a comma without a condition",
		"p99":                   `"p99" has no bound`,
		"p99<":                  `"p99<" has no bound; write it as p99<5ms`,
		"p99<5":                 `5 has no unit; write it as "5ms" or "5us"`,
		"p99<5 apples":          "is no time such as 5ms",
		"p99<-5ms":              "-5ms is no time above 0",
		"p99<0s":                "0s is no time above 0",
		"p99<5s":                "a request is given up after 5s",
		"p99<=5ms":              "write <",
		"p99>5ms":               "bounds from above",
		"p100<5ms":              "p100 is no quantile from p1 to below p100",
		"p0<5ms":                "p0 is no quantile",
		"pNaN<5ms":              `unknown figure "pNaN"`,
		"p<5ms":                 `unknown figure "p" (known: p50, p90, p99`,
		"mean<5ms":              `unknown figure "mean"`,
		"p9e1<5ms":              `unknown figure "p9e1"`,
		"p99.99999<5ms":         "a probe would need 1000000001 requests",
		"errors<0.1":            "has no unit",
		"errors<0%":             "no share is below 0%",
		"errors<100%":           "every rate meets it until",
		"errors<101%":           "is not between 0% and 100%",
		"errors<0.00001%":       "a probe would need 100000000 requests",
		"p99<5ms,p99<6ms":       "p99 is bounded twice",
		"errors<1%,errors<2%":   "errors is bounded twice",
		"p50<5ms,p99<5ms":       "p50<5ms decides nothing beside p99<5ms",
		"p50<9ms,p99<5ms":       "p50<9ms decides nothing beside p99<5ms",
		"p99<5ms; errors<0.1%":  `"p99<5ms; errors<0.1%"`,
		"p99<5ms errors<0.1%":   "is no time",
		"p99 < 5ms < 6ms":       "is no time",
		"p99<5ms,latency<1ms":   `unknown figure "latency"`,
		"p99.9999999999999<1ms": "is no quantile",
	} {
		o, err := study.ParseObjective(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, %v; want an error with %q", text, o, err, want)
		}
	}
}

func FuzzObjective(f *testing.F) {
	for _, text := range []string{"p99<5ms,errors<0.1%", "p50<800us", "p99.9<1s", "errors<1e-2%", "p99<5", ",,", "p1<1ns", "p99.999<4.9s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := study.ParseObjective(text)
		if err != nil {
			return
		}
		if n := o.Requests(); n < 1 || n > 10_000_000 {
			t.Errorf("%q needs %d requests", text, n)
		}
		again, err := study.ParseObjective(o.String())
		if err != nil {
			t.Fatalf("%q is written %q, which is refused: %v", text, o, err)
		}
		if diff := cmp.Diff(o, again); diff != "" {
			t.Errorf("%q is written %q, which is another objective (-was +is):\n%s", text, o, diff)
		}
	})
}
