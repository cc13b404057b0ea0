package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// asked is a request.
type asked struct {
	method, host, path string
	fields             [][2]string
}

func (a *asked) Method() []byte { return []byte(a.method) }
func (a *asked) Path() []byte   { return []byte(a.path) }
func (a *asked) Host() []byte   { return []byte(a.host) }
func (a *asked) Copy(name string, before int) ([]byte, bool) {
	for _, f := range a.fields {
		if strings.EqualFold(f[0], name) {
			if before--; before < 0 {
				return []byte(f[1]), true
			}
		}
	}
	return nil, false
}
func (a *asked) Protocol() string { return "HTTP/1.1" }
func (a *asked) Remote() string   { return "192.0.2.1:4000" }
func (a *asked) Local() string    { return "192.0.2.2:80" }
func (a *asked) SetHeader(name string, v []byte) {
	a.RemoveHeader(name)
	a.AddHeader(name, v)
}
func (a *asked) AddHeader(name string, v []byte) {
	a.fields = append(a.fields, [2]string{name, string(v)})
}
func (a *asked) RemoveHeader(name string) {
	var left [][2]string
	for _, f := range a.fields {
		if !strings.EqualFold(f[0], name) {
			left = append(left, f)
		}
	}
	a.fields = left
}
func (a *asked) SetPath(p []byte) { a.path = string(p) }
func (a *asked) SetHost(h []byte) { a.host = string(h) }

func parse(text string) (*Config, error) {
	var rc routev3.RouteConfiguration
	if err := protojson.Unmarshal([]byte(text), &rc); err != nil {
		return nil, err
	}
	return Decode(&rc)
}

// forwarding is a configuration of one route that forwards.
func forwarding(t testing.TB, action string) *Entry {
	t.Helper()
	c, err := parse(`{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {` + action + `}}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	return c.Entries[0]
}

func draw(n uint64) Random { return func() uint64 { return n } }

// What a route of more special levels says comes first, and of retries and
// mirrors it alone counts.
func TestLevels(t *testing.T) {
	c, err := parse(`{
		"request_headers_to_add": [{"header": {"key": "l", "value": "all"}}], "request_mirror_policies": [{"cluster": "m0"}],
		"virtual_hosts": [{"name": "v", "domains": ["*"], "request_headers_to_add": [{"header": {"key": "l", "value": "host"}}],
		"retry_policy": {"retry_on": "5xx", "num_retries": 7}, "request_mirror_policies": [{"cluster": "m1"}],
		"routes": [
			{"match": {"prefix": "/own"}, "route": {"cluster": "a", "retry_policy": {"retry_on": "reset", "num_retries": 2}, "request_mirror_policies": [{"cluster": "m2"}]}},
			{"match": {"prefix": "/"}, "request_headers_to_add": [{"header": {"key": "l", "value": "route"}}], "route": {"weighted_clusters": {"clusters": [
				{"name": "a", "weight": 1, "request_headers_to_add": [{"header": {"key": "l", "value": "weight"}}]}, {"name": "b", "weight": 3}]}}}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	own := c.Match(&asked{path: "/own"}, draw(0))
	if own.Retry.Most != 2 || len(own.Mirrors) != 1 || own.Mirrors[0].Cluster != "m2" {
		t.Errorf("got %+v %+v", own.Retry, own.Mirrors)
	}
	for n, want := range []string{"weight route host all", "route host all", "route host all", "route host all", "weight route host all"} {
		x := &asked{path: "/"}
		e := c.Match(x, draw(uint64(n)))
		e.Prepare(x)
		var got []string
		for _, f := range x.fields {
			got = append(got, f[1])
		}
		if strings.Join(got, " ") != want || e.Retry.Most != 7 || e.Mirrors[0].Cluster != "m1" {
			t.Errorf("%d: got %v, %+v, want %s", n, got, e, want)
		}
	}
}

// Weights are kept: every number that can be drawn falls where it belongs.
func TestWeights(t *testing.T) {
	c, err := parse(`{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {
		"clusters": [{"name": "a", "weight": 2}, {"name": "none", "weight": 0}, {"name": "b", "weight": 5}]}}}]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for n := range uint64(70) {
		counts[c.Match(&asked{path: "/"}, draw(n)).Cluster]++
	}
	if counts["a"] != 20 || counts["b"] != 50 || counts["none"] != 0 {
		t.Errorf("got %v", counts)
	}
}

func TestGRPCTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{"1S": time.Second, "20m": 20 * time.Millisecond, "99999999u": 99999999 * time.Microsecond, "2H": 2 * time.Hour,
		"3M": 3 * time.Minute, "5n": 5, "0m": 0} {
		if got, ok := GRPCTimeout([]byte(text)); !ok || got != want {
			t.Errorf("%s: got %v %t, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1", "m", "-1m", "1s", "123456789m", " 1m", "1.5S"} {
		if got, ok := GRPCTimeout([]byte(text)); ok {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, c := range []struct {
		action, said string
		want         time.Duration
		ok           bool
	}{
		{`"max_stream_duration": {"max_stream_duration": "2s"}`, "1S", 2 * time.Second, true},
		{`"max_stream_duration": {"max_stream_duration": "2s", "grpc_timeout_header_max": "0s"}`, "90S", 90 * time.Second, true},
		{`"max_stream_duration": {"max_stream_duration": "2s", "grpc_timeout_header_max": "3s"}`, "90S", 3 * time.Second, true},
		{`"max_stream_duration": {"grpc_timeout_header_max": "3s", "grpc_timeout_header_offset": "0.5s"}`, "1S", 500 * time.Millisecond, true},
		{`"max_stream_duration": {"grpc_timeout_header_max": "3s", "grpc_timeout_header_offset": "5s"}`, "1S", time.Second, true},
		{`"max_stream_duration": {"grpc_timeout_header_max": "3s"}`, "nonsense", 0, false},
		{`"timeout": "3s"`, "1S", 0, false},
	} {
		e := forwarding(t, `"cluster": "a", `+c.action)
		if got, ok := e.Times.Whole([]byte(c.said), true); got != c.want || ok != c.ok {
			t.Errorf("%s: got %v %t, want %v %t", c.action, got, ok, c.want, c.ok)
		}
	}
}

// How long it is waited between attempts.
func TestWait(t *testing.T) {
	const all = ^uint64(0) >> 1
	e := forwarding(t, `"cluster": "a", "retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.035s"},
		"rate_limited_retry_back_off": {"reset_headers": [{"name": "Retry-After"}, {"name": "X-Reset", "format": "UNIX_TIMESTAMP"}], "max_interval": "100s"}}`)
	now := time.Unix(1_000_000, 0)
	for tries, most := range []time.Duration{0, 10, 20, 35, 35} {
		if tries == 0 {
			continue
		}
		most *= time.Millisecond
		if got := e.Retry.Wait(tries, nil, now, uint64(most)-1); got != most-1 {
			t.Errorf("attempt %d: got %v, want %v", tries, got, most-1)
		}
		if got := e.Retry.Wait(tries, nil, now, uint64(most)); got != 0 {
			t.Errorf("attempt %d: got %v, want 0", tries, got)
		}
		_ = e.Retry.Wait(tries, nil, now, all)
	}
	for _, c := range []struct {
		name, value string
		want        time.Duration // 0: as without it
	}{
		{"retry-after", "20", 20 * time.Second}, {"retry-after", "100", 100 * time.Second}, {"retry-after", "101", 0}, {"retry-after", "0", 0},
		{"retry-after", "soon", 0}, {"retry-after", "-5", 0}, {"retry-after", "99999999999999999999", 0}, {"retry-after", "9223372036854775807", 0},
		{"x-reset", "1000030", 30 * time.Second}, {"x-reset", "999999", 0},
	} {
		h := &asked{fields: [][2]string{{c.name, c.value}}}
		if got := e.Retry.Wait(1, h, now, 0); got != c.want {
			t.Errorf("%s %s: got %v, want %v", c.name, c.value, got, c.want)
		}
		if got := e.Retry.Wait(1, h, now, uint64(c.want/2-1)); c.want > 0 && (got < c.want || got >= c.want*3/2) {
			t.Errorf("%s %s: got %v", c.name, c.value, got)
		}
	}
	// Without an interval of its own the first is 25 ms, the longest 250 ms.
	plain := forwarding(t, `"cluster": "a", "retry_policy": {"retry_on": "5xx"}`)
	for tries, most := range map[int]time.Duration{1: 25, 2: 50, 4: 200, 5: 250, 60: 250} {
		if got := plain.Retry.Wait(tries, nil, now, uint64(most*time.Millisecond-1)); got != most*time.Millisecond-1 {
			t.Errorf("attempt %d: got %v", tries, got)
		}
	}
}

// Hashes are of what the policies name, in their order.
func TestSum(t *testing.T) {
	sum := func(action string, x *asked) (string, []string) {
		var given []string
		n, ok := forwarding(t, `"cluster": "a", "hash_policy": [`+action+`]`).Sum(x, func(c string) { given = append(given, c) })
		if !ok {
			return "none", given
		}
		return fmt.Sprintf("%016x", n), given
	}
	header, query := `{"header": {"header_name": "X-Key"}}`, `{"query_parameter": {"name": "k"}}`
	x := &asked{path: "/?k=foo", fields: [][2]string{{"x-key", "foo"}}}
	// XXH64 of foo with seed 0.
	if got, _ := sum(header, x); got != "33bf00a859c4ba3f" {
		t.Errorf("got %s", got)
	}
	if a, _ := sum(header, x); a != first(sum(query, x)) {
		t.Error("a value is hashed by where it is from")
	}
	if a, _ := sum(header+","+query, x); a == first(sum(header, x)) || a == "0000000000000000" {
		t.Error("two that are alike take each other away")
	}
	if a, _ := sum(`{"header": {"header_name": "X-Key"}, "terminal": true},`+query, x); a != first(sum(header, x)) {
		t.Error("a terminal policy does not end the hash")
	}
	if a, _ := sum(`{"header": {"header_name": "none"}, "terminal": true},`+query, x); a != first(sum(query, x)) {
		t.Error("a terminal policy without a value ends the hash")
	}
	if a, _ := sum(header, &asked{path: "/"}); a != "none" {
		t.Errorf("got %s of nothing", a)
	}
	if a, _ := sum(`{"header": {"header_name": "X-Key", "regex_rewrite": {"pattern": {"regex": "o+"}, "substitution": ""}}}`, x); a == first(sum(header, x)) {
		t.Error("the value is not rewritten")
	}
	if a, _ := sum(`{"connection_properties": {"source_ip": true}}`, x); a == "none" {
		t.Error("an address has no hash")
	}
	cookie := `{"cookie": {"name": "c", "ttl": "60s", "path": "/p", "attributes": [{"name": "SameSite", "value": "Strict"}]}}`
	a, given := sum(cookie, x)
	if len(given) != 1 || !strings.HasSuffix(given[0], `"; Max-Age=60; Path=/p; SameSite=Strict; HttpOnly`) || !strings.HasPrefix(given[0], `c="`) {
		t.Errorf("gave %q", given)
	}
	value := strings.Split(given[0], `"`)[1]
	again, given := sum(cookie, &asked{fields: [][2]string{{"cookie", "b=1; c=" + value}}})
	if again != a || len(given) != 0 {
		t.Errorf("with the cookie got %s, gave %q, before %s", again, given, a)
	}
	if a, given := sum(`{"cookie": {"name": "c"}}`, x); a != "none" || len(given) != 0 {
		t.Errorf("a cookie that is not given: %s %q", a, given)
	}
}

func first(a string, _ []string) string { return a }

func TestShadow(t *testing.T) {
	for host, want := range map[string]string{"a.test": "a.test-shadow", "a.test:80": "a.test-shadow:80", "[::1]:80": "[::1]-shadow:80", "[::1]": "[::1]-shadow"} {
		if got := string(AppendShadow(nil, []byte(host))); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}

// Every refusal names its field.
func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "retry_policy": {"retry_on": "5xx,sometimes"}}`:                                                   `field route.retry_policy.field retry_on: "sometimes"`,
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "-1s"}`:                                                                                "field timeout",
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "auto_host_rewrite": true}`:                                                                       "field auto_host_rewrite",
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "\\1"}}`:                             `field substitution: \1`,
		`"match": {"prefix": "/"}, "route": {"cluster": "a"}, "request_headers_to_add": [{"header": {"key": "content-length", "value": "1"}}]`:                 "field request_headers_to_add[0]: field header.key",
		`"match": {"prefix": "/"}, "route": {"cluster": "a"}, "response_headers_to_add": [{"header": {"key": "x", "value": "%NONE%"}}]`:                        "the operator %NONE%",
		`"match": {"prefix": "/"}, "route": {"cluster": "a"}, "response_headers_to_add": [{"header": {"key": "x", "value": "a\nb"}}]`:                          "field response_headers_to_add[0]: field header.value",
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "hash_policy": [{"cookie": {"name": "a;b"}}]}`:                                                    "field hash_policy[0].cookie",
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "hash_policy": [{"filter_state": {"key": "a"}}]}`:                                                 "field hash_policy[0]",
		`"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 4294967295}, {"name": "b", "weight": 4294967295}]}}`:   "field route.weighted_clusters.clusters: the sum",
		`"match": {"prefix": "/"}, "route": {"cluster": "a", "request_mirror_policies": [{"cluster": "m", "runtime_fraction": {}}]}`:                           "request_mirror_policies[0].runtime_fraction",
		`"match": {"prefix": "/", "headers": [{"name": "a", "string_match": {"safe_regex": {"regex": "a"}, "ignore_case": true}}]}, "route": {"cluster": "a"}`: "field headers[0]",
	} {
		_, err := parse(`{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{` + text + `}]}]}`)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

// RE2 replaces all that matches, and what is empty once.
func TestRewriter(t *testing.T) {
	for _, c := range []struct{ regex, with, text, want string }{
		{"a", "b", "banana", "bbnbnb"}, {"^/(.*)$", `/x/\1`, "/a/b", "/x/a/b"}, {"(a)|(b)", `[\1\2]`, "abc", "[a][b]c"},
		{"x*", "-", "abc", "-a-b-c-"}, {"/+", "/", "//a///b", "/a/b"}, {"a", `\\\0$1`, "a", `\a$1`},
	} {
		e := forwarding(t, fmt.Sprintf(`"cluster": "a", "regex_rewrite": {"pattern": {"regex": %q}, "substitution": %q}`, c.regex, c.with))
		if got := string(e.path.append(nil, []byte(c.text), e.match)); got != c.want {
			t.Errorf("%s to %s in %s: got %s, want %s", c.regex, c.with, c.text, got, c.want)
		}
	}
}

// FuzzDecode: whatever comes is taken or refused; what is taken can be used.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"virtual_hosts": [{"name": "v", "domains": ["*.a", "b.*", "*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]}]}`,
		`{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"safe_regex": {"regex": "/a(b)"}, "headers": [{"name": "x", "range_match": {"start": 1, "end": 5}}]},
			"route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 1}]}, "regex_rewrite": {"pattern": {"regex": "(a)"}, "substitution": "\\1"}, "hash_policy": [{"cookie": {"name": "c", "ttl": "1s"}}],
			"retry_policy": {"retry_on": "5xx", "retriable_headers": [{"name": "x"}]}}}]}]}`,
		`{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"path": "/", "query_parameters": [{"name": "x"}], "cookies": [{"name": "y", "string_match": {"exact": "1"}}]},
			"redirect": {"prefix_rewrite": "/b", "port_redirect": 1}, "response_headers_to_add": [{"header": {"key": "x", "value": "%REQ(a)%"}}]}]}]}`,
	} {
		var rc routev3.RouteConfiguration
		if err := protojson.Unmarshal([]byte(text), &rc); err != nil {
			f.Fatal(err)
		}
		b, err := proto.Marshal(&rc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "/ab?x=1", "h.a:80", "5")
	}
	f.Fuzz(func(t *testing.T, b []byte, path, host, value string) {
		var rc routev3.RouteConfiguration
		if len(b) > 4096 || proto.Unmarshal(b, &rc) != nil {
			return
		}
		c, err := Decode(&rc)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		x := &asked{method: "GET", host: host, path: path, fields: [][2]string{{"x", value}, {"cookie", value}, {"a", value}}}
		e := c.Match(x, draw(uint64(len(value))))
		if e == nil {
			return
		}
		if e.Redirect != nil {
			e.Location(x)
		}
		e.Sum(x, func(string) {})
		e.Prepare(x)
		e.Answer(&asked{}, x)
		if e.Retry != nil {
			e.Retry.Answered(503, x)
			e.Retry.Wait(3, x, time.Unix(0, 0), 1)
		}
	})
}

// FuzzMatch: paths and queries are taken apart without a slip, and alike by
// their parts.
func FuzzMatch(f *testing.F) {
	f.Add("/a?k=v&l", "k", "c=1; d")
	f.Add("/?&&=&k", "", "c=\"")
	f.Fuzz(func(t *testing.T, path, name, cookies string) {
		if name == "" {
			return // which Decode refuses
		}
		value, ok := Parameter([]byte(path), name)
		if _, query, asks := strings.Cut(path, "?"); asks {
			want := errors.New("none")
			for _, pair := range strings.Split(query, "&") {
				key, v, _ := strings.Cut(pair, "=")
				if key == name {
					if want = nil; !ok || string(value) != v {
						t.Errorf("%q of %q: got %q %t, want %q", name, path, value, ok, v)
					}
					break
				}
			}
			if want != nil && ok {
				t.Errorf("%q of %q: got %q", name, path, value)
			}
		} else if ok {
			t.Errorf("%q of %q: got %q", name, path, value)
		}
		v, ok := Cookie(&asked{fields: [][2]string{{"cookie", cookies}}}, name)
		if ok && !strings.Contains(cookies, string(v)) {
			t.Errorf("%q of %q: got %q", name, cookies, v)
		}
		GRPCTimeout([]byte(path))
		AppendShadow(nil, []byte(path))
	})
}

// FuzzRewrite: what an expression replaces, Go's own replacing replaces.
func FuzzRewrite(f *testing.F) {
	f.Add("(a)(b)?", `\2-\1`, "abaab")
	f.Add("x*", "-", "abc")
	f.Fuzz(func(t *testing.T, regex, with, text string) {
		if len(regex) > 100 || len(with) > 100 || len(text) > 1000 {
			return
		}
		r, err := newRewriter(&matcherv3.RegexMatchAndSubstitute{Pattern: &matcherv3.RegexMatcher{Regex: regex}, Substitution: with})
		if err != nil {
			return
		}
		got := string(r.append(nil, []byte(text)))
		var template strings.Builder
		for _, p := range r.parts {
			template.WriteString(strings.ReplaceAll(p.text, "$", "$$"))
			if p.group >= 0 {
				fmt.Fprintf(&template, "${%d}", p.group)
			}
		}
		if want := r.regex.ReplaceAllString(text, template.String()); got != want {
			t.Errorf("%q to %q in %q: got %q, want %q", regex, with, text, got, want)
		}
	})
}
