package comparison

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// The elements of JUnit's XML, with what the strictest of the schemas in use
// (that of Ant's reports) demands, and nothing that another (that of Jenkins)
// lacks. A case of the gate is a test case; one that is undecided is an error by
// default, since nobody knows. Times are 0: the gate only reads what was measured.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Package    string          `xml:"package,attr"`
		ID         int             `xml:"id,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Time       float64         `xml:"time,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out"`
		Err        string          `xml:"system-err"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Time    float64      `xml:"time,attr"`
		Skipped *junitReason `xml:"skipped"`
		Error   *junitReason `xml:"error"`
		Failure *junitReason `xml:"failure"`
	}
	junitReason struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// Unsettled is what undecided counts as.
type Unsettled string

const (
	// UnsettledOwn: undecided is an outcome of its own.
	UnsettledOwn Unsettled = ""
	// UnsettledPass: what is undecided passes.
	UnsettledPass Unsettled = "pass"
	// UnsettledFail: what is undecided fails.
	UnsettledFail Unsettled = "fail"
)

// JUnit writes the gate as JUnit XML, one test case for each case.
func (g *Gate) JUnit(w io.Writer, u Unsettled) error {
	suite := junitSuite{Name: legible("tare gate " + g.Result.Study), Package: "tare", Hostname: "localhost", Tests: len(g.Cases), Failures: g.Count(Fail),
		Timestamp: g.Result.Started.UTC().Format("2006-01-02T15:04:05"), Out: legible(strings.Join(g.Warnings, "\n"))}
	for _, p := range g.facts() {
		suite.Properties = append(suite.Properties, junitProperty{p[0], legible(p[1])})
	}
	for _, c := range g.Cases {
		one := junitCase{Name: legible(c.Name()), Class: legible("tare." + g.Result.Study)}
		reason := &junitReason{Message: legible(c.Sentence()), Type: string(c.Outcome), Text: legible(strings.Join(c.Why, "\n"))}
		switch {
		case c.Outcome == Fail:
			reason.Type = "material-worse"
			one.Failure = reason
		case c.Outcome == Unsure && u == UnsettledFail:
			one.Failure = reason
			suite.Failures++
		case c.Outcome == Unsure && u == UnsettledPass:
			reason.Type = "" // skipped has none
			one.Skipped = reason
			suite.Skipped++
		case c.Outcome == Unsure:
			one.Error = reason
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, one)
	}
	text, err := xml.MarshalIndent(junitSuites{Suite: suite}, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	if _, err := fmt.Fprintf(w, "%s%s\n", xml.Header, text); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}

// facts are what the gate was made of, by name.
func (g *Gate) facts() [][2]string {
	facts := [][2]string{
		{"result", g.Result.ID}, {"study", g.Result.Study}, {"started", g.Result.Started.UTC().Format(time.RFC3339)},
		{"blocks", fmt.Sprint(g.Result.Blocks)}, {"digest", g.Result.Digest}, {"tare", g.Result.Tare}, {"outcome", string(g.Outcome)},
	}
	if b := g.Baseline; b != nil {
		facts = append(facts, [2]string{"baseline", g.Name}, [2]string{"baseline result", b.ID},
			[2]string{"baseline blocks", fmt.Sprint(b.Blocks)}, [2]string{"baseline digest", b.Digest}, [2]string{"baseline tare", b.Tare})
	}
	for _, d := range g.Differs {
		facts = append(facts, [2]string{"differs: " + d.What, d.Old + " → " + d.New})
	}
	return facts
}

// legible leaves out what XML cannot hold.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t', r >= 0x20 && r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF:
			return r
		}
		return -1
	}, text)
}
