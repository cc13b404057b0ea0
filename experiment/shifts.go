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
	Treatment, Baseline int    // -1 where it is of a factor
	Factor, From, To    string // of a main effect: averaged over the other factors
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

// shifts gives a shift function for each primary comparison by p50, for each
// cell of a pairs study, and for each main effect by p50.
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
	f, _ := factorsOf(&s.plan.Study)
	for _, x := range an.Effects {
		if x.Endpoint != P50 || len(x.Factors) != 1 {
			continue
		}
		one, err := f.shiftOf(s, x)
		if err != nil {
			return err
		}
		an.Shifts = append(an.Shifts, one)
	}
	return nil
}

func shiftOf(s *sheet, treatment, baseline int) (Shift, error) {
	out := Shift{Treatment: treatment, Baseline: baseline}
	a, b := s.spectra(s.twins(P50, baseline), s.twins(P50, treatment))
	return s.between(out, a, b)
}

// shiftOf a main effect is that of the cells at either level, the quantiles of
// which are averaged.
func (f factors) shiftOf(s *sheet, x Effect) (Shift, error) {
	out := Shift{Treatment: -1, Baseline: -1, Factor: f.of[x.Factors[0]].Name, From: x.From[0], To: x.To[0]}
	at := func(level string) []int {
		var is []int
		for _, c := range f.cells {
			if f.of[x.Factors[0]].Levels[c.Levels[x.Factors[0]]] == level {
				is = append(is, c.Treatment)
			}
		}
		return is
	}
	a, b := s.spectra(at(out.From), at(out.To))
	return s.between(out, a, b)
}

// spectra are those of two sets of treatments in the blocks that all of them
// stood in, averaged over each set.
func (s *sheet) spectra(as, bs []int) (a, b []stat.Spectrum) {
	for k, fs := range s.of {
		if !slices.ContainsFunc(slices.Concat(as, bs), func(i int) bool { _, stood := fs[i]; return !stood }) {
			a, b = append(a, s.meanSpectrum(k, as)), append(b, s.meanSpectrum(k, bs))
		}
	}
	return a, b
}

// meanSpectrum is carried as far as that of each treatment is.
func (s *sheet) meanSpectrum(k int, is []int) stat.Spectrum {
	out := stat.Spectrum{Samples: math.MaxInt}
	each := make([][]float64, len(is))
	for n, i := range is {
		one := s.spectrum(k, i)
		out.Samples, each[n] = min(out.Samples, one.Samples), one.Values
	}
	out.Values = meanOf(each)
	return out
}

// between lays the band between two series of spectra.
func (s *sheet) between(out Shift, a, b []stat.Spectrum) (Shift, error) {
	out.Confidence = s.plan.Rule.Level
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
