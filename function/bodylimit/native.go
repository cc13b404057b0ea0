package bodylimit

import (
	"fmt"

	bufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/buffer/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	filterName = "envoy.filters.http.buffer"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"
)

func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	packed, err := dataplane.Pack(&bufferv3.Buffer{MaxRequestBytes: wrapperspb.UInt32(uint32(s.Bytes))})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("body-limit: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

// newFilter makes the embedded plane's filter of Envoy's message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m bufferv3.Buffer
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", filterURL, err)
	}
	if err := protofield.Check(&m, protofield.Honoured{"envoy.extensions.filters.http.buffer.v3.Buffer": {"max_request_bytes"}}); err != nil {
		return nil, fmt.Errorf("body-limit: %w", err)
	}
	if n := m.GetMaxRequestBytes().GetValue(); n < 1 || n > most {
		return nil, fmt.Errorf("body-limit: field max_request_bytes: %d is not between 1 and %d", n, most)
	}
	return filter{int64(m.GetMaxRequestBytes().GetValue())}, nil
}

// filter is the embedded plane's, which reads the body for it and answers 413.
type filter struct{ bytes int64 }

func (filter) Handle(function.Exchange) bool { return true }

func (f filter) MostBody() int64 { return f.bytes }

func (filter) HandleBody(function.Exchange, []byte) bool { return true }
