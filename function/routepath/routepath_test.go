package routepath

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/study"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

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

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                          "rules: none",
		`{"rule": []}`:                "rule",
		`{"rules": [{"service": 1}]}`: "rules[0]: one of path, prefix and regex is needed, 0 are given",
		`{"rules": [{"path": "/a", "service": 1}, {"path": "/a", "prefix": "/", "service": 1}]}`: "rules[1]: one of path, prefix and regex is needed, 2 are given",
		`{"rules": [{"path": "/a", "service": 3}]}`:                                              "service 3: there are 3, from 0",
		`{"rules": [{"path": "/a", "service": -1}]}`:                                             "service -1",
		`{"rules": [{"path": "a", "service": 1}]}`:                                               `"a" does not begin with /`,
		`{"rules": [{"prefix": "/a?b", "service": 1}]}`:                                          "holds a query",
		`{"rules": [{"regex": "(", "service": 1}]}`:                                              "regex",
		`{"rules": [{"regex": ")(", "service": 1}]}`:                                             "regex",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestSpecSurvivesJSON(t *testing.T) {
	want, err := decoded(t, Function().Example)
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

func TestTransportRefuses(t *testing.T) {
	if _, err := NewTransport(Spec{}, []string{"a", "b", "c"}); err == nil {
		t.Error("no rules were taken")
	}
	if _, err := NewTransport(Spec{Rules: []Rule{{Path: "/", Service: 1}}}, []string{"a", "b"}); err == nil || !strings.Contains(err.Error(), "2 services") {
		t.Errorf("two services: %v", err)
	}
}

// The request itself stays as it is, and so does what it says of its host.
func TestTransportLeavesTheRequest(t *testing.T) {
	wrap, err := NewTransport(Spec{Rules: []Rule{{Path: "/a", Service: 2}}}, []string{"x:1", "y:1", "z:1"})
	if err != nil {
		t.Fatal(err)
	}
	var sent *http.Request
	rt := wrap(roundTripper(func(r *http.Request) (*http.Response, error) { sent = r; return nil, http.ErrServerClosed }))
	r := httptest.NewRequest(http.MethodGet, "http://images/a", nil)
	r.Host = ""
	if _, err := rt.RoundTrip(r); err != http.ErrServerClosed {
		t.Errorf("%v", err)
	}
	if sent.URL.Host != "z:1" || sent.Host != "images" || r.URL.Host != "images" || r.Host != "" {
		t.Errorf("sent to %s for %q, the request is for %s, %q", sent.URL.Host, sent.Host, r.URL.Host, r.Host)
	}
}

func TestShapeWantsServices(t *testing.T) {
	err := shape(Spec{Rules: []Rule{{Path: "/"}}}, &dataplane.Resources{Routes: &routev3.RouteConfiguration{}})
	if err == nil || !strings.Contains(err.Error(), `there is no cluster "service"`) {
		t.Errorf("%v", err)
	}
}

// FuzzRouter holds the fast core against the model.
func FuzzRouter(f *testing.F) {
	f.Add("/a", "/a/", "/v[0-9]", "/a?b")
	f.Add("/%2F", "//", "a|b", "/%2f")
	f.Fuzz(func(t *testing.T, path, prefix, regex, target string) {
		s := Spec{Rules: []Rule{{Path: path, Service: 1}, {Prefix: prefix, Service: 2}, {Regex: regex, Service: 1}, {Path: "/", Service: 2}}}
		u, err := url.ParseRequestURI(target)
		if err != nil || s.validate() != nil || u.EscapedPath() == "" {
			return
		}
		if got, want := newRouter(s).service(u.EscapedPath()), s.service(u.EscapedPath()); got != want {
			t.Errorf("%+v, %s: %d, the model says %d", s, target, got, want)
		}
	})
}
