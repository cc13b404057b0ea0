package outlierdetection

import (
	"net/http"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/balance"
)

// NewTransport sends a client's requests to the replicas (host:port) in turn,
// but to those that are out. Close it when it is not needed any more.
func NewTransport(s Spec, replicas []string, next http.RoundTripper) *balance.Transport {
	c, o := balance.DefaultConfig(), balance.DefaultOutlier()
	o.Consecutive5xx, o.Base, o.Interval, o.MostPercent = s.Failures, s.Ejection.Std(), s.Review.Std(), s.mostOut()
	o.EnforceSuccess = 0
	c.Outlier, c.Panic = &o, 0
	return balance.NewTransport(next, c, replicas, nil)
}

func transport(spec function.Spec, replicas []string) (func(http.RoundTripper) http.RoundTripper, error) {
	s, err := specOf(spec)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper { return NewTransport(s, replicas, next) }, nil
}
