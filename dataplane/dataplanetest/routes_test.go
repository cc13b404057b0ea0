package dataplanetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/dataplane/dataplanetest"
)

// routed is a proxy with the route configuration, whose cluster "service" is
// the endpoint and whose cluster "other" is another one.
func routed(t *testing.T, config, listen, endpoint, other string) dataplane.Proxy {
	t.Helper()
	p := dataplanetest.ToAll(listen, endpoint)
	p.Clusters = append(p.Clusters, dataplane.Cluster{Name: "other", Endpoints: []string{other}}, dataplane.Cluster{Name: "down", Endpoints: []string{free(t)}})
	p.Shapes = append(p.Shapes, func(r *dataplane.Resources) error {
		var rc routev3.RouteConfiguration
		if err := protojson.Unmarshal([]byte(config), &rc); err != nil {
			return err
		}
		rc.Name = r.Routes.GetName()
		r.Routes = &rc
		return nil
	})
	return p
}

// of adds a header to a request.
func (q asked) of(name string, values ...string) asked {
	h := http.Header{name: values}
	for n, v := range q.header {
		if n != name {
			h[n] = v
		}
	}
	q.header = h
	q.name += " " + name + "=" + strings.Join(values, "|")
	return q
}

func get(path string) asked { return asked{name: path, path: path} }

// at is the request to another host.
type at struct {
	asked
	host string
}

func everyRoute() (all []at) {
	for _, q := range []asked{
		// Paths.
		get("/exact"), get("/exact/"), get("/exact?x=1"), get("/EXACT"), get("/exactly"), get("/prefix"), get("/prefixed?a"),
		get("/Fold"), get("/FOLD/x"), get("/part"), get("/part/"), get("/part/x?y"), get("/partly"), get("/regex/12"), get("/regex/12?x"),
		get("/regex/12/"), get("/x/regex/12"), get("/nowhere"), get("/%65xact"), get("/"),
		// Headers, query, cookies.
		get("/h/exact"), get("/h/exact").of("X-H", "a"), get("/h/exact").of("X-H", "A"), get("/h/exact").of("X-H", "b", "a"),
		get("/h/exact").of("X-H", "a,b"), get("/h/not"), get("/h/not").of("X-H", "a"), get("/h/not").of("X-H", "b"),
		get("/h/not").of("X-H", "b", "a"), get("/h/there"), get("/h/there").of("X-H", ""), get("/h/absent"), get("/h/absent").of("X-H", "1"),
		get("/h/range").of("X-H", "9"), get("/h/range").of("X-H", "10"), get("/h/range").of("X-H", "-1"), get("/h/range").of("X-H", "x"),
		get("/h/range").of("X-H", "5x"), get("/h/regex").of("X-H", "abc"), get("/h/regex").of("X-H", "abcd"), get("/h/fold").of("X-H", "xABy"),
		get("/h/lenient"), get("/h/lenient").of("X-H", "a"), get("/h/lenient").of("X-H", ""),
		get("/q/a?k=v"), get("/q/a?k=w"), get("/q/a?k=w&k=v"), get("/q/a?x&k=v"), get("/q/a"), get("/q/a?k=%76"), get("/q/a?K=v"), get("/q/b?p"),
		get("/q/b?p="), get("/q/b?pp"), get("/q/b?"), get("/q/b?k=p"),
		get("/c"), get("/c").of("Cookie", "c=1"), get("/c").of("Cookie", "a=2; c=1"), get("/c").of("Cookie", "c=2; c=1"), get("/c").of("Cookie", `c="1"`),
		get("/c").of("Cookie", "c=1,d=1"), get("/c").of("Cookie", "C=1"), get("/grpc"), get("/grpc").of("Content-Type", "application/grpc"),
		get("/grpc").of("Content-Type", "application/grpc+proto"), get("/grpc").of("Content-Type", "application/grpcx"),
		{name: "POST /method", method: "POST", path: "/method", body: "x"}, get("/method"),
		// Rewriting and redirecting.
		get("/rw/prefix/x?q=1"), get("/rw/whole?q=1"), get("/rw/regex/12/34?q=/rw/regex/1"), get("/rw/host"), get("/rw/header").of("X-To", "there.test"),
		get("/rw/header"), get("/rw/path/name/rest"), get("/rw/forwarded"), get("/rw/slash"), get("/rw/part/x"),
		get("/to/host/x?y=z"), get("/to/path?y"), get("/to/query?y"), get("/to/prefix/x?y"), get("/to/https?y"), get("/to/port"), get("/to/scheme"),
		get("/to/regex/a?y"), get("/to/all?y"), get("/to/secure").of("X-Forwarded-Proto", "https"),
		{name: "POST /to/host", method: "POST", path: "/to/host", body: "x"},
		// Answers.
		get("/direct/200"), get("/direct/404"), get("/direct/503"), {name: "HEAD /direct/200", method: "HEAD", path: "/direct/200"},
		get("/direct/503").of("Content-Type", "application/grpc"), get("/nowhere").of("Content-Type", "application/grpc"),
		// Heads.
		get("/heads"), get("/heads").of("X-Set", "mine").of("X-Gone", "1", "2"), get("/heads").of("X-More", "1").of("X-Once", "mine").of("X-Has", "1"),
		get("/heads").of("X-In", "value"),
		// Where to.
		get("/named").of("X-Cluster", "other"), get("/named"), get("/named").of("X-Cluster", "nobody"), get("/weights").of("X-Draw", "0"),
		get("/weights").of("X-Draw", "29"), get("/weights").of("X-Draw", "30"), get("/weights").of("X-Draw", "99"), get("/weights").of("X-Draw", "130"),
		// Again.
		get("/again/5xx/status/500"), get("/again/5xx/status/503"), get("/again/gateway/status/500"), get("/again/gateway/status/502"),
		get("/again/codes/status/418"), get("/again/codes/status/404"), get("/again/409/status/409"), get("/again/headers/status/404"),
		get("/again/reset/none"), get("/again/reset/status/500"), get("/again/connect/none"), get("/again/some/status/500"),
		get("/again/some/status/500").of("X-Again", "yes"), get("/again/never/status/500"), get("/again/down"), get("/again/down5"),
		{name: "a body again", method: "POST", path: "/again/5xx/status/503", body: "hello"},
		{name: "a body of untold length again", method: "POST", path: "/again/5xx/status/503", body: "hello", stream: true},
		get("/again/5xx/status/503").of("Content-Type", "application/grpc"),
	} {
		all = append(all, at{q, "both.test"})
	}
	for _, host := range []string{"a.test", "x.a.test", "x.y.a.test", "X.A.TEST", "x.a.test:80", "q-x.a.test", "-x.a.test", "pre.any", "pre.", "one.test", "ONE.test", "one.test:81", "two.test:81", "none.test"} {
		all = append(all, at{asked{name: "host " + host, path: "/exact"}, host})
	}
	return all
}

// TestBothRoute: routes match and do the same on both planes.
func TestBothRoute(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("testdata/routes.json")
	if err != nil {
		t.Fatal(err)
	}
	listed := known(t, "route")
	var records [2][][]string
	for k, plane := range planes(t) {
		s, other := h1.serve(t, people{}, again), h1.serve(t, people{}, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "other") })
		addr := free(t)
		begin(t, plane, routed(t, string(config), addr, s.addr, other.addr))
		client := h1.client(t, people{})
		for _, q := range everyRoute() {
			records[k] = append(records[k], q.ask(t, client, "http://"+addr, s, other))
		}
	}
	for i, q := range everyRoute() {
		hold(t, listed, "route "+q.name, records[0][i], records[1][i])
	}
}

// again answers by the end of the path, however often it is asked.
func again(w http.ResponseWriter, r *http.Request) {
	if i := strings.Index(r.URL.Path, "/status/"); i >= 0 {
		r.URL.Path = r.URL.Path[i:]
	}
	if strings.HasSuffix(r.URL.Path, "/none") {
		r.URL.Path = "/none"
	}
	w.Header().Set("X-Drop", "1")
	answer(w, r)
}

func (q at) ask(t *testing.T, client *http.Client, base string, all ...*service) (lines []string) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if q.method != "" {
		method, body = q.method, strings.NewReader(q.body)
	}
	if q.stream {
		body = struct{ io.Reader }{body}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, base+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque, r.Host = q.path, q.host
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "both")
	lines = inform(client.Do(r))
	for i, s := range all {
		seen, requests := s.look(), 0
		for _, line := range seen {
			if !strings.HasPrefix(line, "request header ") {
				requests++
			}
		}
		lines = append(append(lines, seen...), fmt.Sprintf("service %d saw %d", i, requests))
	}
	return lines
}

// TestBothRefuseRoutes: what one plane refuses in a route configuration, the other
// one refuses, and the embedded plane says by name what it is.
func TestBothRefuseRoutes(t *testing.T) {
	t.Parallel()
	const to = `"route": {"cluster": "service"}`
	route := func(text string) string {
		return `{"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{` + text + `}]}]}`
	}
	forward := func(text string) string {
		return route(`"match": {"prefix": "/"}, "route": {"cluster": "service", ` + text + `}`)
	}
	cases := []struct{ name, config string }{
		{"no name", `{"virtual_hosts": [{"domains": ["*"]}]}`},
		{"no domains", `{"virtual_hosts": [{"name": "v"}]}`},
		{"domains twice", `{"virtual_hosts": [{"name": "v", "domains": ["a", "A"]}]}`},
		{"match", route(to)},
		{"match.path", route(`"match": {}, ` + to)},
		{"action", route(`"match": {"prefix": "/"}`)},
		{"regex", route(`"match": {"safe_regex": {"regex": "("}}, ` + to)},
		{"separated", route(`"match": {"path_separated_prefix": "/a/"}, ` + to)},
		{"separated query", route(`"match": {"path_separated_prefix": "/a?b"}, ` + to)},
		{"header name", route(`"match": {"prefix": "/", "headers": [{"string_match": {"exact": "a"}}]}, ` + to)},
		{"empty prefix", route(`"match": {"prefix": "/", "headers": [{"name": "x", "string_match": {"prefix": ""}}]}, ` + to)},
		{"query name", route(`"match": {"prefix": "/", "query_parameters": [{"string_match": {"exact": "a"}}]}, ` + to)},
		{"cluster", route(`"match": {"prefix": "/"}, "route": {"cluster": ""}`)},
		{"no cluster", route(`"match": {"prefix": "/"}, "route": {}`)},
		{"weights", route(`"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [{"name": "service", "weight": 0}]}}`)},
		{"no weights", route(`"match": {"prefix": "/"}, "route": {"weighted_clusters": {}}`)},
		{"rewrites", forward(`"prefix_rewrite": "/a", "regex_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}`)},
		{"rewrite regex", forward(`"regex_rewrite": {"pattern": {"regex": "("}, "substitution": "b"}`)},
		{"rewrite line", forward(`"prefix_rewrite": "/a\r\n"`)},
		{"retry status", forward(`"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "0s"}}`)},
		{"retry back-off", forward(`"retry_policy": {"retry_on": "5xx", "retry_back_off": {"base_interval": "2s", "max_interval": "1s"}}`)},
		{"mirror", forward(`"request_mirror_policies": [{}]`)},
		{"hash", forward(`"hash_policy": [{}]`)},
		{"hash header", forward(`"hash_policy": [{"header": {}}]`)},
		{"hash cookie", forward(`"hash_policy": [{"cookie": {}}]`)},
		{"direct status", route(`"match": {"prefix": "/"}, "direct_response": {"status": 99}`)},
		{"direct status 600", route(`"match": {"prefix": "/"}, "direct_response": {"status": 600}`)},
		{"direct body", route(`"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "` + strings.Repeat("a", 4097) + `"}}`)},
		{"header key", `{"request_headers_to_add": [{"header": {"key": "", "value": "x"}}], "virtual_hosts": []}`},
		{"header host", `{"request_headers_to_remove": ["host"], "virtual_hosts": []}`},
		{"header pseudo", `{"request_headers_to_add": [{"header": {"key": ":path", "value": "x"}}], "virtual_hosts": []}`},
		{"header value", `{"response_headers_to_add": [{"header": {"key": "x", "value": "%NONE%"}}], "virtual_hosts": []}`},
		{"header value open", `{"response_headers_to_add": [{"header": {"key": "x", "value": "%PROTOCOL"}}], "virtual_hosts": []}`},
	}
	for _, plane := range planes(t) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		i, err := plane.Start(ctx, dataplane.Options{Name: fmt.Sprint("refuse-", names.Add(1))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i.Stop() })
		addr := free(t)
		if err := i.Configure(ctx, dataplanetest.ToAll(addr, "127.0.0.1:1")); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			err := i.Configure(ctx, routed(t, c.config, addr, "127.0.0.1:1", "127.0.0.1:1"))
			if err == nil {
				t.Errorf("%s takes %s", plane.Name(), c.name)
			} else if plane.Name() == "embedded" && !strings.Contains(err.Error(), "field ") && !strings.Contains(err.Error(), "invalid ") {
				t.Errorf("%s: no field is named: %v", c.name, err)
			}
		}
	}
}
