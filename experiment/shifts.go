package experiment

import (
	"math"
	"slices"

	"github.com/taremesh/tare/load"
	"github.com/taremesh/tare/stat"
	"github.com/taremesh/tare/study"
)

// Shift is how much a treatment's response times differ from its baseline's at
// every share of the requests, not at the median alone: the shift function.
type Shift struct {
	Treatment, Baseline int
	Blocks              int
	Confidence          float64         // that the whole band holds at
	Levels              []float64       // shares τ of the requests that were as fast
	Band                []stat.Interval // Δ(τ) in µs, simultaneous over Levels
	// Greatest is the place in Levels where the two differ most, of those where
	// the band excludes 0; where it does so nowhere, Differs is false.
	Greatest int
	Differs  bool
	// Even: one difference lies in the whole band, so that nothing says that the
	// two differ more for some requests than for others.
	Even bool
	// Why is set where there is no band.
	Why string
}

// shiftLevels are the shares of requests at which a shift function is given,
// as far as the samples support them.
var shiftLevels = func() []float64 {
	levels := []float64{.01, .02, .03, .04}
	for i := 2; i <= 38; i++ { // in steps of .025
		levels = append(levels, float64(i)/40)
	}
	return append(levels, .96, .97, .98, .99, .995, .998, .999)
}()

// lastSharedLevel is where shift functions end when treatments interfere: tails
// are then given from solo windows only.
const lastSharedLevel = .9

// thin is the number of requests below a quantile under which all order
// statistics are weighed (Harrell and Davis) instead of two.
const thin = 100

// shifts gives a shift function for each primary comparison by p50, and for
// each cell of a pairs study.
func (an *Analysis) shifts(s *sheet) error {
	for _, c := range an.Comparisons {
		if c.Endpoint != P50 || !c.Primary && s.plan.Study.Design.Name != study.DesignPairs {
			continue
		}
		one, err := shiftOf(s, c.Treatment, c.Baseline)
		if err != nil {
			return err
		}
		an.Shifts = append(an.Shifts, one)
	}
	return nil
}

func shiftOf(s *sheet, treatment, baseline int) (Shift, error) {
	out := Shift{Treatment: treatment, Baseline: baseline, Confidence: s.plan.Rule.Level}
	var a, b []stat.Spectrum
	for k, fs := range s.of {
		_, stood := fs[treatment]
		_, too := fs[baseline]
		if stood && too {
			a, b = append(a, s.spectrum(k, baseline)), append(b, s.spectrum(k, treatment))
		}
	}
	found, err := stat.ShiftFunction(shiftLevels, a, b, stat.Options{Level: out.Confidence, Seed: s.plan.Seed})
	if err != nil {
		return out, err
	}
	out.Blocks, out.Levels, out.Band = len(a), found.Quantiles, found.Band
	if s.hidden == P99 {
		n := slices.IndexFunc(out.Levels, func(q float64) bool { return q > lastSharedLevel })
		if n >= 0 {
			out.Levels, out.Band = out.Levels[:n], out.Band[:n]
		}
	}
	if len(out.Levels) == 0 && len(found.Missing) > 0 {
		out.Why = found.Missing[0].Why
	}
	out.find()
	return out, nil
}

// find sets Greatest, Differs and Even.
func (s *Shift) find() {
	most, highest, lowest := -1.0, math.Inf(-1), math.Inf(1)
	for k, i := range s.Band {
		differs := !i.Contains(0)
		if size := math.Abs(i.Estimate); differs && !s.Differs || differs == s.Differs && size > most {
			most, s.Greatest, s.Differs = size, k, differs
		}
		highest, lowest = max(highest, i.Low), min(lowest, i.High)
	}
	s.Even = len(s.Band) > 0 && highest <= lowest
}

// spectrum is the quantiles of treatment i's latency phase in the k-th block.
func (s *sheet) spectrum(k, i int) stat.Spectrum {
	r := s.readings[k][i]
	if r.spectrum == nil {
		one := spectrumOf(r.all(study.Latency).times)
		r.spectrum = &one
	}
	return *r.spectrum
}

// spectrumOf gives the quantiles of sorted times; 0 where they do not support
// one, which ShiftFunction then leaves out.
func spectrumOf(times []float64) stat.Spectrum {
	out := stat.Spectrum{Samples: len(times), Values: make([]float64, len(shiftLevels))}
	for l, q := range shiftLevels {
		if ok, _ := stat.Supported(len(times), q); !ok {
			break
		}
		if float64(len(times))*q < thin {
			out.Values[l] = stat.HarrellDavis(times, q)
		} else {
			out.Values[l] = stat.Quantile(times, q)
		}
	}
	return out
}

// all is the requests of all classes together.
func (r *reading) all(kind study.Kind) answered {
	of := r.classes[kind]
	if ok := of[load.OK]; ok != nil && len(of) == 1 {
		return *ok
	}
	var each []answered
	for _, a := range of {
		each = append(each, *a)
	}
	return together(each)
}
