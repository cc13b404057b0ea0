package cors

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/function"
	"github.com/taremesh/tare/study"
)

func decoded(t *testing.T, text string) (Spec, error) {
	t.Helper()
	p, err := study.JSONParams("params", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Decode(p)
	if err != nil {
		return Spec{}, err
	}
	return function.SpecAs[Spec](spec)
}

func TestDecode(t *testing.T) {
	got, err := decoded(t, `{"origins": ["https://a.test"], "methods": ["PUT", "GET"], "headers": ["X-A"], "expose": ["X-B"], "max_age": "10m", "credentials": true}`)
	want := Spec{Origins: []string{"https://a.test"}, Methods: []string{"GET", "HEAD", "POST", "PUT"}, Headers: []string{"x-a"}, Expose: []string{"x-b"},
		MaxAge: function.Duration(10 * time.Minute), Credentials: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decoded(t, string(text)); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("%s: %+v, %v", text, again, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	const a = `{"origins": ["https://a.test"], `
	for text, want := range map[string]string{
		`{}`:                      "no page could call",
		`{"origin": []}`:          "origin",
		`{"origins": ["a.test"]}`: "origins[0]",
		`{"origins": ["https://a.test", "https://b.test/"]}`: "origins[1]",
		`{"origins": ["https://*.test"]}`:                    "origins[0]",
		`{"origins": ["https://A.test"]}`:                    "lower case",
		`{"origins": ["*"], "credentials": true}`:            "every page could act as its visitor",
		`{"origin_regex": ["("]}`:                            "origin_regex[0]",
		`{"origin_regex": [")("]}`:                           "origin_regex[0]",
		`{"origin_regex": [""]}`:                             "origin_regex[0]",
		a + `"methods": ["put"]}`:                            "methods[0]",
		a + `"methods": ["*"]}`:                              "methods[0]",
		a + `"headers": ["x-a", "x b"]}`:                     "headers[1]",
		a + `"expose": ["*"]}`:                               "expose[0]",
		a + `"max_age": "1.5s"}`:                             "whole seconds",
		a + `"max_age": "-1s"}`:                              "whole seconds",
		a + `"max_age": "10"}`:                               "is no time",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What Go's filter does not understand of Envoy's message it refuses by name.
func TestFilterRefuses(t *testing.T) {
	no := wrapperspb.Bool(false)
	for want, m := range map[string]*corsv3.CorsPolicy{
		"field forward_not_matching_preflights": {},
		"field allow_private_network_access":    {ForwardNotMatchingPreflights: no, AllowPrivateNetworkAccess: no},
		"field allow_origin_string_match[0].prefix": {ForwardNotMatchingPreflights: no, AllowOriginStringMatch: []*matcherv3.StringMatcher{
			{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "a"}}}},
		"field allow_origin_string_match[0]": {ForwardNotMatchingPreflights: no, AllowOriginStringMatch: []*matcherv3.StringMatcher{
			{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: ")("}}}}},
	} {
		packed, err := anypb.New(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newPolicy(packed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", m, err, want)
		}
	}
	for _, make := range []func(*anypb.Any) (function.Filter, error){newFilter, newPolicy} {
		if _, err := make(&anypb.Any{TypeUrl: policyURL, Value: []byte{1}}); err == nil {
			t.Error("a broken message was taken")
		}
	}
}

// A route without a policy is let alone.
func TestWithoutPolicy(t *testing.T) {
	c, err := config(nil)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := newFilter(c.Config); err != nil || !f.Handle(nil) {
		t.Errorf("%v, %v", f, err)
	}
}

// What a cache keeps for one origin it does not give to another, not even when
// nobody named one.
func TestVary(t *testing.T) {
	wrap, err := NewMiddleware(Spec{Origins: []string{"https://a.test"}})
	if err != nil {
		t.Fatal(err)
	}
	handler := wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, origin := range []string{"", "https://a.test", "https://b.test"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if got := w.Header().Get("Vary"); got != "Origin" {
			t.Errorf("from %q: vary is %q", origin, got)
		}
	}
}

// The models say what the Fetch standard does, on its own examples.
func TestBrowser(t *testing.T) {
	h := func(lines ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(lines); i += 2 {
			h.Add(lines[i], lines[i+1])
		}
		return h
	}
	for _, c := range []struct {
		header             http.Header
		plain, credentials bool
	}{
		{h(), false, false},
		{h(allowOrigin, "*"), true, false},
		{h(allowOrigin, "https://a.test"), true, false},
		{h(allowOrigin, "https://a.test", allowCreds, "true"), true, true},
		{h(allowOrigin, "*", allowCreds, "true"), true, false},
		{h(allowOrigin, "https://a.test", allowCreds, "True"), true, false},
		{h(allowOrigin, "https://b.test"), false, false},
		{h(allowOrigin, "https://a.test", allowOrigin, "https://a.test"), false, false},
	} {
		if plain, credentials := readable(c.header, "https://a.test"); plain != c.plain || credentials != c.credentials {
			t.Errorf("%v: %t, %t", c.header, plain, credentials)
		}
	}
}
