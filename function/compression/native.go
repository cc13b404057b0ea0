package compression

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	gzipv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/compression/gzip/compressor/v3"
	compressorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/compressor/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/internal/protofield"
)

const (
	filterName = "envoy.filters.http.compressor"
	filterURL  = "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor"
	gzipName   = "envoy.compression.gzip.compressor"
	gzipURL    = "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"
)

func config(spec function.Spec) (function.FilterConfig, error) {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return function.FilterConfig{}, err
	}
	library, err := dataplane.Pack(&gzipv3.Gzip{})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("compression: %w", err)
	}
	common := &compressorv3.Compressor_CommonDirectionConfig{MinContentLength: wrapperspb.UInt32(uint32(s.Least))}
	for _, t := range s.Types {
		common.ContentTypeMatcher = append(common.ContentTypeMatcher, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: t}})
	}
	packed, err := dataplane.Pack(&compressorv3.Compressor{
		CompressorLibrary: &corev3.TypedExtensionConfig{Name: gzipName, TypedConfig: library},
		ResponseDirectionConfig: &compressorv3.Compressor_ResponseDirectionConfig{
			CommonConfig:                common,
			UncompressibleResponseCodes: []uint32{http.StatusPartialContent},
		},
	})
	if err != nil {
		return function.FilterConfig{}, fmt.Errorf("compression: %w", err)
	}
	return function.FilterConfig{Name: filterName, Config: packed}, nil
}

var honoured = protofield.Honoured{
	"envoy.extensions.filters.http.compressor.v3.Compressor":                         {"compressor_library", "response_direction_config"},
	"envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig": {"common_config", "uncompressible_response_codes"},
	"envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig":   {"min_content_length", "content_type_matcher"},
	"envoy.type.matcher.v3.StringMatcher":                                            {"exact"},
	"envoy.config.core.v3.TypedExtensionConfig":                                      {"name", "typed_config"},
}

// leastOfEnvoy is its least length where none is told.
const leastOfEnvoy = 30

// newFilter makes the embedded plane's filter of Envoy's message.
func newFilter(packed *anypb.Any) (function.Filter, error) {
	var m compressorv3.Compressor
	if err := packed.UnmarshalTo(&m); err != nil {
		return nil, fmt.Errorf("read %s: %w", filterURL, err)
	}
	if err := protofield.Check(&m, honoured); err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	library := m.GetCompressorLibrary().GetTypedConfig()
	var g gzipv3.Gzip
	if library.GetTypeUrl() != gzipURL {
		return nil, fmt.Errorf("compression: field compressor_library: %s is not supported, %s is", library.GetTypeUrl(), gzipURL)
	}
	if err := library.UnmarshalTo(&g); err != nil {
		return nil, fmt.Errorf("compression: field compressor_library: read %s: %w", gzipURL, err)
	}
	if err := protofield.Check(&g, protofield.Honoured{}); err != nil {
		return nil, fmt.Errorf("compression: field compressor_library: %w", err)
	}
	d := m.GetResponseDirectionConfig()
	f := &filter{types: map[string]bool{}, codes: map[int]bool{}, least: leastOfEnvoy}
	if n := d.GetCommonConfig().GetMinContentLength(); n != nil {
		f.least = int64(n.GetValue())
	}
	for i, t := range d.GetCommonConfig().GetContentTypeMatcher() {
		if t.GetExact() == "" {
			return nil, fmt.Errorf("compression: field response_direction_config.common_config.content_type_matcher[%d]: only exact is supported", i)
		}
		f.types[t.GetExact()] = true
	}
	if len(f.types) == 0 {
		return nil, fmt.Errorf("compression: field response_direction_config.common_config.content_type_matcher: is required")
	}
	for _, c := range d.GetUncompressibleResponseCodes() {
		f.codes[int(c)] = true
	}
	return f, nil
}

// filter is the embedded plane's.
type filter struct {
	types map[string]bool
	codes map[int]bool // of responses that are left alone
	least int64
}

func (*filter) Handle(function.Exchange) bool { return true }

// Respond has the response compressed.
func (f *filter) Respond(x function.Exchange, r function.Response) {
	if string(x.Method()) == http.MethodHead {
		return // there is no body
	}
	accept, ok := x.Header("accept-encoding")
	if !ok || !takesGzip(string(accept)) || !f.fits(r) {
		return
	}
	r.RemoveHeader("content-length")
	r.SetHeader("content-encoding", []byte("gzip"))
	r.SetHeader("vary", vary(r))
	if tag, ok := r.Header("etag"); ok && !strings.HasPrefix(string(tag), "W/") {
		r.RemoveHeader("etag")
	}
	r.Encode(newWriter)
}

// fits reports whether a response may be compressed, and is worth it.
func (f *filter) fits(r function.Response) bool {
	if s := r.Status(); f.codes[s] || s == http.StatusNoContent || s == http.StatusNotModified {
		return false
	}
	if _, encoded := r.Header("content-encoding"); encoded {
		return false
	}
	if control, ok := r.Header("cache-control"); ok && fixed(string(control), r.Status()) {
		return false
	}
	kind, _ := r.Header("content-type")
	bare, _, _ := strings.Cut(string(kind), ";")
	if !f.types[strings.ToLower(strings.TrimSpace(bare))] {
		return false
	}
	told, ok := r.Header("content-length")
	if !ok {
		return true
	}
	n, err := strconv.ParseInt(string(told), 10, 64)
	return err == nil && n >= f.least
}

func vary(r function.Response) []byte {
	there, _ := r.Header("vary")
	switch text := strings.ToLower(string(there)); {
	case text == "":
		return []byte("Accept-Encoding")
	case strings.Contains(text, "accept-encoding") || text == "*":
		return []byte(string(there))
	}
	return []byte(string(there) + ", Accept-Encoding")
}

// takesGzip reports whether an accept-encoding names gzip, with a weight above zero.
func takesGzip(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		weight, given := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q=")
		if !given {
			return true
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(weight), 64)
		return err == nil && q > 0
	}
	return false
}

var writers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// writer sends on what it has at once, as it comes.
type writer struct{ gz *gzip.Writer }

func newWriter(to io.Writer) io.WriteCloser {
	gz := writers.Get().(*gzip.Writer)
	gz.Reset(to)
	return &writer{gz}
}

func (w *writer) Write(b []byte) (int, error) {
	n, err := w.gz.Write(b)
	if err != nil {
		return n, err
	}
	return n, w.gz.Flush()
}

func (w *writer) Close() error {
	err := w.gz.Close()
	writers.Put(w.gz)
	w.gz = nil
	return err
}
