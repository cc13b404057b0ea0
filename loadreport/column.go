package loadreport

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/taremesh/tare/load/spool"
	"github.com/taremesh/tare/stat"
)

// confidence is the level of every interval.
const confidence = 0.95

// levels are the quantiles that are named in a Result.
var levels = []float64{0.5, 0.9, 0.99, 0.999}

// Interval is where the true quantile lies, in µs.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Quantiles are those of one kind of time, in µs. What the samples do not
// support is null, and Why says what is missing.
type Quantiles struct {
	Count     int                 `json:"count"` // requests that have this time
	P50       *float64            `json:"p50"`
	P90       *float64            `json:"p90"`
	P99       *float64            `json:"p99"`
	P999      *float64            `json:"p999"`
	Max       *float64            `json:"max"`
	Mean      *float64            `json:"mean"`
	Intervals map[string]Interval `json:"intervals,omitempty"` // by the quantile's name, 95 %
	Why       map[string]string   `json:"why,omitempty"`
}

// column is one kind of time of some requests, in µs. Which of its quantiles are
// wanted is said before the samples are gone through, once for all columns.
type column struct {
	ask    spool.Ask
	count  int // requests that have this time
	never  int // requests that have none, and count as endless
	wanted []float64
	values map[float64]float64
	spans  map[float64][2]float64 // the levels around a named one that its interval ends at
	most   float64
	mean   float64
}

// total is how many requests the column speaks of.
func (c *column) total() int { return c.count + c.never }

// missing says why there is no quantile q, if so.
func (c *column) missing(q float64) string {
	n := c.total()
	if ok, why := stat.Supported(n, q); !ok {
		return why
	}
	return c.beyond(q)
}

// beyond says that q lies among requests that never ended, if so: they are the
// slowest.
func (c *column) beyond(q float64) string {
	if c.never > 0 && float64(c.total()-1)*q > float64(c.count-1) {
		return fmt.Sprintf("%d of %d requests were not answered, so %s never came", c.never, c.total(), quantileName(q))
	}
	return ""
}

// among is the level of q among those that have the time.
func (c *column) among(q float64) float64 {
	if c.never == 0 {
		return q
	}
	return min(float64(c.total()-1)*q/float64(max(c.count-1, 1)), 1)
}

// want says that the quantile q will be asked for.
func (c *column) want(q float64) {
	if c.count > 0 && c.beyond(q) == "" {
		c.wanted = append(c.wanted, q)
	}
}

// describe wants the named quantiles, and the ends of their intervals where the
// spread is known: by how much more the requests vary than independent ones,
// given the level and about its time.
func (c *column) describe(about func(q float64) float64, spread func(q, us float64) float64) {
	for _, q := range levels {
		if c.missing(q) != "" || c.count == 0 {
			continue
		}
		c.want(q)
		if spread == nil {
			continue
		}
		inflation := spread(q, about(c.among(q)))
		if math.IsNaN(inflation) {
			inflation = 1
		}
		low, high, err := stat.QuantileSpan(c.total(), q, confidence, inflation)
		if err != nil || c.beyond(high) != "" {
			continue
		}
		if c.spans == nil {
			c.spans = map[float64][2]float64{}
		}
		c.spans[q] = [2]float64{low, high}
		c.want(low)
		c.want(high)
	}
}

// fill finds the quantiles that are wanted of all columns.
func fill(s *spool.Spool, columns []*column) error {
	asks := make([]spool.Ask, len(columns))
	for i, c := range columns {
		slices.Sort(c.wanted)
		c.wanted = slices.Compact(c.wanted)
		asks[i] = c.ask
		for _, q := range c.wanted {
			asks[i].Levels = append(asks[i].Levels, c.among(q))
		}
	}
	times, err := s.Times(asks...)
	if err != nil {
		return fmt.Errorf("go through the samples: %w", err)
	}
	for i, c := range columns {
		c.values = map[float64]float64{}
		c.most, c.mean = micros(times[i].Most), times[i].Mean/1e3
		for k, v := range times[i].Levels {
			c.values[c.wanted[k]] = v / 1e3
		}
	}
	return nil
}

// at is the quantile q, or why there is none.
func (c *column) at(q float64) (float64, string) {
	if why := c.missing(q); why != "" {
		return 0, why
	}
	return c.values[q], ""
}

// quantiles are the named ones.
func (c *column) quantiles() Quantiles {
	out := Quantiles{Count: c.count}
	if c.count == 0 {
		return out
	}
	out.Why, out.Intervals = map[string]string{}, map[string]Interval{}
	for i, to := range []**float64{&out.P50, &out.P90, &out.P99, &out.P999} {
		q, name := levels[i], quantileName(levels[i])
		v, why := c.at(q)
		if why != "" {
			out.Why[name] = why
			continue
		}
		*to = &v
		if span, ok := c.spans[q]; ok {
			out.Intervals[name] = Interval{c.values[span[0]], c.values[span[1]]}
		}
	}
	most, mean := c.most, c.mean
	out.Max, out.Mean = &most, &mean
	return out
}

// quantileName is p50 of 0.5 and p99.9 of 0.999; in JSON p999 is the field.
func quantileName(q float64) string {
	return "p" + strconv.FormatFloat(math.Round(q*1e8)/1e6, 'f', -1, 64)
}
