package redirect

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

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

func TestDecode(t *testing.T) {
	got, err := decoded(t, `{"rules": [{"path": "/a", "to": "/b", "strip_query": true}]}`)
	want := Spec{Rules: []Rule{{Path: "/a", To: "/b", StripQuery: true, Status: 301}}}
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
	for text, want := range map[string]string{
		`{}`:                        "rules: none",
		`{"rules": [{"to": "/a"}]}`: "rules[0]: one of path and prefix",
		`{"rules": [{"path": "/", "prefix": "/", "to": "/a"}]}`:                              "rules[0]: one of path and prefix",
		`{"rules": [{"path": "a", "to": "/a"}]}`:                                             "rules[0]",
		`{"rules": [{"path": "/a"}]}`:                                                        "lead to itself",
		`{"rules": [{"path": "/a", "scheme": "ftp"}]}`:                                       "rules[0].scheme",
		`{"rules": [{"path": "/a", "host": "b:80"}]}`:                                        "rules[0].host",
		`{"rules": [{"path": "/a", "host": "b\r\nc"}]}`:                                      "rules[0].host",
		`{"rules": [{"path": "/a", "port": 65536}]}`:                                         "rules[0].port",
		`{"rules": [{"path": "/a", "to": "/b?c"}]}`:                                          "rules[0].to",
		`{"rules": [{"path": "/a", "to": "b"}]}`:                                             "rules[0].to",
		`{"rules": [{"path": "/a", "to": "/b"}, {"path": "/a", "to": "/b", "status": 304}]}`: "rules[1].status: 304",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Over TLS the scheme is https, whose port is 443.
func TestOverTLS(t *testing.T) {
	s, err := Spec{Rules: []Rule{{Path: "/a", Scheme: "http"}, {Path: "/b", To: "/c"}}}.complete()
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/a": "http://a.test/a", "/b": "https://a.test:443/c"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.TLS, r.Host = &tls.ConnectionState{}, "a.test:443"
		wrap, err := NewMiddleware(s)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		wrap(http.NotFoundHandler()).ServeHTTP(w, r)
		_, model := s.leads("https", r.Host, target)
		if got := w.Header().Get("Location"); got != want || model != want {
			t.Errorf("%s leads to %s, by the model to %s, not to %s", target, got, model, want)
		}
	}
}

// FuzzLocation holds the fast core against the model.
func FuzzLocation(f *testing.F) {
	f.Add("/a/", "/b", "https", "c.test", 8080, "a.test:80", "/a/x?y")
	f.Add("/", "", "http", "", 0, "[::1]:80", "/?")
	f.Fuzz(func(t *testing.T, prefix, to, scheme, host string, port int, asked, target string) {
		s, err := Spec{Rules: []Rule{{Path: target, Scheme: scheme, Host: host, Port: port, To: to}, {Prefix: prefix, To: to, Host: host, Port: port, StripQuery: true}}}.complete()
		u, bad := url.ParseRequestURI(target)
		if err != nil || bad != nil || u.Host != "" || u.Scheme != "" || u.RequestURI() != target {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL, r.Host = u, asked
		wrap, err := NewMiddleware(s)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		status, location := s.leads("http", asked, target)
		if status == 0 {
			status = http.StatusOK
		}
		if got := w.Header().Get("Location"); w.Code != status || got != location {
			t.Errorf("%+v, %q%s: %d %s, the model says %d %s", s, asked, target, w.Code, got, status, location)
		}
	})
}
