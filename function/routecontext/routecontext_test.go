package routecontext

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

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

func TestDecodeCompletes(t *testing.T) {
	got, err := decoded(t, `{"rules": [{"when": [{"from": "header", "name": "X-Tier", "value": "Gold"}, {"from": "cookie", "name": "Lab", "match": "present"}], "service": 2}]}`)
	want := Spec{Rules: []Rule{{Service: 2, When: []Condition{
		{From: Header, Name: "x-tier", Match: Exact, Value: "Gold"}, {From: Cookie, Name: "Lab", Match: Present}}}}}
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
	rule := func(condition string) string { return `{"rules": [{"when": [` + condition + `], "service": 1}]}` }
	for text, want := range map[string]string{
		`{}`:                                                                         "rules: none",
		`{"forward": true}`:                                                          "forward",
		`{"rules": [{"service": 1}]}`:                                                "rules[0].when: none",
		rule(`{"from": "header"}`):                                                   "rules[0].when[0].name",
		rule(`{"from": "path"}`):                                                     `from: "path"`,
		rule(`{"from": "header", "name": "a b"}`):                                    "name",
		rule(`{"from": "header", "name": "Host"}`):                                   "name: host",
		rule(`{"from": "header", "name": "X-Tare-Route"}`):                           "name: x-tare-route",
		rule(`{"from": "header", "name": "Cookie"}`):                                 "from cookie",
		rule(`{"from": "header", "name": ":path"}`):                                  "name",
		rule(`{"from": "header", "name": "a", "value": " b"}`):                       "value",
		rule(`{"from": "header", "name": "a", "value": "b\r\nc: d"}`):                "value",
		rule(`{"from": "header", "name": "a", "match": "regex", "value": "b"}`):      `match: "regex"`,
		rule(`{"from": "header", "name": "a", "match": "prefix"}`):                   "match present says it",
		rule(`{"from": "header", "name": "a", "match": "present", "value": "b"}`):    "compares with none",
		rule(`{"from": "cookie", "name": "a=b"}`):                                    "name",
		rule(`{"from": "cookie", "name": "a", "value": "b;c"}`):                      "value",
		rule(`{"from": "query", "name": ""}`):                                        "name",
		rule(`{"from": "query", "name": "a&b"}`):                                     "name",
		rule(`{"from": "query", "name": "a", "value": "b c"}`):                       "%20",
		rule(`{"from": "claim", "name": "aud", "value": "a"}`):                       "user and subscription",
		rule(`{"from": "method", "value": "get"}`):                                   "capitals",
		rule(`{"from": "method", "match": "prefix", "value": "P"}`):                  "exactly",
		rule(`{"from": "method", "name": "a", "value": "GET"}`):                      "needs none",
		rule(`{"from": "identity", "value": "web"}`):                                 "no URI",
		rule(`{"from": "identity", "value": "spiffe://a,URI=spiffe://b"}`):           "no URI",
		`{"rules": [{"when": [{"from": "method", "value": "GET"}], "service": 3}]}`:  "rules[0].service: 3",
		`{"rules": [{"when": [{"from": "method", "value": "GET"}], "service": -1}]}`: "rules[0].service: -1",
	} {
		if _, err := decoded(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// In an application the claims are those of the context, and a header is not
// believed; so are identities.
func TestLibraryBelievesTheContext(t *testing.T) {
	s, err := decoded(t, `{"rules": [{"when": [{"from": "claim", "name": "user", "value": "root"}], "service": 1}, {"when": [{"from": "identity", "value": "spiffe://mesh/web"}], "service": 2}]}`)
	if err != nil {
		t.Fatal(err)
	}
	r := newRouter(s)
	q := httptest.NewRequest(http.MethodGet, "/", nil)
	q.Header.Set(function.UserHeader, "root")
	q.Header.Set("X-Forwarded-Client-Cert", "URI=spiffe://mesh/web")
	if got := r.service(q); got != 0 {
		t.Errorf("headers lead to service %d", got)
	}
	if got := r.service(q.WithContext(function.WithCaller(q.Context(), function.Caller{User: "root"}))); got != 1 {
		t.Errorf("the caller root gets service %d", got)
	}
	if got := r.service(q.WithContext(WithIdentity(q.Context(), "spiffe://mesh/x", "spiffe://mesh/web"))); got != 2 {
		t.Errorf("the identity web gets service %d", got)
	}
}

func TestTransportRefuses(t *testing.T) {
	if _, err := NewTransport(Spec{}, []string{"a", "b", "c"}); err == nil {
		t.Error("no rules were taken")
	}
	s := Spec{Rules: []Rule{{When: []Condition{{From: Method, Value: "GET"}}}}}
	if _, err := NewTransport(s, []string{"a"}); err == nil || !strings.Contains(err.Error(), "1 services") {
		t.Errorf("one service: %v", err)
	}
}

func TestIdentitiesOf(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"URI=a":                         {"a"},
		"By=b;Hash=c;URI=a;URI=d;DNS=e": {"a", "d"},
		"URI=a,URI=b":                   {"b"},
		"URI=a,":                        nil,
		`Subject="x,URI=a;URI=b";URI=c`: {"c"},
		`Subject="\"URI=a;URI=b"`:       nil,
		`Subject="open;URI=a`:           nil,
		"uri=a;XURI=b; URI=c":           nil,
	} {
		if got := IdentitiesOf(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// FuzzIdentity holds the expression that Envoy is given against the parser.
func FuzzIdentity(f *testing.F) {
	for _, text := range []string{"URI=a://b", `Subject="x;URI=a://b";URI=c`, `Subject="\",URI=a://b"`, "URI=x,Hash=a;URI=a://b;DNS=c", "URI=a://b/c"} {
		f.Add(text)
	}
	var conditions []Condition
	var expressions []*regexp.Regexp
	for _, c := range []Condition{{From: Identity, Match: Exact, Value: "a://b"}, {From: Identity, Match: Prefix, Value: "a://b"}} {
		conditions = append(conditions, c)
		expressions = append(expressions, regexp.MustCompile(`\A(?:`+c.xfcc()+`)\z`))
	}
	f.Fuzz(func(t *testing.T, xfcc string) {
		if strings.ContainsFunc(xfcc, func(r rune) bool { return r < ' ' || r > '~' }) || !balanced(xfcc) {
			return // no header; or quotes as no proxy writes them, where both may take it as they like
		}
		for i, c := range conditions {
			want := slices.ContainsFunc(IdentitiesOf(xfcc), c.is())
			if got := expressions[i].MatchString(xfcc); got != want {
				t.Errorf("%s: %s: the expression says %t, the parser %t", c.Match, xfcc, got, want)
			}
		}
	})
}

// balanced reports whether quotes are closed, and only around whole values.
func balanced(s string) bool {
	return regexp.MustCompile(`\A(?:[^,;="]*(?:=(?:[^,;"]*|"(?:[^"\\]|\\.)*"))?(?:[,;]|\z))*\z`).MatchString(s)
}

// FuzzRouter holds the fast core against the model.
func FuzzRouter(f *testing.F) {
	f.Add("gold", "a=1; b=2", "v=2&w", "PUT")
	f.Add("", `a="1"`, "=&&v", "")
	all := Spec{Rules: []Rule{
		{When: []Condition{{From: Header, Name: "x-a", Match: Prefix, Value: "g"}, {From: Method, Match: Exact, Value: "PUT"}}, Service: 1},
		{When: []Condition{{From: Cookie, Name: "a", Match: Exact, Value: "1"}}, Service: 2},
		{When: []Condition{{From: Query, Name: "v", Match: Present}, {From: Header, Name: "x-a", Match: Exact}}, Service: 1},
		{When: []Condition{{From: Query, Name: "v", Match: Prefix, Value: "2"}}, Service: 2},
		{When: []Condition{{From: Cookie, Name: "b", Match: Present}}, Service: 1},
	}}
	f.Fuzz(func(t *testing.T, header, cookies, query, method string) {
		if strings.ContainsAny(query, "?# ") {
			return
		}
		q := httptest.NewRequest(http.MethodGet, "/", nil)
		q.Method, q.URL.RawQuery = method, query
		q.Header["X-A"], q.Header["Cookie"] = []string{"x", header}, []string{cookies}
		want := all.service(asked{method: method, target: "/?" + query, header: q.Header})
		if method == "" {
			return // the model knows requests as they are sent
		}
		if got := newRouter(all).service(q); got != want {
			t.Errorf("%q %q %q %q: %d, the model says %d", header, cookies, query, method, got, want)
		}
	})
}
