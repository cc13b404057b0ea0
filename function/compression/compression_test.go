package compression

import (
	"bytes"
	stdgzip "compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	compressorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/compressor/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/taremesh/tare/study"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                     "",
		`{"types": ["text/html"]}`:               "",
		`{"types": []}`:                          "types: none",
		`{"types": ["text"]}`:                    "types[0]",
		`{"types": ["text/html; a=b"]}`:          "types[0]",
		`{"types": ["text/html", "Text/Plain"]}`: "types[1]",
		`{"least": -1}`:                          "least: -1",
		`{"level": 9}`:                           "level",
	} {
		p, err := study.JSONParams("p", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestFieldsAreRefusedByName(t *testing.T) {
	type m = compressorv3.Compressor
	for want, change := range map[string]func(*m){
		"request_direction_config": func(x *m) { x.RequestDirectionConfig = &compressorv3.Compressor_RequestDirectionConfig{} },
		"choose_first":             func(x *m) { x.ChooseFirst = true },
		"compressor_library": func(x *m) {
			x.CompressorLibrary.TypedConfig = &anypb.Any{TypeUrl: "type.googleapis.com/envoy.extensions.compression.brotli.compressor.v3.Brotli"}
		},
		"response_direction_config.disable_on_etag_header":        func(x *m) { x.ResponseDirectionConfig.DisableOnEtagHeader = true },
		"response_direction_config.remove_accept_encoding_header": func(x *m) { x.ResponseDirectionConfig.RemoveAcceptEncodingHeader = true },
		"response_direction_config.common_config.enabled": func(x *m) {
			x.ResponseDirectionConfig.CommonConfig.Enabled = &corev3.RuntimeFeatureFlag{}
		},
		"response_direction_config.common_config.content_type_matcher: is required": func(x *m) {
			x.ResponseDirectionConfig.CommonConfig.ContentTypeMatcher = nil
		},
		"response_direction_config.common_config.content_type_matcher[0].prefix": func(x *m) {
			x.ResponseDirectionConfig.CommonConfig.ContentTypeMatcher[0] = &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "t"}}
		},
	} {
		made, err := config(DefaultSpec())
		if err != nil {
			t.Fatal(err)
		}
		var x m
		if err := made.Config.UnmarshalTo(&x); err != nil {
			t.Fatal(err)
		}
		change(&x)
		packed, err := anypb.New(&x)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFilter(packed); err == nil || !strings.Contains(err.Error(), "field "+want) {
			t.Errorf("error %v, want one that names field %s", err, want)
		}
	}
}

// FuzzTakesGzip: the filter and the model read an accept-encoding alike, as far
// as the model reads it.
func FuzzTakesGzip(f *testing.F) {
	for _, seed := range []string{"gzip", "gzip;q=0", "gzip; q=0.5", "br, gzip", "deflate;q=1,gzip;q=0.001", "", "*", "x-gzip", "gzip;q=", ",,gzip"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := takesGzip(accept)
		if !strings.Contains(strings.ToLower(accept), "gzip") && got {
			t.Errorf("%q takes gzip", accept)
		}
		if strings.Trim(accept, "gzipbrdeflt, ") == "" && got != wants(accept) {
			t.Errorf("%q takes gzip: %t, the model says %t", accept, got, wants(accept))
		}
	})
}

// TestWriterSendsAtOnce what it is given, and is whole when it is closed.
func TestWriterSendsAtOnce(t *testing.T) {
	for range 3 { // from the pool, too
		var sent bytes.Buffer
		w := newWriter(&sent)
		before := 0
		for _, part := range []string{"one ", "two ", "three"} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
			if sent.Len() == before {
				t.Errorf("%q is held back", part)
			}
			before = sent.Len()
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		z, err := stdgzip.NewReader(&sent)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || string(plain) != "one two three" {
			t.Errorf("%q, error %v", plain, err)
		}
	}
}

// TestMiddlewareLetsFlushThrough: what a handler sends piece by piece.
func TestMiddlewareLetsFlushThrough(t *testing.T) {
	wrap, err := Middleware(DefaultSpec())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if !w.Flushed {
		t.Error("nothing was flushed")
	}
}

// TestMiddlewareLetsHijackThrough, by type and by controller.
func TestMiddlewareLetsHijackThrough(t *testing.T) {
	wrap, err := Middleware(DefaultSpec())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		take := http.NewResponseController(w).Hijack
		if r.URL.Path == "/type" {
			take = w.(http.Hijacker).Hijack
		}
		c, _, err := take()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nmine"); err != nil {
			t.Error(err)
		}
	})))
	defer server.Close()
	for _, path := range []string{"/type", "/controller"} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "mine" {
			t.Errorf("%s: %q, error %v", path, body, err)
		}
	}
}
