package report

import (
	"math"
	"slices"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
	"github.com/taremesh/tare/testbed"
)

// Series is what each block that counts gave, in the order of the plan.
type Series struct {
	Blocks     []BlockRun        `json:"blocks"`
	Treatments []TreatmentSeries `json:"treatments"`
}

// BlockRun is when a block was carried out.
type BlockRun struct {
	Block   int     `json:"block"`
	Attempt int     `json:"attempt"`
	Started float64 `json:"started_s"` // seconds after the report's Started
	Took    float64 `json:"took_s"`
}

// TreatmentSeries is one treatment's figures, one for each block.
type TreatmentSeries struct {
	Name   string               `json:"name"`
	Stood  []int                `json:"stood"`     // positions in Blocks; one value for each
	Values map[string][]float64 `json:"values_us"` // by endpoint; an endpoint that is null has none
	Parts  []PartSeries         `json:"parts"`
}

// PartSeries is what one process of a treatment used, in each block.
type PartSeries struct {
	Role      string    `json:"role"`
	CPU       []float64 `json:"cpu_us_per_request"`
	PrivateMB []float64 `json:"private_mb"`
}

// Spectrum is the response times by the share of requests that were as fast:
// of each block, and the median over blocks. A level that a block's requests
// do not support ends its list.
type Spectrum struct {
	Levels     []float64           `json:"levels"`
	Treatments []TreatmentSpectrum `json:"treatments"`
}

// TreatmentSpectrum is one treatment's response times, in µs.
type TreatmentSpectrum struct {
	Name   string      `json:"name"`
	Median []float64   `json:"median_us"`
	Blocks [][]float64 `json:"blocks_us"`
}

// Histogram counts the response times of all latency phases.
type Histogram struct {
	// Bounds are of fortio's buckets: the k-th count is of times above
	// Bounds[k] and up to Bounds[k+1].
	Bounds     []float64            `json:"bounds_us"`
	Cores      int                  `json:"cores"`
	Source     string               `json:"source"` // of the advice
	Treatments []TreatmentHistogram `json:"treatments"`
}

// TreatmentHistogram is one treatment's counts, and the talk's advice on them.
type TreatmentHistogram struct {
	Name    string  `json:"name"`
	Counts  []int   `json:"counts"`
	Above   int     `json:"above,omitempty"` // times above the last bound
	Largest *Bucket `json:"largest"`         // null without requests
}

// Bucket is the bucket with most requests.
type Bucket struct {
	Low     float64 `json:"low_us"`
	High    float64 `json:"high_us"`
	Count   int     `json:"count"`
	PerCore float64 `json:"suggested_per_core"` // count ÷ cores: a suggestion of the talk, no finding
}

// adviceSource is where the advice on the histogram is from.
const adviceSource = `Layer5, "Discreetly Studying the Effects of Individual Traffic Control Functions", KubeCon + CloudNativeCon Europe 2020: ` +
	`"take your largest segment by count and divide by your number of cores"`

// bucketUnit is fortio's resolution (its flag -r) in µs; its own default of
// 1 ms would put every response of loopback into the first bucket.
const bucketUnit = 10

// bucketSteps are fortio's bucket bounds in units of its resolution: up to each
// bound, by that step, and then single ones (fortio, package stats).
var bucketSteps = []struct{ to, by float64 }{
	{11, 1}, {12, 1}, {20, 2}, {50, 5}, {100, 10}, {200, 20}, {500, 50}, {1000, 100}, {5000, 1000},
	{7500, 2500}, {10000, 2500}, {50000, 10000}, {75000, 25000}, {100000, 25000},
}

func bucketBounds() []float64 {
	bounds := []float64{0}
	for _, s := range bucketSteps {
		for last := bounds[len(bounds)-1] / bucketUnit; last < s.to; last += s.by {
			bounds = append(bounds, (last+s.by)*bucketUnit)
		}
	}
	return bounds
}

// levels of a spectrum.
var levels = []float64{.01, .05, .1, .2, .3, .4, .5, .6, .7, .75, .8, .85, .9, .925, .95, .97, .98, .99, .995, .998, .999, .9995, .9999}

// lastSharedLevel is where spectra end when treatments interfere: tails are
// then given from solo windows only.
const lastSharedLevel = .9

// addSeries computes what pictures need from the raw samples of the blocks
// that count.
func (r *Report) addSeries(st *study.Study, an *experiment.Analysis, blocks []experiment.Block) {
	blocks = slices.DeleteFunc(slices.Clone(blocks), func(b experiment.Block) bool { return b.Void != "" })
	slices.SortFunc(blocks, func(a, b experiment.Block) int { return a.Index - b.Index })
	r.Series = &Series{}
	r.Spectrum = &Spectrum{Levels: levels}
	r.Histogram = &Histogram{Bounds: bucketBounds(), Cores: r.Environment.Cores, Source: adviceSource}
	if slices.ContainsFunc(an.Interference, func(in experiment.Interference) bool { return in.Interferes }) {
		r.Spectrum.Levels = levels[:slices.Index(levels, lastSharedLevel)+1]
	}
	times := make([][][]float64, len(blocks))
	for k, b := range blocks {
		r.Series.Blocks = append(r.Series.Blocks, BlockRun{b.Index, b.Attempt, round(b.Started.Sub(r.Started).Seconds(), 1e3), round(b.Took.Seconds(), 1e3)})
		times[k] = responses(&blocks[k], len(an.Treatments))
	}
	for i, t := range an.Treatments {
		if !st.Stands(i) {
			continue
		}
		spectrum := TreatmentSpectrum{Name: t.Name, Blocks: [][]float64{}}
		histogram := TreatmentHistogram{Name: t.Name, Counts: make([]int, len(r.Histogram.Bounds)-1)}
		for _, k := range t.Stood {
			spectrum.Blocks = append(spectrum.Blocks, spectrumOf(times[k][i], r.Spectrum.Levels))
			histogram.count(times[k][i], r.Histogram.Bounds)
		}
		r.Series.Treatments = append(r.Series.Treatments, seriesOf(t))
		r.Spectrum.Treatments = append(r.Spectrum.Treatments, spectrum)
		r.Histogram.Treatments = append(r.Histogram.Treatments, histogram)
	}
	r.Spectrum.finish()
	r.Histogram.finish()
}

func seriesOf(t experiment.Treatment) TreatmentSeries {
	x := TreatmentSeries{Name: t.Name, Stood: append([]int{}, t.Stood...), Values: map[string][]float64{}, Parts: []PartSeries{}}
	for e, vs := range t.PerBlock {
		x.Values[string(e)] = rounded(vs)
	}
	for _, role := range testbed.Roles() {
		us := t.UsagePerBlock[string(role)]
		if len(us) == 0 || len(us) != len(t.Stood) {
			continue // without requests in one block
		}
		p := PartSeries{Role: string(role)}
		for _, u := range us {
			p.CPU, p.PrivateMB = append(p.CPU, round(u.PerRequest, 1e3)), append(p.PrivateMB, round(u.PrivateMB, 1e3))
		}
		x.Parts = append(x.Parts, p)
	}
	return x
}

// round keeps the JSON small: what is cut off is far below any noise.
func round(x, per float64) float64 { return math.Round(x*per) / per }

// rounded keeps nanoseconds of values in µs.
func rounded(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = round(x, 1e3)
	}
	return out
}

// responses are the response times of each treatment's answered requests in
// the latency phases of a block (one of all, or one each), in µs and sorted.
func responses(b *experiment.Block, treatments int) [][]float64 {
	out := make([][]float64, treatments)
	answered := func(s load.Sample) bool { return int(s.Target) < treatments && s.LastByte >= 0 }
	for k, p := range b.Phases {
		if p.Phase.Kind != study.Latency {
			continue
		}
		for _, s := range b.Samples[k] {
			if answered(s) {
				out[s.Target] = append(out[s.Target], float64(s.Response())/float64(time.Microsecond))
			}
		}
	}
	for _, times := range out {
		slices.Sort(times)
	}
	return out
}

// spectrumOf is one block's line, up to the last level that it supports.
func spectrumOf(times, levels []float64) []float64 {
	line := []float64{}
	for _, q := range levels {
		if ok, _ := stat.Supported(len(times), q); !ok {
			break
		}
		line = append(line, round(stat.Quantile(times, q), 10))
	}
	return line
}

// finish takes the median over blocks, up to the last level that all support.
func (s *Spectrum) finish() {
	longest := 0
	for k := range s.Treatments {
		t := &s.Treatments[k]
		t.Median = []float64{}
		for l := range s.Levels {
			var at []float64
			for _, line := range t.Blocks {
				if l < len(line) {
					at = append(at, line[l])
					longest = max(longest, l+1)
				}
			}
			if len(at) < len(t.Blocks) || len(at) == 0 {
				break
			}
			slices.Sort(at)
			t.Median = append(t.Median, round(stat.Quantile(at, .5), 10))
		}
	}
	s.Levels = s.Levels[:longest]
}

// count adds the times of one block.
func (t *TreatmentHistogram) count(times, bounds []float64) {
	for _, x := range times {
		i, _ := slices.BinarySearch(bounds, x) // the first bound that is not below x
		if i == len(bounds) {
			t.Above++
			continue
		}
		t.Counts[max(0, i-1)]++
	}
}

// finish cuts off what no treatment reached and finds each largest bucket.
func (h *Histogram) finish() {
	first, last := len(h.Bounds)-1, 0
	for _, t := range h.Treatments {
		for i, n := range t.Counts {
			if n > 0 {
				first, last = min(first, i), max(last, i+1)
			}
		}
	}
	first = min(first, last)
	for k := range h.Treatments {
		t := &h.Treatments[k]
		t.Counts = t.Counts[first:last]
		if len(t.Counts) == 0 {
			continue
		}
		i := slices.Index(t.Counts, slices.Max(t.Counts))
		if n := t.Counts[i]; n > 0 {
			t.Largest = &Bucket{h.Bounds[first+i], h.Bounds[first+i+1], n, float64(n) / float64(max(1, h.Cores))}
		}
	}
	h.Bounds = h.Bounds[first : last+1]
}
