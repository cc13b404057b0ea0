package loadreport

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/load/spool"
)

// mostStatuses is how many different statuses of a cell are counted one by one.
const mostStatuses = 64

// cell is what requests are counted apart by.
type cell struct {
	class   load.Class
	request uint16
}

// tally is how many requests of a cell there are, how many have no whole
// response, of how many of these it is known when they failed, and with which
// statuses.
type tally struct {
	count, never, failed int
	statuses             map[uint16]*int
	status               uint16 // the last one
	same                 *int   // its counter; nil: there is none
}

// Collector gathers the samples of one load, in bounded memory. Close it.
type Collector struct {
	samples  *spool.Spool
	cells    map[cell]*tally
	last     cell // the last sample's
	same     *tally
	line     timeline
	written  int
	closed   bool
	arrivals *arrivals
}

// NewCollector makes a collector for the samples of that load.
func NewCollector(l load.Load, p load.Population) *Collector {
	expect := 0
	if !l.Closed {
		expect = int(min(l.MeanRate()*l.Length().Seconds()+float64(l.Each), 1e9))
	}
	return &Collector{samples: spool.New(spool.Config{Expect: expect, Kinds: len(p.Requests)}), cells: map[cell]*tally{}, closed: l.Closed, arrivals: newArrivals(l, p)}
}

// Close gives back what holds the samples.
func (c *Collector) Close() error { return c.samples.Close() }

// Take gathers some samples, in the order in which a generator hands them out.
// It is a load.Sink's Samples and keeps nothing of the slice.
func (c *Collector) Take(samples []load.Sample) error {
	for i := range samples {
		c.take(&samples[i])
	}
	return c.samples.Add(samples)
}

func (c *Collector) take(s *load.Sample) {
	slot := c.line.at(s.Intended)
	slot.requests++
	slot.classes[min(s.Class, load.Classes-1)]++
	of := c.tally(cell{s.Class, s.Request})
	of.count++
	of.answered(s.Status)
	if s.Written >= 0 {
		c.written++
		if !c.closed {
			late := micros(s.Lateness())
			slot.late[binOf(late)]++
			slot.latest = max(slot.latest, late)
			c.arrivals.take(s)
		}
	}
	if !s.Whole() {
		of.never++
		if _, known := s.Failure(); known {
			of.failed++
		}
		return
	}
	slot.latency[binOf(micros(s.Response()))]++
}

// tally finds a cell's; most samples are of the same one as the last.
func (c *Collector) tally(place cell) *tally {
	if c.same != nil && c.last == place {
		return c.same
	}
	of := c.cells[place]
	if of == nil {
		of = &tally{statuses: map[uint16]*int{}}
		c.cells[place] = of
	}
	c.last, c.same = place, of
	return of
}

func (t *tally) answered(status uint16) {
	if status != t.status || t.same == nil {
		counter := t.statuses[status]
		if counter == nil {
			if status == 0 || len(t.statuses) == mostStatuses {
				return
			}
			counter = new(int)
			t.statuses[status] = counter
		}
		t.status, t.same = status, counter
	}
	*t.same++
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// sum counts the requests of some cells.
func (c *Collector) sum(wanted func(cell) bool) tally {
	var out tally
	for place, t := range c.cells {
		if wanted(place) {
			out.count += t.count
			out.never += t.never
			out.failed += t.failed
		}
	}
	return out
}

func everyCell(cell) bool { return true }

// Report makes the result of a run whose samples have all been taken, and holds
// it against the conditions.
func (c *Collector) Report(run Run, conditions []Condition) (*Result, error) {
	r := c.describe(run)
	c.count(r)
	t := c.columns(run, conditions)
	if err := fill(c.samples, t.all); err != nil {
		return nil, err
	}
	t.put(r)
	r.account(run)
	r.flow(run.Stats)
	r.Spectrum = spectrum(t.latency, t.service)
	r.line = c.line
	r.Floor = floorOf(run)
	r.check(run, c)
	r.judge(conditions, t)
	return r, nil
}

// describe says what the load was.
func (c *Collector) describe(run Run) *Result {
	l, s := run.Load, run.Stats
	r := &Result{
		Tare: Format, URL: run.URL, Address: run.Target.Addr, Protocol: string(cmp.Or(run.Target.Protocol, load.HTTP1)), TLS: run.Target.TLS != nil,
		Generator: run.Generator, Version: run.Version, Started: run.Started, Command: run.Command,
		Seed: l.Seed, Closed: l.Closed, Rate: l.Rate, Seconds: s.Wall.Seconds(), Scheduled: s.Scheduled, Requests: s.Sent, Throughput: s.Throughput,
		Interrupted: run.Interrupted, Saturated: s.Saturated, Connections: run.Target.Connections, Opened: s.Opened,
		Threads: s.Threads, Samples: c.samples.Kept(), Outcomes: map[string]int{}, Workers: run.Workers, Warnings: []string{},
	}
	if l.Closed {
		return r
	}
	r.Arrivals, r.Rate = string(cmp.Or(l.Arrivals, load.Poisson)), l.MeanRate()
	if l.Trace != nil {
		r.Arrivals = "trace"
	}
	if l.Profile != nil {
		r.Profile = l.Profile.String()
	}
	if all := c.sum(everyCell); s.Wall > 0 {
		r.Throughput = float64(all.count-all.never) / s.Wall.Seconds()
	}
	return r
}

// count says what became of the requests.
func (c *Collector) count(r *Result) {
	all := c.sum(everyCell).count
	for class := range load.Classes {
		if n := c.sum(func(p cell) bool { return p.class == class }).count; n > 0 {
			r.Outcomes[class.String()] = n
		}
	}
	r.Errors = all - r.Outcomes[load.OK.String()]
	if all > 0 {
		r.ErrorShare = float64(r.Errors) / float64(all)
	}
	for _, t := range c.cells {
		for status, n := range t.statuses {
			if r.Statuses == nil {
				r.Statuses = map[string]int{}
			}
			r.Statuses[strconv.Itoa(int(status))] += *n
		}
	}
}

// times are all columns of a load.
type times struct {
	latency, service, lateness *column
	all                        []*column
	puts                       []func(r *Result)
}

func (t *times) add(c *column, put func(r *Result, q Quantiles)) *column {
	t.all = append(t.all, c)
	t.puts = append(t.puts, func(r *Result) { put(r, c.quantiles()) })
	return c
}

func (t *times) put(r *Result) {
	for _, put := range t.puts {
		put(r)
	}
}

// columns says which times are wanted.
func (c *Collector) columns(run Run, conditions []Condition) *times {
	t := &times{}
	all := c.sum(everyCell)
	answered := all.count - all.never
	t.latency = t.add(&column{ask: spool.Ask{Measure: spool.Response}, count: answered, never: all.never}, func(r *Result, q Quantiles) { r.Latency = q })
	t.service = t.add(&column{ask: spool.Ask{Measure: spool.Service}, count: answered, never: all.never}, func(r *Result, q Quantiles) { r.Service = q })
	t.lateness = &column{}
	if !c.closed {
		t.lateness = t.add(&column{ask: spool.Ask{Measure: spool.Lateness}, count: c.written}, func(r *Result, q Quantiles) { r.Lateness = q })
	}
	for _, of := range t.all {
		counts := latencyBins
		if of == t.lateness {
			counts = lateBins
		}
		of.describe(c.about(of), func(q, us float64) float64 { return c.line.inflation(q, us, counts) })
	}
	for _, q := range spectrumLevels() {
		if t.latency.missing(q) != "" {
			break
		}
		t.latency.want(q)
		t.service.want(q)
	}
	for _, condition := range conditions {
		if of := t.named(condition.figure.name); of != nil && condition.quantile < 1 {
			of.want(condition.quantile)
		}
	}
	c.apart(t, run, all.count)
	return t
}

// named is the column that a condition means, or nil.
func (t *times) named(kind string) *column {
	return map[string]*column{"latency": t.latency, "service": t.service, "lateness": t.lateness}[kind]
}

// about finds about the quantile at a level, in µs.
func (c *Collector) about(of *column) func(float64) float64 {
	return func(level float64) float64 {
		ask := of.ask
		ask.Levels = []float64{level}
		found, err := c.samples.About(ask)
		if err != nil || len(found.Levels) == 0 {
			return math.NaN()
		}
		return found.Levels[0] / 1e3
	}
}

// apart wants the times of each class and of each kind of request.
func (c *Collector) apart(t *times, run Run, all int) {
	for class := range load.Classes {
		n := c.sum(func(p cell) bool { return p.class == class })
		if n.count == 0 {
			continue
		}
		of := &column{ask: spool.Ask{Of: spool.OfClass(class)}, count: n.count - n.never}
		of.describe(nil, nil)
		t.add(of, func(r *Result, q Quantiles) {
			r.Classes = append(r.Classes, Class{Class: class.String(), Count: n.count, Share: float64(n.count) / float64(all), Latency: q})
		})
		if n.never == 0 {
			continue
		}
		failed := &column{ask: spool.Ask{Of: spool.OfClass(class), Measure: spool.Failure}, count: n.failed}
		failed.describe(nil, nil)
		t.add(failed, func(r *Result, q Quantiles) { r.Classes[len(r.Classes)-1].Failed = &q })
	}
	if len(run.Requests) < 2 {
		return
	}
	for k, q := range run.Requests {
		n := c.sum(func(p cell) bool { return int(p.request) == k })
		good := c.sum(func(p cell) bool { return int(p.request) == k && p.class == load.OK })
		of := &column{ask: spool.Ask{Of: spool.OfKind(k)}, count: n.count - n.never, never: n.never}
		of.describe(nil, nil)
		t.add(of, func(r *Result, found Quantiles) {
			r.Kinds = append(r.Kinds, Kind{cmp.Or(q.Name, q.Method+" "+q.Path), n.count, n.count - good.count, found})
		})
	}
}

// namedLevels are those that people ask for; the spectrum has them beside its
// even steps.
var namedLevels = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999}

// spectrumLevels are five for each halving of the distance to 1, and the named
// ones.
func spectrumLevels() []float64 {
	const perHalving = 5
	out := slices.Clone(namedLevels)
	for rest := 1.0; rest > 1e-9; rest /= 2 {
		for k := range perHalving {
			out = append(out, 1-rest*(1-float64(k)/(2*perHalving)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// spectrum are the quantiles that the samples support.
func spectrum(latency, service *column) []Level {
	out := []Level{} // in JSON none is a list too
	for _, q := range spectrumLevels() {
		v, why := latency.at(q)
		if why != "" {
			break
		}
		x := Level{Level: q, Latency: v}
		if v, why := service.at(q); why == "" {
			x.Service = &v
		}
		out = append(out, x)
	}
	return out
}

// Greatest is the longest response time.
func (c *Collector) Greatest() (time.Duration, error) {
	t, err := c.samples.About(spool.Ask{Measure: spool.Response})
	return t.Most, err
}

// Responses gives the response times of all answered requests, in no order, to
// a writer of percentiles. It fails where some were only counted.
func (c *Collector) Responses(write func(iter.Seq[time.Duration]) error) error {
	if n := c.samples.Kept().Sketched; n > 0 {
		return fmt.Errorf("%d of %d requests were only counted, not kept", n, c.samples.Len())
	}
	var failed error
	err := write(func(yield func(time.Duration) bool) {
		failed = c.samples.Each(func(part []load.Sample) error {
			for i := range part {
				if part[i].Whole() && !yield(part[i].Response()) {
					return io.EOF
				}
			}
			return nil
		})
	})
	if errors.Is(failed, io.EOF) {
		failed = nil
	}
	return errors.Join(err, failed)
}

// oneSet is up to how many samples are written as one set.
const oneSet = 1 << 22

// EncodeSamples writes every sample that was kept in the format of
// load.EncodeSamples: as one set, or where they are too many for memory as
// several, one after the other. It fails where some were only counted.
func (c *Collector) EncodeSamples(w io.Writer) error {
	if n := c.samples.Kept().Sketched; n > 0 {
		return fmt.Errorf("%d of %d requests were only counted, not kept", n, c.samples.Len())
	}
	if c.samples.Len() > oneSet {
		return c.samples.Each(func(part []load.Sample) error { return load.EncodeSamples(w, part) })
	}
	all := make([]load.Sample, 0, c.samples.Len())
	if err := c.samples.Each(func(part []load.Sample) error { all = append(all, part...); return nil }); err != nil {
		return err
	}
	return load.EncodeSamples(w, all)
}
