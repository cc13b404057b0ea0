package report_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/report"
)

const factorialText = `tare: study/1
name: crossed
question: Do connections and size add up?
dataplane: embedded
workload: {name: imagehub}
load: {rate: 400/s}
treatments:
  - {name: router, control: router}
factors: {connections: [4, 16], response: [1KiB, 65KiB], access-log: [off, on]}
design: {name: factorial, blocks: 12, latency: 1s, stop: fixed}
`

// cellAdds: 20 µs for connections, 16 µs for the size, 24 µs more for both.
var cellAdds = map[string]float64{
	"c16-resp1kib-nolog": 20, "c16-resp1kib-log": 20, "c4-resp65kib-nolog": 16, "c4-resp65kib-log": 16,
	"c16-resp65kib-nolog": 60, "c16-resp65kib-log": 60,
}

func TestReportOfFactorsGolden(t *testing.T) {
	r := ofText(t, factorialText, cellAdds)
	text, json := both(t, r)
	golden.Check(t, "factorial.txt", []byte(text))
	if !slices.ContainsFunc(r.Sentences, func(s string) bool {
		return strings.HasPrefix(s, "connections and response interact at p50: main effects alone mislead. From 4 to 16 connections adds +2") && strings.Contains(s, "at response 1KiB and +4")
	}) {
		t.Errorf("no sentence on the interaction: %q", r.Sentences)
	}
	for _, word := range []string{`"effects"`, `"slopes"`, `"shapley"`, `"checks"`, `"set": {`, `"design": "factorial"`} {
		if !strings.Contains(json, word) {
			t.Errorf("the JSON lacks %s", word)
		}
	}
	html := page(t, r)
	for _, id := range []string{`id="effects-p50-t"`, `id="interaction-p50-0-t"`, `id="shapley-0-n-t"`, `id="slope-0-t"`} {
		if !strings.Contains(html, id) {
			t.Errorf("the page lacks %s", id)
		}
	}
}

// A fraction names what each effect may be instead, in the table and the sentences.
func TestReportOfAFraction(t *testing.T) {
	r := ofText(t, strings.NewReplacer("name: factorial", "name: fraction", "access-log: [off, on]", "access-log: [off, on], replicas: [1, 2]").Replace(factorialText), nil)
	text, _ := both(t, r)
	if !strings.Contains(text, "access-log×replicas") || !strings.Contains(text, "three or more factors together") {
		t.Errorf("%s", text)
	}
	var x report.Effect
	for _, x = range r.Effects {
		if len(x.Factors) == 2 {
			break
		}
	}
	if len(x.Aliases) != 1 {
		t.Errorf("%+v", x)
	}
}

// One block, or two, says what it can; nothing printed is no number.
func TestReportOfFewBlocks(t *testing.T) {
	for n := range 3 {
		e, bs := computed(t, factorialText, cellAdds)
		r, err := report.New(e, "done", bs[:n+1])
		if err != nil {
			t.Fatal(err)
		}
		text, json := both(t, r)
		for _, bad := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(text+json+page(t, r), bad) {
				t.Errorf("%d blocks: there is %s", n+1, bad)
			}
		}
		if !strings.Contains(text, "Check of the order of starting: ") || !strings.Contains(text, "warm-up by MSER-5: not made, too few blocks") {
			t.Errorf("%d blocks: %s", n+1, text)
		}
	}
}

// With more than two levels each has its effect, and its name says which.
func TestReportOfThreeLevels(t *testing.T) {
	three := strings.Replace(factorialText, "connections: [4, 16], response: [1KiB, 65KiB], access-log: [off, on]", "connections: [4, 16, 64], access-log: [off, on]", 1)
	r := ofText(t, three, map[string]float64{"c64-nolog": 30, "c64-log": 30})
	text, _ := both(t, r)
	for _, want := range []string{"connections 4→16 ", "connections 4→64 ", "connections 4→64×access-log", "connections from 4 to 64 adds, averaged over the other factors: +30", "CURVED, one slope does not say it all"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	if r.Shapley != nil {
		t.Error("Shapley shares of three levels")
	}
}

// Effects are given with the void blocks too.
func TestEffectsWithVoids(t *testing.T) {
	e, bs := computed(t, factorialText, cellAdds)
	bs[2].Void = "steal 12.0 %, the limit is 10.0 %"
	r, err := report.New(e, "done", bs)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := both(t, r)
	if len(r.VoidEffects) != len(r.Effects) || !strings.Contains(text, "with the void blocks: the effect of connections by p50: +32") {
		t.Errorf("%d of %d effects\n%s", len(r.VoidEffects), len(r.Effects), text)
	}
}
