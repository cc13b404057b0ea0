package spool

import (
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
)

// Ask is a question for quantiles.
type Ask struct {
	Of      Group
	Measure Measure
	Levels  []float64 // 0 to 1
}

// Times answers an Ask.
type Times struct {
	Count       int // samples that have this time
	Least, Most time.Duration
	Mean        float64 // ns
	// Levels are the quantiles, in ns, as stat.Quantile gives them of all times;
	// nil when there are none.
	Levels []float64
	// Exact is false when some samples are in histograms only: the Levels are
	// then within 0.1 %. All else is exact.
	Exact bool
}

// Times answers questions, all by the same replay. Levels may be many: what
// they cost beside the replay is a search for each sample.
func (s *Spool) Times(asks ...Ask) ([]Times, error) {
	answers, wanted, err := s.begin(asks)
	if err != nil {
		return nil, err
	}
	if s.sketched == 0 {
		if err := s.resolve(wanted); err != nil {
			return nil, err
		}
	}
	for i, a := range asks {
		t := &answers[i]
		t.Exact = s.sketched == 0
		if t.Count == 0 {
			continue
		}
		t.Levels = wanted[i].levels(t.Count, a.Levels)
	}
	return answers, nil
}

// About answers a question from the histograms alone, within 0.1 %, at once.
func (s *Spool) About(a Ask) (Times, error) {
	answers, wanted, err := s.begin([]Ask{a})
	if err != nil || answers[0].Count == 0 {
		return Times{}, err
	}
	answers[0].Levels = wanted[0].levels(answers[0].Count, a.Levels)
	return answers[0], nil
}

// place is where stat.Quantile looks for q among n sorted values: between the
// value with that index and the next.
func place(n int, q float64) (below int, part float64) {
	at := float64(n-1) * q
	below = int(at)
	return below, at - float64(below)
}

// begin answers what the histograms know, and says in which ranges the order
// statistics lie that they do not.
func (s *Spool) begin(asks []Ask) ([]Times, []*ranks, error) {
	answers, wanted := make([]Times, len(asks)), make([]*ranks, len(asks))
	for i, a := range asks {
		c := s.tallies.of(a.Of, a.Measure)
		if c == nil {
			return nil, nil, fmt.Errorf("ask for times: those of kind of request %d are not kept apart", a.Of.value)
		}
		answers[i] = Times{Count: c.n}
		if c.n == 0 {
			continue
		}
		answers[i].Least, answers[i].Most, answers[i].Mean = c.least, c.most, c.sum/float64(c.n)
		r := &ranks{of: a.Of, measure: a.Measure}
		for _, q := range a.Levels {
			if !(q >= 0 && q <= 1) {
				return nil, nil, fmt.Errorf("ask for times: %v is no quantile", q)
			}
			below, _ := place(c.n, q)
			r.indices = append(r.indices, below, min(below+1, c.n-1))
		}
		r.locate(c)
		wanted[i] = r
	}
	return answers, wanted, nil
}

// ranks are the order statistics of some times that are wanted.
type ranks struct {
	of      Group
	measure Measure
	indices []int // sorted, without repetition
	at      []int // per index: its span
	spans   []span
}

// span is a range of times with how many lie before it.
type span struct {
	low, high int64 // ns, both within
	before    int
	counts    []uint32 // of its parts
	shift     uint     // a part is 1<<shift ns
}

// locate finds the histogram's bar of each index.
func (r *ranks) locate(c *counted) {
	slices.Sort(r.indices)
	r.indices = slices.Compact(r.indices)
	r.at = make([]int, len(r.indices))
	next, before := 0, 0
	for _, bar := range bars(c) {
		n := int(bar.Count)
		for first := true; next < len(r.indices) && r.indices[next] < before+n; next++ {
			if first {
				r.spans = append(r.spans, span{low: bar.From, high: bar.To, before: before})
				first = false
			}
			r.at[next] = len(r.spans) - 1
		}
		before += n
	}
}

// bars are those of a histogram that hold something, bounded by what was seen.
func bars(c *counted) []hdrhistogram.Bar {
	all := slices.DeleteFunc(c.sketch.Distribution(), func(b hdrhistogram.Bar) bool { return b.Count == 0 })
	all[0].From, all[len(all)-1].To = int64(c.least), int64(c.most)
	return all
}

// levels are quantiles of n values.
func (r *ranks) levels(n int, levels []float64) []float64 {
	out := make([]float64, len(levels))
	for i, q := range levels {
		below, part := place(n, q)
		out[i] = stat.Quantile([]float64{r.value(below), r.value(min(below+1, n-1))}, part)
	}
	return out
}

// value is the order statistic with an index: exact once its span is one
// nanosecond, else the middle.
func (r *ranks) value(index int) float64 {
	i, _ := slices.BinarySearch(r.indices, index)
	s := r.spans[r.at[i]]
	if s.low == s.high {
		return float64(s.low)
	}
	return float64(s.low)/2 + float64(s.high)/2
}

const (
	// mostCounts are the parts of all spans together: 16 MB.
	mostCounts = 1 << 22
	mostParts  = 1 << 16 // of one span
	leastParts = 1 << 8
)

// resolve replays the samples until every span is one nanosecond.
func (s *Spool) resolve(wanted []*ranks) error {
	for {
		open := divide(wanted)
		if len(open) == 0 {
			return nil
		}
		err := s.Each(func(samples []load.Sample) error {
			for _, r := range open {
				r.count(samples)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("compute quantiles: %w", err)
		}
		for _, r := range open {
			r.narrow()
		}
	}
}

// divide makes parts of the spans that are wider than a nanosecond, and returns
// the ranks that have such.
func divide(wanted []*ranks) []*ranks {
	n := 0
	for _, r := range wanted {
		if r != nil {
			n += len(r.spans)
		}
	}
	parts := min(max(mostCounts/max(n, 1), leastParts), mostParts)
	var open []*ranks
	for _, r := range wanted {
		if r == nil {
			continue
		}
		is := false
		for i := range r.spans {
			is = r.spans[i].divide(parts) || is
		}
		if is {
			open = append(open, r)
		}
	}
	return open
}

func (s *span) divide(parts int) bool {
	s.counts, s.shift = nil, 0
	if s.low == s.high {
		return false
	}
	width := uint64(s.high - s.low) // right also where the difference overflows
	for width>>s.shift >= uint64(parts) {
		s.shift++
	}
	s.counts = make([]uint32, width>>s.shift+1)
	return true
}

// count counts the samples within the spans.
func (r *ranks) count(samples []load.Sample) {
	spans := r.spans
	for i := range samples {
		s := &samples[i]
		d, ok := r.measure.of(s)
		if !ok || !r.of.holds(s) {
			continue
		}
		low, high := 0, len(spans)
		for low < high { // the first span that ends at or after d
			if mid := int(uint(low+high) / 2); spans[mid].high < int64(d) {
				low = mid + 1
			} else {
				high = mid
			}
		}
		if low == len(spans) {
			continue
		}
		if at := &spans[low]; int64(d) >= at.low && at.counts != nil {
			at.counts[uint64(int64(d)-at.low)>>at.shift]++
		}
	}
}

// narrow puts in each span's place those of its parts that hold what is wanted.
func (r *ranks) narrow() {
	var spans []span
	next := 0
	for i := range r.spans {
		s := &r.spans[i]
		if s.counts == nil {
			for ; next < len(r.at) && r.at[next] == i; next++ {
				r.at[next] = len(spans)
			}
			spans = append(spans, *s)
			continue
		}
		before := s.before
		for part, n := range s.counts {
			first := true
			for ; next < len(r.at) && r.at[next] == i && r.indices[next] < before+int(n); next++ {
				if first {
					sub := span{low: s.low + int64(uint64(part)<<s.shift), high: s.high, before: before}
					if part+1 < len(s.counts) {
						sub.high = sub.low + int64(uint64(1)<<s.shift) - 1
					}
					spans = append(spans, sub)
					first = false
				}
				r.at[next] = len(spans) - 1
			}
			before += int(n)
		}
	}
	r.spans = spans
}
