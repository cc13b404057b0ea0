package study

import (
	"fmt"
	"slices"
	"strings"
)

// EndpointMean is the mean response time.
const EndpointMean = "mean"

// FurtherEndpoints lists what a study can ask for beside the endpoints that
// every one has.
func FurtherEndpoints() []string { return []string{EndpointMean} }

func (s *Study) checkEndpoints() error {
	for i, e := range s.Endpoints {
		at := fmt.Sprintf("$.endpoints[%d]", i)
		switch {
		case !slices.Contains(FurtherEndpoints(), e):
			return s.Errorf(at, "unknown endpoint %q (known beside p50, p90, p99 and cpu: %s)", e, strings.Join(FurtherEndpoints(), ", "))
		case slices.Contains(s.Endpoints[:i], e):
			return s.Errorf(at, "endpoint %s is asked for twice", e)
		}
	}
	return nil
}

// maxTreatments is how many stand at once.
const maxTreatments = 60

// standing are the treatments that stand.
func (s *Study) standing() []int {
	var is []int
	for i := range s.Treatments {
		if s.Stands(i) {
			is = append(is, i)
		}
	}
	return is
}

// totalRate is the requests/s that the treatments share.
func (s *Study) totalRate() float64 {
	is := s.standing()
	total, equal := 0.0, float64(s.Load.Rate)*float64(len(is))
	for _, i := range is {
		total += float64(s.RateOf(i))
	}
	if s.ratesDiffer() {
		return total
	}
	return equal // as a product, so that the digests of older plans stay
}

// ratesDiffer reports whether a treatment has a rate of its own.
func (s *Study) ratesDiffer() bool {
	return slices.ContainsFunc(s.standing(), func(i int) bool { return s.RateOf(i) != s.Load.Rate })
}
