package external

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taremesh/tare/internal/golden"
	"github.com/taremesh/tare/load"
)

// readers read what a plan's read does, by the name of the file in testdata.
// All but nighthawk's were written by the tools themselves.
var readers = []struct {
	files []string // the printed text or the file; a log second
	read  func(texts []string) (load.Account, error)
}{
	{[]string{"fortio.json"}, reads(readFortio)},
	{[]string{"fortio-best.json"}, reads(readFortio)},
	{[]string{"wrk.txt"}, says(readWrk)},
	{[]string{"wrk-best.txt"}, says(readWrk)},
	{[]string{"wrk2-best.txt"}, says(readWrk)},
	{[]string{"wrk2-short.txt"}, says(readWrk)},
	{[]string{"h2load.txt"}, says(readH2load)},
	{[]string{"h2load-bad.txt"}, says(readH2load)},
	{[]string{"h2load-nobody.txt"}, says(readH2load)},
	{[]string{"h2load.txt", "h2load.log"}, func(texts []string) (load.Account, error) {
		a, err := readH2load(texts[0])
		if err != nil {
			return a, err
		}
		return a, readH2loadLog(&a, strings.NewReader(texts[1]))
	}},
	{[]string{"hey.txt"}, says(readHey)},
	{[]string{"hey-bad.txt"}, says(readHey)},
	{[]string{"hey-nobody.txt"}, says(readHey)},
	{[]string{"hey.csv"}, reads(readHeyCSV)},
	{[]string{"ab.txt"}, says(readAb)},
	{[]string{"ab-best.txt", "ab.csv"}, func(texts []string) (load.Account, error) {
		a, err := readAb(texts[0])
		if err != nil {
			return a, err
		}
		return a, readAbCSV(&a, strings.NewReader(texts[1]))
	}},
	{[]string{"vegeta.json"}, says(readVegeta)},
	{[]string{"vegeta-nobody.json"}, says(readVegeta)},
	{[]string{"vegeta.csv"}, reads(readVegetaCSV)},
	{[]string{"k6.json"}, reads(readK6)},
	{[]string{"k6-best.json"}, reads(readK6)},
	{[]string{"nighthawk.json"}, says(readNighthawk)},
}

func says(read func(string) (load.Account, error)) func([]string) (load.Account, error) {
	return func(texts []string) (load.Account, error) { return read(texts[0]) }
}

func reads(read func(io.Reader) (load.Account, error)) func([]string) (load.Account, error) {
	return func(texts []string) (load.Account, error) { return read(strings.NewReader(texts[0])) }
}

func testdata(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// What is read from the words of the tools, figure by figure.
func TestRead(t *testing.T) {
	var out strings.Builder
	for _, r := range readers {
		var texts []string
		for _, f := range r.files {
			texts = append(texts, testdata(t, f))
		}
		a, err := r.read(texts)
		if err != nil {
			t.Errorf("%v: %v", r.files, err)
		}
		fmt.Fprintf(&out, "%s\n%s\n", strings.Join(r.files, " "), describe(t, a))
	}
	golden.Check(t, "read.golden", []byte(out.String()))
}

func describe(t *testing.T, a load.Account) string {
	t.Helper()
	var b strings.Builder
	for _, f := range []struct {
		name  string
		value any
	}{{"requests", a.Requests}, {"errors", a.Errors}, {"per second", a.Throughput}, {"mean", a.Mean}, {"max", a.Max}} {
		text, err := json.Marshal(f.value)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "  %s %s\n", f.name, text)
	}
	for _, q := range a.Quantiles {
		fmt.Fprintf(&b, "  p%v %v\n", q.Q, q.At)
	}
	for _, n := range a.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	return b.String()
}

// No tool's words are read as another's, and none is read from nothing.
func TestReadForeign(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", "null", "Running", `{"Results":[]}`, "\x00\n\n"} {
		for _, r := range readers {
			a, err := r.read([]string{text, ""})
			if err == nil && (a.Requests == nil || *a.Requests > 0) {
				t.Errorf("%v: %q was read as %+v", r.files, text, a)
			}
		}
	}
}

// FuzzRead: whatever a tool prints, its reader returns figures that can be.
func FuzzRead(f *testing.F) {
	for i, r := range readers {
		texts := []string{"", ""}
		for j, name := range r.files {
			texts[j] = testdata(f, name)
		}
		f.Add(uint8(i), texts[0], texts[1])
	}
	f.Fuzz(func(t *testing.T, i uint8, text, log string) {
		r := readers[int(i)%len(readers)]
		a, err := r.read([]string{text, log})
		if err != nil {
			return
		}
		for _, n := range []*int{a.Requests, a.Errors} {
			if n != nil && *n < 0 {
				t.Errorf("a count of %d", *n)
			}
		}
		if a.Throughput != nil && !(*a.Throughput >= 0) {
			t.Errorf("a throughput of %v", *a.Throughput)
		}
		for _, q := range a.Quantiles {
			if q.At < 0 || !(q.Q > 0 && q.Q < 1) {
				t.Errorf("a quantile %+v", q)
			}
		}
		if a.Mean != nil && *a.Mean < 0 || a.Max != nil && *a.Max < 0 {
			t.Errorf("mean %v, maximum %v", a.Mean, a.Max)
		}
	})
}
