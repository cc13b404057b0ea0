package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// count is how many tests, subtests and examples ended how.
type count struct {
	passed, failed, skipped int
}

func (c count) plus(d count) count {
	return count{c.passed + d.passed, c.failed + d.failed, c.skipped + d.skipped}
}

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // seconds
	Output  string
}

// place is a test, or a package when the test is empty.
type place struct{ pkg, test string }

// reader follows the events of one run.
type reader struct {
	out     io.Writer
	group   string
	total   count
	counts  map[string]count    // by package, while it runs
	printed map[place][]string  // what a place printed, until it ends
	open    map[string][]string // tests of a package that have begun and not ended
}

// tally reads events to their end and prints what a person wants to see.
func tally(events io.Reader, out io.Writer, group string) (count, error) {
	r := &reader{out: out, group: group, counts: map[string]count{}, printed: map[place][]string{}, open: map[string][]string{}}
	d := json.NewDecoder(events)
	for {
		var e event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return r.total, nil
		}
		if err != nil {
			_, _ = io.Copy(io.Discard, events) // so that go test can end
			return r.total, fmt.Errorf("read events of go test: %w", err)
		}
		r.take(e)
	}
}

func (r *reader) take(e event) {
	at := place{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.printed[at] = append(r.printed[at], e.Output)
	case "run":
		r.open[e.Package] = append(r.open[e.Package], e.Test)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(e)
		}
		delete(r.printed, at)
	}
}

func (r *reader) endTest(e event) {
	c := r.counts[e.Package]
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		r.show(place{e.Package, e.Test})
	case "skip":
		c.skipped++
		said := strings.Join(r.printed[place{e.Package, e.Test}], " ")
		fmt.Fprintf(r.out, "skipped: %s.%s: %s\n", e.Package, e.Test, strings.Join(strings.Fields(said), " "))
	}
	r.counts[e.Package] = c
	r.open[e.Package] = slices.DeleteFunc(r.open[e.Package], func(t string) bool { return t == e.Test })
}

// endPackage closes a package's account. A package that failed without a
// failed test (it does not build, it ran out of time, it left the process)
// counts as one failure.
func (r *reader) endPackage(e event) {
	c := r.counts[e.Package]
	word := "ok"
	if e.Action == "fail" {
		word = "FAIL"
		for _, test := range r.open[e.Package] {
			r.show(place{e.Package, test})
		}
		r.show(place{e.Package, ""})
		c.failed = max(c.failed, 1)
	}
	if e.Action != "skip" { // a package without tests
		fmt.Fprintf(r.out, "%-5s %-5s %4d tests %6.1fs  %s\n", word, r.group, c.passed+c.failed+c.skipped, e.Elapsed, e.Package)
	}
	r.total = r.total.plus(c)
	delete(r.counts, e.Package)
	delete(r.open, e.Package)
}

func (r *reader) show(p place) {
	for _, line := range r.printed[p] {
		if !strings.HasPrefix(line, "=== ") { // RUN, PAUSE, CONT, NAME
			fmt.Fprint(r.out, line)
		}
	}
}
