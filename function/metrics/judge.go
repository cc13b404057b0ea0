package metrics

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/taremesh/tare/function"
)

// figures are those of a scrape: the value of each series, by name and labels
// as they are written.
type figures map[string]float64

// read reads Prometheus' text format.
func read(text string) (figures, error) {
	f := figures{}
	for _, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		if at < 0 {
			return nil, fmt.Errorf("line %q is no series", line)
		}
		value, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		f[line[:at]] = value
	}
	return f, nil
}

// counted is what the model has counted: requests by path and class, and how
// long they took as their clients saw it.
type counted struct {
	requests map[[2]string]int
	took     map[string][]time.Duration
}

// judge: each scrape shows just the requests that were answered before it.
func judge(spec function.Spec, e function.Evidence) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	c := counted{map[[2]string]int{}, map[string][]time.Duration{}}
	for i, o := range e.Observations {
		if o.Request == nil {
			continue // under load nobody looks at bodies
		}
		if o.Response == nil {
			return fmt.Errorf("metrics: request %d was not answered: counting stops none", i)
		}
		if o.Path != s.Path {
			c.add(s, o)
			continue
		}
		if n := len(e.Reached(i)); n != 0 || o.Response.Status != http.StatusOK {
			return fmt.Errorf("metrics: scrape %d: status %d, and the service behind was reached %d times", i, o.Response.Status, n)
		}
		f, err := read(string(o.Response.Body))
		if err != nil {
			return fmt.Errorf("metrics: scrape %d: %w", i, err)
		}
		if err := c.hold(s, f); err != nil {
			return fmt.Errorf("metrics: scrape %d: %w", i, err)
		}
	}
	return nil
}

func (c counted) add(s Spec, o function.Observation) {
	path := "other"
	for _, p := range s.Paths {
		if p == o.Path {
			path = p
		}
	}
	c.requests[[2]string{path, fmt.Sprintf("%dxx", o.Response.Status/100)}]++
	c.took[path] = append(c.took[path], o.Latest-o.Earliest)
}

// hold holds a scrape against what was counted.
func (c counted) hold(s Spec, f figures) error {
	series := 0
	for key, n := range c.requests {
		name := fmt.Sprintf(`tare_requests_total{class=%q,path=%q}`, key[1], key[0])
		if f[name] != float64(n) {
			return fmt.Errorf("%s is %v, and there were %d", name, f[name], n)
		}
	}
	for name := range f {
		if strings.HasPrefix(name, "tare_requests_total{") {
			series++
		}
	}
	if series != len(c.requests) {
		return fmt.Errorf("there are %d series of requests, want %d", series, len(c.requests))
	}
	for path, took := range c.took {
		if err := s.histogram(f, path, took); err != nil {
			return err
		}
	}
	return nil
}

// histogram: a client saw no request take less than it took, so each bucket has
// at least those that were seen within it.
func (s Spec) histogram(f figures, path string, took []time.Duration) error {
	total := time.Duration(0)
	for _, d := range took {
		total += d
	}
	if n := f[fmt.Sprintf(`tare_request_seconds_count{path=%q}`, path)]; n != float64(len(took)) {
		return fmt.Errorf("the histogram of %s counts %v, and there were %d", path, n, len(took))
	}
	if sum := f[fmt.Sprintf(`tare_request_seconds_sum{path=%q}`, path)]; sum <= 0 || sum > total.Seconds() {
		return fmt.Errorf("the histogram of %s sums to %v s, and clients saw %v", path, sum, total)
	}
	last := 0.0
	for _, le := range append(append([]float64{}, s.Buckets...), math.Inf(1)) {
		name := fmt.Sprintf(`tare_request_seconds_bucket{path=%q,le=%q}`, path, strconv.FormatFloat(le, 'g', -1, 64))
		n, there := f[name]
		least := 0
		for _, d := range took {
			if d.Seconds() <= le {
				least++
			}
		}
		if !there || n < last || n < float64(least) || n > float64(len(took)) {
			return fmt.Errorf("%s is %v (there: %t), want at least %d, %v before it, and at most %d", name, n, there, least, last, len(took))
		}
		last = n
	}
	return nil
}
