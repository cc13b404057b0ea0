package spool

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/taremesh/tare/load"
)

const (
	// digits are the significant decimal digits of the histograms.
	digits = 3
	// longest is the longest time that they tell from longer ones.
	longest = int64(time.Hour)
	// mostKinds is how many kinds of request can have histograms of their own.
	mostKinds = 64
)

// Measure is a kind of time of a sample.
type Measure uint8

// The kinds of time.
const (
	Response Measure = iota // of whole responses
	Service                 // of whole responses
	Lateness                // of requests that were written
	Failure                 // until a request without a whole response failed
	measures
)

// of is a sample's time of that kind; false: it has none.
func (m Measure) of(s *load.Sample) (time.Duration, bool) {
	switch m {
	case Lateness:
		return s.Written - s.Intended, s.Written >= 0
	case Service:
		return s.LastByte - s.Written, s.LastByte >= 0
	case Failure:
		return s.Failed - s.Intended, s.LastByte < 0 && s.Failed != 0
	}
	return s.LastByte - s.Intended, s.LastByte >= 0
}

// Group is of which samples times are asked. The zero value is all of them.
type Group struct {
	by    grouping
	value int
}

type grouping uint8

const (
	everything grouping = iota
	byClass
	byKind
)

// OfClass are the samples of a class of outcome.
func OfClass(c load.Class) Group { return Group{byClass, int(c)} }

// OfKind are the samples of a kind of request, by its index in the population.
// Only responses are kept apart by it, and only as Config.Kinds says.
func OfKind(request int) Group { return Group{byKind, request} }

func (g Group) holds(s *load.Sample) bool {
	switch g.by {
	case byClass:
		return int(s.Class) == g.value
	case byKind:
		return int(s.Request) == g.value
	}
	return true
}

// counted are times.
type counted struct {
	sketch      *hdrhistogram.Histogram // nil: none
	n           int
	sum         float64
	least, most time.Duration
}

func (c *counted) ready() {
	if c.sketch == nil {
		c.sketch = hdrhistogram.New(1, longest, digits)
		c.least, c.most = math.MaxInt64, math.MinInt64
	}
}

func (c *counted) add(d time.Duration) {
	c.ready()
	c.n++
	c.sum += float64(d)
	c.least, c.most = min(c.least, d), max(c.most, d)
	_ = c.sketch.RecordValue(clamped(d)) // within these bounds it cannot fail
}

func clamped(d time.Duration) int64 { return min(max(int64(d), 0), longest) }

// merge adds times that were counted apart.
func (c *counted) merge(o *counted) {
	if o.n == 0 {
		return
	}
	c.ready()
	c.n += o.n
	c.sum += o.sum
	c.least, c.most = min(c.least, o.least), max(c.most, o.most)
	c.sketch.Merge(o.sketch) // of the same bounds: nothing is dropped
}

// tallies count the times of all samples.
type tallies struct {
	classes [load.Classes][measures]counted
	kinds   []counted // responses
}

// expect has histograms of usual outcomes made before they come.
func (t *tallies) expect() {
	for m := range Failure {
		t.classes[load.OK][m].ready()
	}
}

func (t *tallies) count(samples []load.Sample) {
	for i := range samples {
		s := &samples[i]
		of := &t.classes[min(s.Class, load.Classes-1)]
		for m := range measures {
			if d, ok := m.of(s); ok {
				of[m].add(d)
			}
		}
		if int(s.Request) < len(t.kinds) && s.LastByte >= 0 {
			t.kinds[s.Request].add(s.Response())
		}
	}
}

// of are the times of a group; nil: they are not kept apart.
func (t *tallies) of(g Group, m Measure) *counted {
	switch {
	case g.by == byKind && m == Response && g.value < len(t.kinds):
		return &t.kinds[g.value]
	case g.by == byKind:
		return nil
	case g.by == byClass:
		return &t.classes[g.value][m]
	}
	var all counted
	for c := range t.classes {
		all.merge(&t.classes[c][m])
	}
	return &all
}
