package fault

import (
	"fmt"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	filterName = "envoy.filters.http.fault"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
)

func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	m := &faultv3.HTTPFault{DisableDownstreamClusterStats: true}
	if d := s.Delay; d != nil {
		m.Delay = &commonv3.FaultDelay{Percentage: fraction(d.Percent), FaultDelaySecifier: &commonv3.FaultDelay_FixedDelay{FixedDelay: durationpb.New(d.Time.Std())}}
		if d.ByHeader {
			m.Delay.FaultDelaySecifier = &commonv3.FaultDelay_HeaderDelay_{HeaderDelay: &commonv3.FaultDelay_HeaderDelay{}}
		}
	}
	if a := s.Abort; a != nil {
		m.Abort = &faultv3.FaultAbort{Percentage: fraction(a.Percent), ErrorType: &faultv3.FaultAbort_HttpStatus{HttpStatus: uint32(a.Status)}}
		if a.ByHeader {
			m.Abort.ErrorType = &faultv3.FaultAbort_HeaderAbort_{HeaderAbort: &faultv3.FaultAbort_HeaderAbort{}}
		}
	}
	packed, err := dataplane.Pack(m)
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("fault: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

// fraction is in millionths; of all, it is in hundredths, which is what the
// callers' headers are taken in.
func fraction(percent *float64) *typev3.FractionalPercent {
	if percent == nil {
		return &typev3.FractionalPercent{Numerator: 100}
	}
	return &typev3.FractionalPercent{Numerator: partsOf(percent), Denominator: typev3.FractionalPercent_MILLION}
}

var honoured = protofield.Honoured{
	"envoy.extensions.filters.http.fault.v3.HTTPFault":    {"delay", "abort", "disable_downstream_cluster_stats"},
	"envoy.extensions.filters.http.fault.v3.FaultAbort":   {"percentage", "http_status", "header_abort"},
	"envoy.extensions.filters.common.fault.v3.FaultDelay": {"percentage", "fixed_delay", "header_delay"},
	"envoy.type.v3.FractionalPercent":                     {"numerator", "denominator"},
}

// newFilter makes the embedded plane's filter of Envoy's message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m faultv3.HTTPFault
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", filterURL, err)
	}
	if err := protofield.Check(&m, honoured); err != nil {
		return nil, fmt.Errorf("fault: %w", err)
	}
	i := newInjector(Spec{})
	if d := m.GetDelay(); d != nil {
		share, err := shareOf(d.GetPercentage())
		if err != nil {
			return nil, fmt.Errorf("fault: field delay.percentage: %w", err)
		}
		i.delay = &source{value: d.GetFixedDelay().AsDuration().Milliseconds(), share: share}
		switch {
		case d.GetHeaderDelay() != nil:
			i.delay = delayByHeader(share)
		case i.delay.value <= 0:
			return nil, fmt.Errorf("fault: field delay.fixed_delay: %v is less than a millisecond", d.GetFixedDelay().AsDuration())
		}
	}
	if a := m.GetAbort(); a != nil {
		share, err := shareOf(a.GetPercentage())
		if err != nil {
			return nil, fmt.Errorf("fault: field abort.percentage: %w", err)
		}
		i.abort = &source{value: int64(a.GetHttpStatus()), share: share}
		switch {
		case a.GetHeaderAbort() != nil:
			i.abort = abortByHeader(share)
		case i.abort.value < leastStatus || i.abort.value > mostStatus:
			return nil, fmt.Errorf("fault: field abort.http_status: %d is not from %d to %d", a.GetHttpStatus(), leastStatus, mostStatus)
		}
	}
	return filter{i}, nil
}

// shareOf is a fraction in millionths.
func shareOf(f *typev3.FractionalPercent) (uint32, error) {
	most := map[typev3.FractionalPercent_DenominatorType]uint32{
		typev3.FractionalPercent_HUNDRED: 100, typev3.FractionalPercent_TEN_THOUSAND: 10_000, typev3.FractionalPercent_MILLION: parts,
	}[f.GetDenominator()]
	if most == 0 || f.GetNumerator() > most {
		return 0, fmt.Errorf("%d of %v is no share", f.GetNumerator(), f.GetDenominator())
	}
	return f.GetNumerator() * (parts / most), nil
}

// filter is the embedded plane's.
type filter struct{ injector }

func (f filter) Handle(x function.Exchange) bool {
	delay, status := f.faults(func(name string) (string, bool) {
		v, ok := x.Header(name)
		return string(v), ok
	})
	if delay > 0 {
		<-time.After(delay)
	}
	if status == 0 {
		return true
	}
	x.Reply(status, abortBody)
	return false
}
