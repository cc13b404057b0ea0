package comparison_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/taremesh/tare/comparison"
	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// judged gives a result's comparisons a verdict, and its A/A gates an end.
func judged(r *comparison.Result, verdict stat.Verdict, d stat.Direction, inside bool) *comparison.Result {
	for i := range r.Analysis.Comparisons {
		r.Analysis.Comparisons[i].Verdict, r.Analysis.Comparisons[i].Direction = verdict, d
	}
	for _, g := range r.Analysis.Gates {
		for e, a := range g.By {
			a.Inside = inside
			g.By[e] = a
		}
	}
	return r
}

// The gate fails on material, worse and on nothing else; where the A/A gate
// failed, nothing passes as lying within the margin.
func TestGateOutcomes(t *testing.T) {
	r := ran(t, "now", planOf(t, "same.yaml", 12), 0, quiet(), study.Margins{})
	for _, c := range []struct {
		verdict       stat.Verdict
		direction     stat.Direction
		sound, failed comparison.Outcome // with the A/A gate inside, and not
	}{
		{stat.Material, stat.Worse, comparison.Fail, comparison.Fail},
		{stat.Material, stat.Better, comparison.Pass, comparison.Pass},
		{stat.Immaterial, stat.Worse, comparison.Pass, comparison.Unsure},
		{stat.Immaterial, stat.Better, comparison.Pass, comparison.Unsure},
		{stat.NoDifference, "", comparison.Pass, comparison.Unsure},
		{stat.Undecided, "", comparison.Unsure, comparison.Unsure},
		{stat.Undecided, stat.Worse, comparison.Unsure, comparison.Unsure},
		{stat.Undecided, stat.Better, comparison.Unsure, comparison.Unsure},
	} {
		for inside, want := range map[bool]comparison.Outcome{true: c.sound, false: c.failed} {
			g, err := comparison.InRun(judged(r, c.verdict, c.direction, inside), comparison.Selection{})
			if err != nil {
				t.Fatal(err)
			}
			if g.Outcome != want || g.Count(want) != len(g.Cases) {
				t.Errorf("%s %s, A/A inside %v: %s (%+v), want %s", c.verdict, c.direction, inside, g.Outcome, g.Cases, want)
			}
		}
	}
}

// One case that fails outweighs one that is undecided, and that one those that pass.
func TestGateSum(t *testing.T) {
	r := ran(t, "now", planOf(t, "same.yaml", 12), 0, quiet(), study.Margins{})
	for _, c := range []struct {
		verdicts []stat.Verdict // p50, cpu; all worse
		want     comparison.Outcome
	}{
		{[]stat.Verdict{stat.Material, stat.Undecided}, comparison.Fail},
		{[]stat.Verdict{stat.Undecided, stat.Material}, comparison.Fail},
		{[]stat.Verdict{stat.Immaterial, stat.Material}, comparison.Fail},
		{[]stat.Verdict{stat.Immaterial, stat.Undecided}, comparison.Unsure},
		{[]stat.Verdict{stat.Immaterial, stat.NoDifference}, comparison.Pass},
	} {
		judged(r, stat.Immaterial, stat.Worse, true)
		for k, v := range c.verdicts {
			r.Analysis.Comparisons[k].Verdict = v
		}
		g, err := comparison.InRun(r, comparison.Selection{})
		if err != nil || g.Outcome != c.want {
			t.Errorf("%v: %s, want %s (%v)", c.verdicts, g.Outcome, c.want, err)
		}
	}
}

func TestGateSelects(t *testing.T) {
	r := ran(t, "now", planOf(t, "same.yaml", 12), 0, quiet(), study.Margins{})
	for _, c := range []struct {
		name string
		sel  comparison.Selection
		want []string
		says string // of the error
	}{
		{name: "all", want: []string{"after against before by p50", "after against before by cpu"}},
		{name: "an endpoint", sel: comparison.Selection{Endpoints: []string{"cpu"}}, want: []string{"after against before by cpu"}},
		{name: "a treatment", sel: comparison.Selection{Treatments: []string{"after"}, Endpoints: []string{"p50"}}, want: []string{"after against before by p50"}},
		{name: "an endpoint without samples", sel: comparison.Selection{Endpoints: []string{"p99"}}, want: []string{"after against before by p99"}},
		{name: "an endpoint that is exploratory", sel: comparison.Selection{Endpoints: []string{"p90"}}, says: `"p90" cannot be gated`},
		{name: "no such treatment", sel: comparison.Selection{Treatments: []string{"afterr"}}, says: "(it has: after)"},
		{name: "a control", sel: comparison.Selection{Treatments: []string{"before"}}, says: "(it has: after)"},
		{name: "own figures", sel: comparison.Selection{Own: true}, says: "kept baseline"},
	} {
		g, err := comparison.InRun(r, c.sel)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: got error %v, want one that says %q", c.name, err, c.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var names []string
		for _, one := range g.Cases {
			names = append(names, one.Name())
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%s: %q, want %q", c.name, names, c.want)
		}
	}
	g, err := comparison.InRun(r, comparison.Selection{Endpoints: []string{"p99"}})
	if err != nil || g.Outcome != comparison.Unsure || len(g.Cases[0].Why) == 0 {
		t.Errorf("a p99 that is not there must not pass: %+v, %v", g, err)
	}
}

// A study of controls alone has nothing to gate, and that is no pass.
func TestGateOfNothing(t *testing.T) {
	s, err := study.ReadFile("../examples/gate/same.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Treatments = s.Treatments[:2]
	r := ran(t, "now", plan(t, s, 12), 0, quiet(), study.Margins{})
	if _, err := comparison.InRun(r, comparison.Selection{}); !errors.Is(err, comparison.ErrNoCase) {
		t.Errorf("got error %v", err)
	}
}

func TestGateAgainst(t *testing.T) {
	p := planOf(t, "same.yaml", 30)
	old := ran(t, "old", p, 0, quiet(), study.Margins{})
	for _, c := range []struct {
		name string
		e    effects
		want comparison.Outcome
	}{
		{"a regression", effects{cpu: 12, p50: 40}, comparison.Fail},
		{"a gain", effects{cpu: -12, p50: -40}, comparison.Pass},
	} {
		now := ran(t, "now", p, 1, with(c.e), study.Margins{})
		a := compared(t, old, now, comparison.Options{})
		g, err := comparison.Against(now, old, a, "main", comparison.Selection{})
		if err != nil || g.Outcome != c.want || g.Name != "main" || g.Baseline.ID != "old" || len(g.Cases) != 2 {
			t.Errorf("%s: %+v, %v", c.name, g, err)
		}
		own, err := comparison.Against(now, old, a, "main", comparison.Selection{Own: true, Endpoints: []string{"cpu"}})
		if err != nil || len(own.Cases) != 2 || own.Cases[1].Kind != comparison.Own {
			t.Errorf("%s with own figures: %+v, %v", c.name, own, err)
		}
	}
}

// gateOf are gates of every outcome, for what is printed.
func gateOf(t *testing.T) *comparison.Gate {
	t.Helper()
	p := planOf(t, "same.yaml", 12)
	p.Digest = "digest"
	e := experimentOf("20300102-now", p, 0)
	r, err := comparison.Read(e, experiment.Done, with(effects{cpu: 12}).blocks(p, 5), study.Margins{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := comparison.InRun(r, comparison.Selection{Endpoints: []string{"p50", "cpu", "p99"}})
	if err != nil {
		t.Fatal(err)
	}
	g.Warnings = []string{"a warning with <b>markup</b>, a | bar and \x00\x1b control characters"}
	return g
}

func TestGateGolden(t *testing.T) {
	g := gateOf(t)
	var text, markdown, junit, asJSON bytes.Buffer
	for _, err := range []error{g.Text(&text), g.Markdown(&markdown), g.JUnit(&junit, comparison.UnsettledOwn), g.JSON(&asJSON)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	golden.Check(t, "gate.txt", text.Bytes())
	golden.Check(t, "gate.md", markdown.Bytes())
	golden.Check(t, "gate.xml", junit.Bytes())
	golden.Check(t, "gate.json", asJSON.Bytes())
}

// element is what a schema says of an element of JUnit's XML: which attributes
// it must and may have, and its children in their order.
type element struct {
	must, may []string
	children  []string // a * after a name: any number; a ?: at most one
}

// junitShape is what the two schemas that CI systems hold reports against have
// in common: that of Ant's junitreport (windyroad's JUnit.xsd) and that of
// Jenkins (junit-10.xsd). What only one of them demands is demanded; what only
// one of them allows is not allowed.
var junitShape = map[string]element{
	"testsuites": {children: []string{"testsuite*"}},
	"testsuite": {
		must:     []string{"name", "package", "id", "hostname", "timestamp", "time", "tests", "failures", "errors"},
		may:      []string{"skipped"},
		children: []string{"properties", "testcase*", "system-out", "system-err"},
	},
	"properties": {children: []string{"property*"}},
	"property":   {must: []string{"name", "value"}},
	"testcase":   {must: []string{"name", "classname", "time"}, children: []string{"skipped?", "error?", "failure?"}},
	"failure":    {must: []string{"type"}, may: []string{"message"}},
	"error":      {must: []string{"type"}, may: []string{"message"}},
	"skipped":    {may: []string{"message"}},
	"system-out": {},
	"system-err": {},
}

type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []node     `xml:",any"`
}

// shaped lists how a node departs from the shape.
func shaped(n node) []string {
	name := n.XMLName.Local
	e, known := junitShape[name]
	if !known {
		return []string{"element " + name}
	}
	var wrong []string
	var attrs []string
	for _, a := range n.Attrs {
		attrs = append(attrs, a.Name.Local)
		if !slices.Contains(e.must, a.Name.Local) && !slices.Contains(e.may, a.Name.Local) {
			wrong = append(wrong, name+" has "+a.Name.Local)
		}
	}
	for _, m := range e.must {
		if !slices.Contains(attrs, m) {
			wrong = append(wrong, name+" lacks "+m)
		}
	}
	var order strings.Builder
	order.WriteString("^")
	for _, c := range e.children {
		bare := strings.TrimRight(c, "*?")
		order.WriteString("(" + bare + " )" + strings.TrimPrefix(c, bare))
	}
	order.WriteString("$")
	var children strings.Builder
	for _, c := range n.Nodes {
		children.WriteString(c.XMLName.Local + " ")
		wrong = append(wrong, shaped(c)...)
	}
	if !regexp.MustCompile(order.String()).MatchString(children.String()) {
		wrong = append(wrong, fmt.Sprintf("%s holds %s, want %s", name, children.String(), order.String()))
	}
	return wrong
}

func TestJUnitShape(t *testing.T) {
	g := gateOf(t)
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`)
	for u, want := range map[comparison.Unsettled][3]int{ // failures, errors, skipped
		comparison.UnsettledOwn: {1, 2, 0}, comparison.UnsettledPass: {1, 0, 2}, comparison.UnsettledFail: {3, 0, 0},
	} {
		var out bytes.Buffer
		if err := g.JUnit(&out, u); err != nil {
			t.Fatal(err)
		}
		var root node
		if err := xml.Unmarshal(out.Bytes(), &root); err != nil {
			t.Fatalf("undecided %q: %v", u, err)
		}
		if wrong := shaped(root); len(wrong) > 0 || root.XMLName.Local != "testsuites" {
			t.Errorf("undecided %q: %q", u, wrong)
		}
		count := map[string]int{}
		for _, c := range root.Nodes[0].Nodes {
			count[c.XMLName.Local]++
			for _, r := range c.Nodes {
				count[r.XMLName.Local]++
			}
		}
		said := map[string]string{}
		for _, a := range root.Nodes[0].Attrs {
			said[a.Name.Local] = a.Value
		}
		if got := [3]int{count["failure"], count["error"], count["skipped"]}; got != want || count["testcase"] != 3 {
			t.Errorf("undecided %q: failures, errors, skipped %v, want %v, of %d cases", u, got, want, count["testcase"])
		}
		for name, n := range map[string]int{"failures": want[0], "errors": want[1], "skipped": want[2], "tests": 3} {
			if said[name] != fmt.Sprint(n) {
				t.Errorf("undecided %q: %s says %s, want %d", u, name, said[name], n)
			}
		}
		if !stamp.MatchString(said["timestamp"]) {
			t.Errorf("timestamp %q", said["timestamp"])
		}
	}
	for _, bad := range []string{`<testsuites name="x"/>`, `<testsuites><testsuite name="a"/></testsuites>`, `<testsuites><other/></testsuites>`} {
		var root node
		if err := xml.Unmarshal([]byte(bad), &root); err != nil || len(shaped(root)) == 0 {
			t.Errorf("the shape takes %s", bad)
		}
	}
}

// What comes from files does not become markup.
func TestMarkdownEscapes(t *testing.T) {
	g := gateOf(t)
	g.Cases[0].Treatment = "a|b<script>[x](y)`"
	var out bytes.Buffer
	if err := g.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"<script>", "<b>", "x](y)", "a|b", "\x00", "\x1b"} {
		if strings.Contains(out.String(), raw) {
			t.Errorf("the summary holds %q:\n%s", raw, out.String())
		}
	}
	rows := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "|") {
			rows++
			if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); n != 9 {
				t.Errorf("a row has %d bars: %s", n, line)
			}
		}
	}
	if rows != 5 {
		t.Errorf("%d rows, want a head, a rule and 3 cases", rows)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// What nobody got is an error.
func TestWriteErrors(t *testing.T) {
	g := gateOf(t)
	for name, err := range map[string]error{
		"text": g.Text(failing{}), "markdown": g.Markdown(failing{}), "JUnit": g.JUnit(failing{}, comparison.UnsettledOwn), "JSON": g.JSON(failing{}),
	} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

// What holds of every case is said once, and of some by their names.
func TestReasonsAreSaidOnce(t *testing.T) {
	g := &comparison.Gate{Outcome: comparison.Unsure}
	for _, name := range []string{"a", "b"} {
		base := "router"
		g.Cases = append(g.Cases, comparison.Case{Treatment: name, Baseline: &base, Endpoint: "p50", Outcome: comparison.Unsure, Why: []string{"too few blocks"}})
	}
	g.Cases[1].Why = append(g.Cases[1].Why, "about 3 more blocks would decide it")
	var out strings.Builder
	if err := g.Text(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"every comparison: too few blocks\n", g.Cases[1].Name() + ": about 3 more blocks would decide it\n"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is not said once:\n%s", want, &out)
		}
	}
	if strings.Count(out.String(), "too few blocks") != 1 {
		t.Errorf("said again:\n%s", &out)
	}
}
