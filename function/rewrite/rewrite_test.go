package rewrite

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"

	"github.com/taremesh/tare/function"
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

func TestSpecSurvivesJSON(t *testing.T) {
	want, err := decoded(t, `{"rules": [{"prefix": "/a", "to": "/b", "host": "c.test"}, {"regex": "/(.*)", "to": "/\\1"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decoded(t, string(text)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, %v", text, got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                        "rules: none",
		`{"rules": [{"to": "/a"}]}`: "rules[0]: one of prefix and regex",
		`{"rules": [{"prefix": "/", "regex": "/", "to": "/a"}]}`:             "rules[0]: one of prefix and regex",
		`{"rules": [{"prefix": "/"}]}`:                                       "nothing would change",
		`{"rules": [{"prefix": "a", "to": "/a"}]}`:                           "rules[0].prefix",
		`{"rules": [{"prefix": "/", "to": "/a?b"}]}`:                         "rules[0].to",
		`{"rules": [{"prefix": "/", "to": "a"}]}`:                            "rules[0].to",
		`{"rules": [{"prefix": "/", "to": "/\\1"}]}`:                         "there is none",
		`{"rules": [{"prefix": "/", "host": "a/b"}]}`:                        "rules[0].host",
		`{"rules": [{"prefix": "/", "to": "/"}, {"regex": "(", "to": "/"}]}`: "rules[1].regex",
		`{"rules": [{"regex": ")(", "to": "/"}]}`:                            "rules[0].regex",
		`{"rules": [{"regex": "/(a)", "to": "/\\2"}]}`:                       "0 to 1",
		`{"rules": [{"regex": "/(a)", "to": "/\\"}]}`:                        "0 to 1",
		`{"rules": [{"regex": "/(a)", "to": "/\\n"}]}`:                       "0 to 1",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestShapeWantsARoute(t *testing.T) {
	r := &dataplane.Resources{Routes: &routev3.RouteConfiguration{VirtualHosts: []*routev3.VirtualHost{{Name: "bare"}}}}
	if err := shape(Spec{Rules: []Rule{{Prefix: "/a", To: "/b"}}}, r); err == nil || !strings.Contains(err.Error(), "host bare has no route") {
		t.Errorf("%v", err)
	}
}

// A rule that cuts an escape in two leaves no path, and nothing is sent on.
func TestHalfAnEscape(t *testing.T) {
	wrap, err := NewMiddleware(Spec{Rules: []Rule{{Regex: "/(.*)[0-9]", To: `/\1`}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent on") })).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a%20", nil))
	if w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
}

// The request that the caller holds stays as it is.
func TestRequestIsCopied(t *testing.T) {
	wrap, err := NewMiddleware(Spec{Rules: []Rule{{Prefix: "/a/", To: "/", Host: "b.test"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/a/x%2Fy?z", nil)
	wrap(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		if q.URL.EscapedPath() != "/x%2Fy" || q.URL.Path != "/x/y" || q.RequestURI != "/x%2Fy?z" || q.URL.RawQuery != "z" || q.Host != "b.test" {
			t.Errorf("the handler got %s, %s, %s", q.Host, q.URL, q.RequestURI)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if r.URL.EscapedPath() != "/a/x%2Fy" || r.Host != "example.com" {
		t.Errorf("the request became %s%s", r.Host, r.URL)
	}
}

// FuzzRules holds the fast core against the model.
func FuzzRules(f *testing.F) {
	f.Add("/a/", "/", "/u/([0-9]+)", `/users/\1`, "/u/12?x")
	f.Add("/%61", "/b", "(.)(.)?", `/$1${2}\2\0`, "/a")
	f.Fuzz(func(t *testing.T, prefix, to, regex, text, target string) {
		s := Spec{Rules: []Rule{{Prefix: prefix, To: to}, {Regex: regex, To: text, Host: "b"}}}
		u, err := url.ParseRequestURI(target)
		if err != nil || s.validate() != nil {
			return
		}
		path := u.EscapedPath()
		if strings.ContainsAny(path, `\?`) {
			return // as no request has it
		}
		want, host := s.rewritten(path, "a")
		got, at, _ := compile(s).rewritten(path)
		if at == "" {
			at = "a" // as it was
		}
		if got != want || at != host {
			t.Errorf("%+v, %s: %s%s, the model says %s%s", s, path, at, got, host, want)
		}
	})
}
