package loadreport_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/loadreport"
)

func TestParseConditions(t *testing.T) {
	for text, want := range map[string][]string{
		"p99<5ms,errors<0.1%":                   {"p99<5ms", "errors<0.1%"},
		" p99.9 < 800us , rate > 900/s ":        {"p99.9<800us", "rate>900/s"},
		"latency.p50<1ms,service.max<1s":        {"p50<1ms", "service.max<1s"},
		"lateness.p99<50µs,cpu<10us,spin<20%":   {"lateness.p99<50µs", "cpu<10us", "spin<20%"},
		"timeout<0.01%,server-error<1%,ok>99%":  {"timeout<0.01%", "server-error<1%", "ok>99%"},
		"p50<2ms,p50>1ms,work<60%,rate>600/min": {"p50<2ms", "p50>1ms", "work<60%", "rate>600/min"},
	} {
		got, err := loadreport.ParseConditions(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var texts []string
		for _, c := range got {
			texts = append(texts, c.String())
		}
		if strings.Join(texts, " ") != strings.Join(want, " ") {
			t.Errorf("%q gives %q", text, texts)
		}
	}
}

func TestParseConditionsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "there is no condition",
		"p99":                                  "has no bound",
		"p99<5ms,":                             "a comma without a condition",
		"p99<=5ms":                             "write < or >",
		"p99<5":                                `write it as "5ms" or "5us"`,
		"p99<-5ms":                             "no time above 0",
		"p100<5ms":                             "no quantile from p1",
		"p0<5ms":                               "no quantile from p1",
		"pinf<5ms":                             "unknown figure",
		"p1e1<5ms":                             "unknown figure",
		"speed<5ms":                            `unknown figure "speed" (known: p50`,
		"client.p99<5ms":                       "unknown figure",
		"errors<0.1":                           "has no unit",
		"errors<101%":                          "not between",
		"errors<0%":                            "no share is below 0%; write a small one",
		"rate>900":                             `write it as "900/s"`,
		"p99<5ms,p99<6ms":                      "bounded twice",
		"p99<5ms,p99.000<6ms":                  "bounded twice",
		"p99<5ms,latency.p99<1s":               "bounded twice",
		strings.Repeat("p1<1s,", 70) + "p2<1s": "bounded twice",
	} {
		if _, err := loadreport.ParseConditions(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

func TestWithDefaults(t *testing.T) {
	for text, want := range map[string]int{"p50<1s": 2, "errors<5%": 1, "errors>5%": 2} {
		given, err := loadreport.ParseConditions(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := loadreport.WithDefaults(given); err != nil || len(got) != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// What is read is read again as the same.
func FuzzParseConditions(f *testing.F) {
	for _, s := range []string{"p99<5ms,errors<0.1%", "service.p99.9<1s,rate>9/s", "max<1h,lateness.p1>1ns", "p99.99999999<5ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := loadreport.ParseConditions(text)
		if err != nil {
			return
		}
		var texts []string
		for _, c := range got {
			texts = append(texts, c.String())
		}
		again, err := loadreport.ParseConditions(strings.Join(texts, ","))
		if err != nil || len(again) != len(got) {
			t.Fatalf("%q becomes %q: %v", text, texts, err)
		}
		for i := range got {
			if got[i].String() != again[i].String() {
				t.Errorf("%q becomes %q and then %q", text, got[i], again[i])
			}
		}
	})
}

func TestConditions(t *testing.T) {
	never := func(every int) func(int, *rand.Rand) (time.Duration, load.Class) {
		return func(n int, _ *rand.Rand) (time.Duration, load.Class) {
			if n%every == 0 {
				return 0, load.Timeout
			}
			return time.Millisecond, load.OK
		}
	}
	for _, c := range []struct {
		name, text, want string
		change           func(m *made)
	}{
		{"met", "p99<5ms", "ok", nil},
		{"missed", "p99<100us", "failed", nil},
		{"above", "p99>100us,p50<1s", "ok", nil},
		{"greatest", "max<100us", "failed", nil},
		{"too few", "p99.9<1s", "undecided", nil},
		{"failed goes before undecided", "p99.9<1s,p50<1us", "failed", nil},
		{"never answered is slower than any", "p99<1h", "failed", func(m *made) { m.answer = never(50) }},
		{"and no quantile of the others", "p90<2ms", "ok", func(m *made) { m.answer = never(50) }},
		{"nor below all", "max<1h", "failed", func(m *made) { m.answer = never(5000) }},
		{"but above", "p99>1h", "ok", func(m *made) { m.answer = never(50) }},
		{"share of a class", "timeout<1%", "failed", func(m *made) { m.answer = never(50) }},
		{"share of a class met", "timeout<3%,refused<0.1%,ok>97%", "ok", func(m *made) { m.answer = never(50) }},
		{"lateness", "lateness.p50<2us,lateness.p99<1us", "failed", nil},
		{"nothing was made", "errors<1%", "undecided", func(m *made) { m.load.Rate, m.load.Duration = 1, time.Nanosecond }},
		{"a bottleneck speaks against nobody", "p50<1us", "undecided", func(m *made) { m.stats.CPU = 9 * time.Second }},
		{"but errors are errors", "p50<1us,errors<1%", "failed", func(m *made) { m.stats.CPU = 9 * time.Second; m.answer = never(50) }},
		{"and what is met is met", "p50<1s", "ok", func(m *made) { m.stats.CPU = 9 * time.Second }},
	} {
		m := steady()
		if c.change != nil {
			c.change(m)
		}
		r := m.report(t, c.text)
		if string(r.Outcome) != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, r.Outcome, c.want, r.Conditions)
		}
		for _, o := range r.Conditions {
			if o.State == loadreport.Undecided && o.Why == "" {
				t.Errorf("%s: undecided for no reason: %+v", c.name, o)
			}
		}
	}
}
