package concurrencylimit

import (
	"fmt"
	"net/http"
	"time"

	adaptivev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/adaptive_concurrency/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	filterName = "envoy.filters.http.adaptive_concurrency"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency"
)

// rest is what Envoy wants to be told of adapting, which has no effect here.
const rest = time.Second

func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	limit := wrapperspb.UInt32(uint32(s.Limit))
	packed, err := dataplane.Pack(&adaptivev3.AdaptiveConcurrency{
		ConcurrencyControllerConfig: &adaptivev3.AdaptiveConcurrency_GradientControllerConfig{GradientControllerConfig: &adaptivev3.GradientControllerConfig{
			ConcurrencyLimitParams: &adaptivev3.GradientControllerConfig_ConcurrencyLimitCalculationParams{
				MaxConcurrencyLimit: limit, ConcurrencyUpdateInterval: durationpb.New(rest),
			},
			MinRttCalcParams: &adaptivev3.GradientControllerConfig_MinimumRTTCalculationParams{
				MinConcurrency: limit, FixedValue: durationpb.New(rest),
			},
		}},
		ConcurrencyLimitExceededStatus: &typev3.HttpStatus{Code: typev3.StatusCode(s.Status)},
	})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("concurrency-limit: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

var honoured = protofield.Honoured{
	"envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency":      {"gradient_controller_config", "concurrency_limit_exceeded_status"},
	"envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig": {"concurrency_limit_params", "min_rtt_calc_params"},
	"envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.ConcurrencyLimitCalculationParams": {
		"max_concurrency_limit", "concurrency_update_interval",
	},
	"envoy.extensions.filters.http.adaptive_concurrency.v3.GradientControllerConfig.MinimumRTTCalculationParams": {"min_concurrency", "fixed_value"},
	"envoy.type.v3.HttpStatus": {"code"},
}

// newFilter makes the embedded plane's filter of Envoy's message: of one that
// leaves nothing to adapt.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m adaptivev3.AdaptiveConcurrency
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", filterURL, err)
	}
	if err := protofield.Check(&m, honoured); err != nil {
		return nil, fmt.Errorf("concurrency-limit: %w", err)
	}
	g := m.GetGradientControllerConfig()
	most, least := g.GetConcurrencyLimitParams().GetMaxConcurrencyLimit(), g.GetMinRttCalcParams().GetMinConcurrency()
	switch {
	case most.GetValue() == 0 || most.GetValue() != least.GetValue():
		return nil, fmt.Errorf("concurrency-limit: field gradient_controller_config: max_concurrency_limit %d and min_concurrency %d differ or are 0: only a fixed limit is supported", most.GetValue(), least.GetValue())
	case g.GetMinRttCalcParams().GetFixedValue() == nil:
		return nil, fmt.Errorf("concurrency-limit: field gradient_controller_config.min_rtt_calc_params.fixed_value: is required, nothing is measured")
	}
	status := int(m.GetConcurrencyLimitExceededStatus().GetCode())
	if status < http.StatusBadRequest { // as Envoy has it
		status = http.StatusServiceUnavailable
	}
	return &filter{limiter: limiter{limit: int64(most.GetValue())}, status: status}, nil
}

// filter is the embedded plane's.
type filter struct {
	limiter
	status int
}

// note is left by those that have a place.
const note = "concurrency-limit"

func (f *filter) Handle(x function.Exchange) bool {
	if !f.enter() {
		x.Reply(f.status, refusal)
		return false
	}
	x.SetNote(note, []byte{1})
	return true
}

// Finish gives the place back, however the exchange ended.
func (f *filter) Finish(x function.Exchange, _ function.Ending) {
	if _, entered := x.Note(note); entered {
		f.leave()
	}
}
